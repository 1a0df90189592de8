"""A policy, arranged for accounts: its sections, and what can be computed once from them.

Rules of this file: nothing here looks at a state or a clock. A section that the policy does not
write is None and governs nothing.
"""

from __future__ import annotations

from functools import lru_cache
from math import log
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.account.rates import width_of
from streams.core.kinds import Kind
from streams.core.local_calendar import DAY_MS, zone_named

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from streams.core.policy import Brake, Ceilings, Pacing, Policy, Reputation, Window

_LADDER_MS: Final = 28 * DAY_MS
"""How long a brake's alarm is remembered where no `reputation` says how long anything is."""

_HEARS_MS: Final = 7 * DAY_MS
"""What is older is no burst, where no `reputation` says what counts against an account now."""

_PERIOD_MS: Final = (DAY_MS, 7 * DAY_MS, 31 * DAY_MS)
"""A calendar window's length, by `Calendar`."""


class BrakeRules(msgspec.Struct, frozen=True, kw_only=True):
    """The sequential test in numbers (`brake`): what each fact adds to the score, and its end.

    `delivery` is below 0, `complaint` and `block` are not; `threshold` is where the alarm is.
    `hears_ms`: how old the facts that it counts may be.
    """

    delivery: float
    complaint: float
    block: float
    threshold: float
    pauses_ms: tuple[int, ...]
    remember_ms: int
    hears_ms: int


class AccountRules(msgspec.Struct, frozen=True, kw_only=True):
    """What an account needs of a policy.

    `red_z`, `green_z`: the normal quantiles of the bounds' confidences. `keep_ms`: how long counts
    can be asked for, `width_ms`: in buckets how wide. `open_ms`: how long an unanswered request
    keeps what it took.
    """

    version: int
    zone: ZoneInfo
    reputation: Reputation | None
    ceilings: Ceilings | None
    brake: BrakeRules | None
    pacing: Pacing | None
    red_z: float
    green_z: float
    keep_ms: int
    width_ms: int
    open_ms: int


@lru_cache(maxsize=4096)
def account_rules_of(policy: Policy) -> AccountRules:
    """The rules of accounts under a policy. Raises `ValueError` for a time zone that is none."""
    zone = zone_named(policy.time_zone)
    if zone is None:
        msg = f"policy {policy.name!r}: unknown time zone {policy.time_zone!r}"
        raise ValueError(msg)
    reputation = policy.reputation
    return AccountRules(
        version=policy.version,
        zone=zone,
        reputation=reputation,
        ceilings=policy.ceilings,
        brake=None if policy.brake is None else _brake_rules(policy.brake, reputation),
        pacing=policy.pacing,
        red_z=_quantile(reputation.red.confidence) if reputation else 0.0,
        green_z=_quantile(reputation.green.confidence) if reputation else 0.0,
        keep_ms=max(_windows_ms(reputation)),
        width_ms=width_of(*_windows_ms(reputation)),
        open_ms=_open_ms(policy),
    )


def _windows_ms(reputation: Reputation | None) -> tuple[int, ...]:
    return (reputation.red.over_ms, reputation.green.over_ms) if reputation else (0,)


def _quantile(confidence: float) -> float:
    return NormalDist().inv_cdf(confidence)


def _brake_rules(brake: Brake, reputation: Reputation | None) -> BrakeRules:
    """Bernoulli log-likelihood ratios of `burst` against `normal`; Wald's threshold.

    Every delivery counts as one that pleased until a complaint says otherwise, which takes that
    back and adds its own: hence the odds ratio, and not the ratio of the shares.
    """
    pleased = log((1 - brake.burst) / (1 - brake.normal))
    complained = log(brake.burst / brake.normal)
    weights = reputation.weights if reputation else None
    return BrakeRules(
        delivery=pleased,
        complaint=(complained - pleased) * (weights.complaint if weights else 1),
        block=(complained - pleased) * (weights.block if weights else 1),
        threshold=log(1 / brake.false_alarm),
        pauses_ms=brake.pauses_ms,
        remember_ms=reputation.green.over_ms if reputation else _LADDER_MS,
        hears_ms=reputation.red.over_ms if reputation else _HEARS_MS,
    )


def _open_ms(policy: Policy) -> int:
    """A request is dead at the latest when the policy lets the same customer be asked again."""
    asking = [w for w in policy.windows if w.kinds >> Kind.FRIEND_REQUEST & 1 and not w.shadow]
    spans = [span_ms for w in asking if (span_ms := _span_ms(w))]
    return max(policy.validity_ms[Kind.FRIEND_REQUEST], min(spans, default=0))


def _span_ms(window: Window) -> int:
    if window.limit is None:
        return window.min_gap_ms
    return window.rolling_ms or (0 if window.calendar is None else _PERIOD_MS[window.calendar])
