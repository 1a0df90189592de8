"""A policy, arranged for deciding: for each kind, just the rules that govern it.

Rules of this file: everything that can be known before an intent is seen is worked out here, once
a policy; nothing here looks at a ledger or a clock. Which kind passes what is the table `_PASSES`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec

from streams.core.customer.denials import denials_for
from streams.core.customer.ledger import FEEDBACK_MS
from streams.core.customer.rules import KindRules, Retention
from streams.core.kinds import Kind, mask_of
from streams.core.local_calendar import DAY_MS, zone_named
from streams.core.policy import (
    Calendar,
    Canary,
    Pacing,
    Silence,
    Weights,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.policy import Policy

# A reply answers a call: only its credit and operators' controls bind it. A transactional message
# keeps consent and its own windows. A transfer is a change of hands, not a message.
_DISTURBS: Final = mask_of((Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT, Kind.FRIEND_REQUEST))
_PASSES: Final = {
    "quiet_hours": _DISTURBS,
    "silence": _DISTURBS,
    "suppression": _DISTURBS,
    "friends": mask_of((Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT)),
    "consent": _DISTURBS | mask_of((Kind.TRANSACTIONAL,)),
    "windows": _DISTURBS | mask_of((Kind.TRANSACTIONAL, Kind.TRANSFER)),
    "holdout": _DISTURBS,
    "brake": _DISTURBS,
    "pacing": _DISTURBS,
    "canary": mask_of((Kind.BROADCAST, Kind.MOMENT)),
}
"""The kinds that each section may bind, whatever the policy lists."""

_LONGEST_PERIOD_MS: Final = {
    Calendar.DAY: 2 * DAY_MS,
    Calendar.WEEK: 8 * DAY_MS,
    Calendar.MONTH: 32 * DAY_MS,
}
"""A calendar period at its longest, with a day for changes of the clocks."""


class _Section(Protocol):
    @property
    def kinds(self) -> int: ...


S = TypeVar("S", bound=_Section)


@lru_cache(maxsize=4096)
def compile_rules(policy: Policy) -> tuple[KindRules, ...]:
    """The laws of a policy, indexed by kind."""
    retention = _retention(policy)
    kind_rules = (_kind_rules(policy, kind, retention) for kind in Kind)
    return tuple(msgspec.structs.replace(rules, denials=denials_for(rules)) for rules in kind_rules)


def _kind_rules(policy: Policy, kind: Kind, retention: Retention) -> KindRules:
    zone = zone_named(policy.time_zone)
    if zone is None:
        msg = f"policy {policy.name!r}: unknown time zone {policy.time_zone!r}"
        raise ValueError(msg)
    pacing = _section("pacing", policy.pacing, kind)
    canary = _section("canary", policy.canary, kind)
    governing = [_without_replies(w) for w in policy.windows if _binds("windows", w.kinds, kind)]
    return KindRules(
        kind=kind,
        policy=policy.name,
        version=policy.version,
        zone=zone,
        disturbs=bool(_DISTURBS >> kind & 1),
        defers=kind is not Kind.TRANSFER,
        braked=policy.brake is not None and _binds("brake", policy.brake.kinds, kind),
        needs_permit=needs_permit(kind, pacing, canary),
        pacing=pacing,
        canary=canary,
        unknown_zone_denies=policy.unknown_zone_denies,
        windows=tuple(w for w in governing if not w.shadow),
        shadows=tuple(w for w in governing if w.shadow),
        reply=policy.reply if kind is Kind.REPLY else None,
        silence=_section("silence", _silence(policy), kind),
        quiet_hours=_section("quiet_hours", policy.quiet_hours, kind),
        suppression=_section("suppression", policy.suppression, kind),
        consent=_passes("consent", kind),
        ask_first=bool(policy.ask_first) and _binds("consent", policy.ask_first or 0, kind),
        friends=policy.friends_required is not None and _passes("friends", kind),
        friends_required=bool(policy.friends_required) and _passes("friends", kind),
        holdout_share=held.share if (held := _section("holdout", policy.holdout, kind)) else 0.0,
        validity_ms=policy.validity_ms[kind],
        deadline_ms=policy.deadline_ms[kind],
        remember_ms=policy.remember_ms,
        max_held=policy.max_held,
        weights=policy.reputation.weights if policy.reputation else Weights(),
        retention=retention,
    )


def needs_permit(kind: Kind, pacing: Pacing | None, canary: Canary | None) -> bool:
    """Whether a message of this kind must pass its account's queue or count first.

    `pacing`, `canary`: what of them binds the kind. What may become a relation is counted even
    while no ceiling governs it: one that comes later must find the count.
    """
    counted = kind in {Kind.FRIEND_REQUEST, Kind.TRANSFER}
    return counted or pacing is not None or canary is not None


def _silence(policy: Policy) -> Silence | None:
    """Kinds that silence cannot bind are no ignored marketing, either."""
    section = policy.silence
    if section is None:
        return None
    return msgspec.structs.replace(section, kinds=section.kinds & _PASSES["silence"])


def _without_replies(window: Window) -> Window:
    """Kinds that no window binds take no slot of one, either."""
    return msgspec.structs.replace(window, kinds=window.kinds & _PASSES["windows"])


def _passes(section: str, kind: Kind) -> bool:
    return bool(_PASSES[section] >> kind & 1)


def _binds(section: str, kinds: int, kind: Kind) -> bool:
    return _passes(section, kind) and bool(kinds >> kind & 1)


def _section(name: str, value: S | None, kind: Kind) -> S | None:
    return _listing(value, kind) if _passes(name, kind) else None


def _listing(value: S | None, kind: Kind) -> S | None:
    return value if value is not None and value.kinds >> kind & 1 else None


def _retention(policy: Policy) -> Retention:
    silence = _silence(policy)
    binding = _reaches([w for w in policy.windows if not w.shadow])
    if policy.reply is not None:
        binding[Kind.REPLY] = max(binding[Kind.REPLY], policy.reply.within_ms)
    needed = [max(both) for both in zip(binding, _reaches(policy.windows), strict=True)]
    return Retention(
        keep_ms=tuple(max(needed[k], policy.remember_ms, _known_ms(k)) for k in Kind),
        binding_ms=tuple(binding),
        silent=silence.kinds if silence is not None else 0,
    )


def _known_ms(kind: Kind) -> int:
    """How long a contact is kept for what is said of it."""
    return FEEDBACK_MS if _DISTURBS >> kind & 1 else 0


def _reaches(windows: Sequence[Window]) -> list[int]:
    """By kind, the longest reach of these windows."""
    return [max((_reach(w) for w in windows if w.kinds >> kind & 1), default=0) for kind in Kind]


def _reach(window: Window) -> int:
    """How long after its time a contact may still weigh under the window."""
    period_ms = 0 if window.calendar is None else _LONGEST_PERIOD_MS[window.calendar]
    return max(window.rolling_ms or 0, window.min_gap_ms, period_ms)
