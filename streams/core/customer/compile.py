"""Compiles a policy for deciding: for each kind, just the rules that bind it.

Rules of this file: what can be known before any intent is computed here, once for each policy. No
ledger and no clock. The table `_PASSES` says which section may bind which kind.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec

from streams.core.customer.denials import denials_for
from streams.core.customer.ledger import FEEDBACK_MS
from streams.core.customer.rules import KindRules, Retention
from streams.core.kinds import MAKES_RELATION, Kind, mask_of
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

# A reply answers the customer: only its credit and operators' controls bind it. A transactional
# message needs consent and has its own windows. A transfer is no message.
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
"""The kinds that a section may bind, whatever the policy lists."""

_LONGEST_PERIOD_MS: Final = {
    Calendar.DAY: 2 * DAY_MS,
    Calendar.WEEK: 8 * DAY_MS,
    Calendar.MONTH: 32 * DAY_MS,
}
"""The longest calendar period, and one day more for changes of the clocks."""


class _Section(Protocol):
    @property
    def kinds(self) -> int: ...


S = TypeVar("S", bound=_Section)


@lru_cache(maxsize=4096)
def compile_rules(policy: Policy) -> tuple[KindRules, ...]:
    """The rules of a policy, indexed by kind. ValueError for a time zone that does not exist."""
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
    governing = [_without_unbound(w) for w in policy.windows if _binds("windows", w.kinds, kind)]
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
    """Whether a message of this kind needs its account's permit.

    `pacing`, `canary`: the sections, if they bind the kind. Friend requests and transfers always
    need one: the account counts them even without a ceiling, so that a later ceiling finds them.
    """
    return kind in MAKES_RELATION or pacing is not None or canary is not None


def _silence(policy: Policy) -> Silence | None:
    """Without the kinds that silence cannot bind: they do not count as ignored, either."""
    section = policy.silence
    if section is None:
        return None
    return msgspec.structs.replace(section, kinds=section.kinds & _PASSES["silence"])


def _without_unbound(window: Window) -> Window:
    """Without the kinds that no window can bind: they take no slot, either."""
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
    """How long a contact is kept for the feedback on it."""
    return FEEDBACK_MS if _DISTURBS >> kind & 1 else 0


def _reaches(windows: Sequence[Window]) -> list[int]:
    """By kind, the longest time for which these windows count a contact."""
    return [max((_reach(w) for w in windows if w.kinds >> kind & 1), default=0) for kind in Kind]


def _reach(window: Window) -> int:
    """How long after its time the window may still count a contact."""
    period_ms = 0 if window.calendar is None else _LONGEST_PERIOD_MS[window.calendar]
    return max(window.rolling_ms or 0, window.min_gap_ms, period_ms)
