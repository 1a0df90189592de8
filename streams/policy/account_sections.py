"""The sections that govern accounts: `reputation` and `ceilings`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field
from typing_extensions import TypeAliasType

from streams.core import policy
from streams.core.account.rates import (
    COUNTERS_MOST,
    LEAST_WIDTH_MS,
    PARTS,
    counters_of,
    width_of,
)
from streams.policy.faults import Fault
from streams.policy.section import Section, default
from streams.policy.values import (
    Duration,
    Share,
    duration,
    number,
    share,
    span,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_MANY: Final = 1_000_000_000
"""More relations, deliveries or adds than anybody has; keeps sums far inside 64 bits."""

Count = TypeAliasType("Count", Annotated[int, whole(1, _MANY)])

_LEAST_CONFIDENCE: Final = 0.5
"""Under one half a one-sided lower bound lies above the very rate it bounds."""


class Weights(Section):
    """What one complaint, block and opt-out weigh in the complaint rate."""

    core = policy.Weights

    complaint: Annotated[float, number(0, 100)] = default(1)
    block: Annotated[float, number(0, 100)] = default(1)
    opt_out: Annotated[float, number(0, 100)] = default(0.5)

    def faults(self) -> Iterator[Fault]:
        if not (self.complaint or self.block or self.opt_out):
            yield Fault("complaint", "never binds: nothing weighs anything")


class _Bound(Section):
    core = policy.Bound

    share: Share
    over_ms: Duration = Field(alias="over")
    minimum: Count = Field(alias="from")
    confidence: Share

    def faults(self) -> Iterator[Fault]:
        if self.confidence < _LEAST_CONFIDENCE:
            yield Fault("confidence", "must be at least 50 %")


class Red(_Bound):
    """Where the lower bound of the rate is above this, the grade is red."""

    share: Share = Field(alias="above")


class Green(_Bound):
    """Where the upper bound of the rate is below this, the grade is green."""

    share: Share = Field(alias="below")


class Reputation(Section):
    """How an account's grade follows from its complaint rate."""

    core = policy.Reputation

    weights: Weights = default({})
    red: Red
    green: Green
    hold_ms: Annotated[int, duration(least_ms=0)] = Field(alias="hold")

    def faults(self) -> Iterator[Fault]:
        if self.green.share >= self.red.share:
            yield Fault("green.below", "must be under `red.above`, or an account could be both")
        yield from _countable({"red.over": self.red.over_ms, "green.over": self.green.over_ms})


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


class Ceiling(Section):
    """How far a ceiling may go, and in which steps."""

    core = policy.Ceiling

    start: Count
    step: Count
    floor: Count
    max: Count

    def faults(self) -> Iterator[Fault]:
        if self.floor > self.start:
            yield Fault("floor", "is above `start`")
        if self.start > self.max:
            yield Fault("start", "is above `max`")


class RelationsCeiling(Ceiling):
    """A ceiling, and what all accounts may hold together."""

    enterprise: Count

    def faults(self) -> Iterator[Fault]:
        yield from super().faults()
        if self.start > self.enterprise:
            yield Fault("start", "is above `enterprise`, what all accounts may hold together")


class Rise(Section):
    """A ceiling rises while the account is green and uses so much of it."""

    core = dict

    rise_every_ms: Duration = Field(alias="every")
    rise_used: Annotated[float, share(zero=True, full=True)] = Field(alias="used")
    rise_within_ms: Duration = Field(alias="within")


class Fall(Section):
    """A ceiling falls when the account turns red, and while it stays so."""

    core = dict

    # Down to a hundredth at once is no longer a fall; up to all of it would be none.
    fall_factor: Annotated[float, number(0.01, 0.99)] = Field(alias="factor")
    fall_cool_down_ms: Duration = Field(alias="cool_down")
    fall_off_after: Annotated[int, whole(1, 1_000)] = Field(alias="off_after")


class Idle(Section):
    """A ceiling of which less is used goes down by a step."""

    core = dict

    idle_used: Annotated[float, share(zero=True, full=True)] = Field(alias="used")
    idle_within_ms: Duration = Field(alias="within")


def _ceilings(**parts: Any) -> policy.Ceilings:
    # In the file these three are groups; in the policy all of it is one flat table.
    grouped = [parts.pop(name) for name in ("rise", "fall", "idle")]
    return policy.Ceilings(**parts, **{k: v for group in grouped for k, v in group.items()})


class Ceilings(Section):
    """The rules by which an account's ceilings move."""

    core = _ceilings

    relations: RelationsCeiling
    daily_adds: Ceiling
    rise: Rise
    fall: Fall
    idle: Idle

    def faults(self) -> Iterator[Fault]:
        rise, idle = self.rise, self.idle
        if idle.idle_used > rise.rise_used:
            yield Fault("idle.used", "is above `rise.used`: steady use between them would do both")
        yield from _countable(
            {"rise.within": rise.rise_within_ms, "idle.within": idle.idle_within_ms}
        )
