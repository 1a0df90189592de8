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
    """How long a ledger needs a contact. Both tuples are indexed by kind, in milliseconds.

    `keep_ms`: how long after its time something may still ask for a contact. `binding_ms`: how long
    a window or credit that can deny counts it; 0 if none does. `silent`: the mask of the kinds that
    the silence back-off counts.
    """

    keep_ms: tuple[int, ...]
    binding_ms: tuple[int, ...]
    silent: int


class KindRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules for one kind under one policy; `None` or empty where a section does not bind it.

    `disturbs`: the kind can bother people; they are not waiting for it. `defers`: it may wait if it
    is only too early. `braked`: an account's brake stops it. `needs_permit`: it needs a permit of
    its account, which `pacing` and `canary` govern. `shadows`: windows that are reported and never
    deny. `denials`: the checks that can deny this kind, in their order.
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
