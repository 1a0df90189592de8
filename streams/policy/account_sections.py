"""The sections of a policy file that govern accounts: `reputation` and `ceilings`.

Tables as in `customer_sections`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streams.core.account.rates import (
    COUNTERS_MOST,
    LEAST_WIDTH_MS,
    PARTS,
    counters_of,
    width_of,
)
from streams.core.policy import Bound, Ceiling, Ceilings, Reputation, Weights
from streams.policy.faults import Fault, Parse
from streams.policy.reader import Field, record
from streams.policy.values import duration, number, share, span, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

_MANY: Final = 1_000_000_000
"""More relations, deliveries or adds than anybody has; keeps sums far inside 64 bits."""

_LEAST_CONFIDENCE: Final = 0.5
"""Under one half a one-sided lower bound lies above the very rate it bounds."""


def reputation() -> Parse[Reputation]:
    """How an account's grade follows from its complaint rate."""
    return record(
        Reputation,
        {
            "weights": Field("weights", _weights(), Weights()),
            "red": Field("red", _bound("above")),
            "green": Field("green", _bound("below")),
            "hold": Field("hold_ms", duration(least_ms=0)),
        },
        _grades_apart,
    )


def _weights() -> Parse[Weights]:
    weight = number(0, 100)
    return record(
        Weights,
        {
            "complaint": Field("complaint", weight, Weights().complaint),
            "block": Field("block", weight, Weights().block),
            "opt_out": Field("opt_out", weight, Weights().opt_out),
        },
        _weighs,
    )


def _weighs(weights: Weights) -> Iterator[Fault]:
    if not (weights.complaint or weights.block or weights.opt_out):
        yield Fault("complaint", "never binds: nothing weighs anything")


def _bound(side: str) -> Parse[Bound]:
    return record(
        Bound,
        {
            side: Field("share", share()),
            "over": Field("over_ms", duration()),
            "from": Field("minimum", whole(1, _MANY)),
            "confidence": Field("confidence", share()),
        },
        _confident,
    )


def _confident(bound: Bound) -> Iterator[Fault]:
    if bound.confidence < _LEAST_CONFIDENCE:
        yield Fault("confidence", "must be at least 50 %")


def _grades_apart(section: Reputation) -> Iterator[Fault]:
    if section.green.share >= section.red.share:
        yield Fault("green.below", "must be under `red.above`, or an account could be both")
    windows = {"red.over": section.red.over_ms, "green.over": section.green.over_ms}
    yield from _countable(windows)


def _countable(windows_ms: dict[str, int]) -> Iterator[Fault]:
    """Each window is kept to a twentieth of the shortest, and an account keeps so much at most."""
    needed, width_ms = counters_of(*windows_ms.values()), width_of(*windows_ms.values())
    if needed <= COUNTERS_MOST:
        return
    longest, shortest = (f(windows_ms, key=windows_ms.__getitem__) for f in (max, min))
    fine = f"a twentieth of `{shortest}`" if width_ms > LEAST_WIDTH_MS else "the finest there is"
    least_ms = -(-windows_ms[longest] // COUNTERS_MOST) * PARTS
    yield Fault(
        longest,
        f"{span(windows_ms[longest])} takes {needed:,} counters an account, one every"
        f" {span(width_ms)}, {fine}; the most is {COUNTERS_MOST}: `{shortest}`, which is"
        f" {span(windows_ms[shortest])}, may be {span(least_ms)} at the least, or this"
        f" {span(COUNTERS_MOST * width_ms)} at the most",
    )


def ceilings() -> Parse[Ceilings]:
    """The law by which an account's ceilings move."""
    return record(
        _ceilings,
        {
            "relations": Field("relations", _ceiling(of_enterprise=True)),
            "daily_adds": Field("daily_adds", _ceiling(of_enterprise=False)),
            "rise": Field("rise", _rise()),
            "fall": Field("fall", _fall()),
            "idle": Field("idle", _idle()),
        },
        _rises_or_falls,
    )


def _ceilings(
    *,
    relations: Ceiling,
    daily_adds: Ceiling,
    **laws: dict[str, Any],
) -> Ceilings:
    # In the file the laws are grouped; in the policy they are one flat table.
    flat = {name: value for law in laws.values() for name, value in law.items()}
    return Ceilings(relations=relations, daily_adds=daily_adds, **flat)


def _ceiling(*, of_enterprise: bool) -> Parse[Ceiling]:
    count = whole(1, _MANY)
    fields = {name: Field(name, count) for name in ("start", "step", "floor", "max")}
    enterprise = {"enterprise": Field("enterprise", count)} if of_enterprise else {}
    return record(Ceiling, {**fields, **enterprise}, _in_order)


def _in_order(ceiling: Ceiling) -> Iterator[Fault]:
    if ceiling.floor > ceiling.start:
        yield Fault("floor", "is above `start`")
    if ceiling.start > ceiling.max:
        yield Fault("start", "is above `max`")
    if ceiling.enterprise is not None and ceiling.start > ceiling.enterprise:
        yield Fault("start", "is above `enterprise`, what all accounts may hold together")


def _rise() -> Parse[dict[str, Any]]:
    return record(
        dict,
        {
            "every": Field("rise_every_ms", duration()),
            "used": Field("rise_used", share(zero=True, full=True)),
            "within": Field("rise_within_ms", duration()),
        },
    )


def _fall() -> Parse[dict[str, Any]]:
    return record(
        dict,
        {
            # Down to a hundredth at once is no longer a fall; up to all of it would be none.
            "factor": Field("fall_factor", number(0.01, 0.99)),
            "cool_down": Field("fall_cool_down_ms", duration()),
            "off_after": Field("fall_off_after", whole(1, 1_000)),
        },
    )


def _idle() -> Parse[dict[str, Any]]:
    return record(
        dict,
        {
            "used": Field("idle_used", share(zero=True, full=True)),
            "within": Field("idle_within_ms", duration()),
        },
    )


def _rises_or_falls(section: Ceilings) -> Iterator[Fault]:
    if section.idle_used > section.rise_used:
        yield Fault("idle.used", "is above `rise.used`: steady use between them would do both")
    yield from _countable(
        {"rise.within": section.rise_within_ms, "idle.within": section.idle_within_ms}
    )
