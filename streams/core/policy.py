"""A policy as plain frozen values that the core can decide by.

Rules of this file: values only. No parsing (`streams.policy`), no decisions, no defaults that the
policy's schema does not name. A section that is `None` is not in the policy and governs nothing.
Durations are whole milliseconds, shares are fractions of 1, and sets of kinds are bit masks.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

FOREVER: Final = 2**63 - 1
"""A duration without end, and a time that never comes. It is larger than every time, so `max` and
`<` need no special case."""

DAYS_IN_MONTH: Final = -1
"""A limit equal to the number of days in the calendar month."""


class Scope(IntEnum):
    """Which of a customer's contacts a window counts together."""

    ENTERPRISE = 0
    ACCOUNT = 1
    CAMPAIGN = 2


class Calendar(IntEnum):
    """The period of a calendar window, in the policy's time zone."""

    DAY = 0
    WEEK = 1
    MONTH = 2


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One contact window. With a `limit`, exactly one of `rolling_ms` and `calendar` is set."""

    id: str
    kinds: int
    scope: Scope
    limit: int | None = None
    rolling_ms: int | None = None
    calendar: Calendar | None = None
    min_gap_ms: int = 0
    reserve_slots: int = 0
    reserve_priority: int = 0
    shadow: bool = False


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The reply credits that a customer's message opens, for each customer and account."""

    credits: int
    within_ms: int


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Back-off from a customer who does not answer; see `timing.silent_until_ms`."""

    kinds: int
    ignored: int
    first_ms: int
    factor: float
    longest_ms: int


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """[from, to) in milliseconds after local midnight; across midnight if from > to."""

    kinds: int
    from_ms: int
    to_ms: int


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """How long a complaint or a block stops its account, and the whole enterprise."""

    kinds: int
    account_ms: int
    enterprise_ms: int


class Holdout(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed share of customers who get no messages of these kinds."""

    share: float
    kinds: int


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """The weights of a complaint, a block and an opt-out in the complaint rate."""

    complaint: float = 1.0
    block: float = 1.0
    opt_out: float = 0.5


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """A Wilson bound for a grade: `share` is red's `above` or green's `below`."""

    share: float
    over_ms: int
    minimum: int
    confidence: float


class Reputation(msgspec.Struct, frozen=True, kw_only=True):
    """How an account's grade follows from its complaint rate."""

    weights: Weights
    red: Bound
    green: Bound
    hold_ms: int


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """One ceiling of an account; only relations have one for the `enterprise`."""

    start: int
    step: int
    floor: int
    max: int
    enterprise: int | None = None


class Ceilings(msgspec.Struct, frozen=True, kw_only=True):
    """How an account's ceilings rise and fall."""

    relations: Ceiling
    daily_adds: Ceiling
    rise_every_ms: int
    rise_used: float
    rise_within_ms: int
    fall_factor: float
    fall_cool_down_ms: int
    fall_off_after: int
    idle_used: float
    idle_within_ms: int


class Brake(msgspec.Struct, frozen=True, kw_only=True):
    """The sequential test (CUSUM) that pauses an account; the last pause may be FOREVER (`off`)."""

    kinds: int
    normal: float
    burst: float
    false_alarm: float
    pauses_ms: tuple[int, ...]


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """Messages per second by grade; `burst_ms`: how much unused time may be saved up."""

    kinds: int
    new_per_s: float
    green_per_s: float
    amber_per_s: float
    red_per_s: float
    burst_ms: int


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's steps: growing shares of its audience, the last 1.0."""

    kinds: int
    steps: tuple[float, ...]
    hold_ms: int
    from_size: int


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Everything governed for one enterprise (`*`: all without a policy of their own).

    `validity_ms` and `deadline_ms` are indexed by `Kind`. `ask_first`: the kinds that need consent;
    `None` without a `consent` section (opt-outs hold all the same). `friends_required`: `None`
    without a `friends` section.
    """

    name: str
    version: int
    enterprise: str
    effective_at_ms: int | None
    time_zone: str
    unknown_zone_denies: bool
    remember_ms: int
    validity_ms: tuple[int, ...]
    deadline_ms: tuple[int, ...]
    max_held: int
    windows: tuple[Window, ...] = ()
    reply: Reply | None = None
    silence: Silence | None = None
    quiet_hours: QuietHours | None = None
    ask_first: int | None = None
    suppression: Suppression | None = None
    friends_required: bool | None = None
    holdout: Holdout | None = None
    reputation: Reputation | None = None
    ceilings: Ceilings | None = None
    brake: Brake | None = None
    pacing: Pacing | None = None
    canary: Canary | None = None
