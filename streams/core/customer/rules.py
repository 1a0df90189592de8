"""The rules for one kind of message under one policy: all that a decision needs of the policy.

Rules of this file: values only. `compile` makes them from a policy; nothing here reads a ledger or
a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from streams.core.customer.request import Verdict
    from streams.core.kinds import Kind
    from streams.core.policy import (
        Canary,
        Pacing,
        QuietHours,
        Reply,
        Silence,
        Suppression,
        Weights,
        Window,
    )

    Check = Callable[[Any], Verdict | None]
    """One check for a denial. It takes a `DecisionInput`; the type is `Any` here, because a
    `DecisionInput` has these rules as a field."""


class Retention(NamedTuple):
    """What upkeep must know of the policy.

    `keep_ms`: by kind, how long after its time a contact can still be asked for. `binding_ms`: how
    long some window or credit that decides counts it, 0 where none does. `silent`: kinds that the
    silence back-off counts.
    """

    keep_ms: tuple[int, ...]
    binding_ms: tuple[int, ...]
    silent: int


class KindRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules for one kind under one policy; `None` or empty where a section does not bind it.

    `disturbs`: the kind is one a person can be bothered by, rather than one they are waiting for.
    `defers`: it may wait when it is only too early. `braked`: an account's brake stops it.
    `leave`: it needs its account's leave, for which `pacing` and `canary` are.
    """

    kind: Kind
    policy: str
    version: int
    zone: ZoneInfo
    disturbs: bool
    defers: bool
    braked: bool
    needs_permit: bool
    pacing: Pacing | None
    canary: Canary | None
    unknown_zone_denies: bool
    windows: tuple[Window, ...]
    shadows: tuple[Window, ...]
    reply: Reply | None
    silence: Silence | None
    quiet_hours: QuietHours | None
    suppression: Suppression | None
    consent: bool
    ask_first: bool
    friends: bool
    friends_required: bool
    holdout_share: float
    validity_ms: int
    deadline_ms: int
    remember_ms: int
    max_held: int
    weights: Weights
    retention: Retention
    denials: tuple[Check, ...] = ()
