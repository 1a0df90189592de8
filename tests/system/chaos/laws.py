"""Policies as the audit reads them, from `policies` alone and with none of the engine's code.

Only what the audit can judge may stand in a policy under audit: rolling windows, gaps and reserves,
reply credits, suppression, consent, validity, deadlines, `max_held`, and of the account's side one
pace for all grades, the brake with pauses that end, the canary for campaigns of unknown size, and
daily adds under a ceiling of relations that nobody reaches. Anything else is refused here, so that
no audit passes over a rule in silence.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.properties.accounts.units import share
from tests.system.chaos.inputs import KINDS, read_event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.system.chaos.evidence import Seen

_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER: Final = 1 << 62
OUT_OF_REACH: Final = 1_000_000
"""Relations that no load makes."""
_VALIDITY: Final = {
    "direct": "1h",
    "broadcast": "24h",
    "moment": "24h",
    "friend_request": "24h",
    "reply": "48h",
    "transactional": "10m",
    "transfer": "24h",
}
_JUDGED: Final = {
    *("policy", "version", "enterprise", "effective_at", "time_zone", "remember", "groups"),
    *("validity", "windows", "reply", "consent", "suppression", "deadline", "max_held"),
    *("pacing", "ceilings", "reputation", "brake", "canary"),
}
DISTURBING: Final = {"direct", "broadcast", "moment", "friend_request"}
FOLLOWING_MS: Final = 5_000
"""How long a worker may take to follow a policy that is in force from its record's time on."""


class Rule(NamedTuple):
    """One entry of `windows`."""

    id: str
    kinds: frozenset[str]
    scope: str
    limit: int | None
    rolling_ms: int
    gap_ms: int
    slots: int
    urgent: int


class Law(NamedTuple):
    """One version of one enterprise's policy."""

    enterprise: str
    version: int
    since_ms: int
    recorded_ms: int
    rules: tuple[Rule, ...]
    validity_ms: dict[str, int]
    deadline_ms: dict[str, int]
    remember_ms: int
    max_held: int
    credits: int | None
    within_ms: int
    suppressed: frozenset[str]
    account_ms: int
    enterprise_ms: int
    asked: frozenset[str]
    paced: frozenset[str]
    rate_per_s: float | None
    burst_ms: int
    daily_adds: int | None
    braked: frozenset[str]
    staged: frozenset[str]
    first_share: float

    def governing(self, kind: str) -> list[Rule]:
        """The windows that bind a kind; a reply is outside all of them."""
        return [rule for rule in self.rules if kind in rule.kinds and kind != "reply"]


class Unjudged(Exception):  # noqa: N818 - a limit of the audit, not an error
    """The evidence holds something this audit cannot judge."""


def read_laws(records: Iterable[Seen], refused: set[tuple[str, int, int]]) -> list[Law]:
    """Every version that was accepted."""
    laws = []
    for record in records:
        event = read_event(record.value)
        if ("policies", record.partition, record.offset) not in refused and event is not None:
            laws.append(_law(event.data, record.timestamp))
    return laws


def in_force(laws: Iterable[Law], enterprise: str, now_ms: int) -> set[int]:
    """The versions by which a decision may have been taken: the one in force, and those that the
    worker may not have seen replaced yet.
    """
    own = [law for law in laws if law.enterprise == enterprise and law.since_ms <= now_ms]
    if not own:
        return set()
    known = [law for law in own if law.recorded_ms <= now_ms - FOLLOWING_MS]
    least = max((law.version for law in known), default=0)
    return {law.version for law in own if law.version >= least}


def _law(document: dict[str, Any], recorded_ms: int) -> Law:
    beyond = set(document) - _JUDGED
    if beyond or document["enterprise"] == "*":
        raise Unjudged(f"this audit cannot judge {sorted(beyond) or 'a policy for everyone'}")
    groups = {name: frozenset(kinds) for name, kinds in document.get("groups", {}).items()}
    effective = document.get("effective_at")
    reply, suppression = document.get("reply", {}), document.get("suppression", {})
    pacing = document.get("pacing", {})
    deadline = document.get("deadline", {"default": "24h", "broadcast": "7d"})
    return Law(
        enterprise=document["enterprise"],
        version=document["version"],
        since_ms=recorded_ms if effective is None else _instant_ms(effective),
        recorded_ms=recorded_ms,
        rules=tuple(_rule(window, groups) for window in document.get("windows", [])),
        validity_ms={
            kind: _ms(document.get("validity", {}).get(kind, _VALIDITY[kind])) for kind in KINDS
        },
        deadline_ms={kind: _ms(deadline.get(kind, deadline["default"])) for kind in KINDS},
        remember_ms=_ms(document.get("remember", "48h")),
        max_held=document.get("max_held", 20),
        credits=reply.get("credits"),
        within_ms=_ms(reply.get("within", "1ms")),
        suppressed=_kinds(suppression.get("kinds", []), groups) & DISTURBING,
        account_ms=_ms(suppression.get("account", "1ms")),
        enterprise_ms=_ms(suppression.get("enterprise", "1ms")),
        asked=_kinds(document.get("consent", {"ask_first": []})["ask_first"], groups),
        paced=_kinds(pacing.get("kinds", []), groups),
        rate_per_s=_even_rate(pacing) if pacing else None,
        burst_ms=_ms(pacing.get("burst", "1ms")),
        daily_adds=_daily_adds(document.get("ceilings")),
        braked=_braked(document.get("brake", {}), groups),
        staged=_kinds(document.get("canary", {}).get("kinds", []), groups),
        first_share=share(document.get("canary", {}).get("steps", ["100%"])[0]),
    )


def _even_rate(pacing: dict[str, Any]) -> float:
    rates = {pacing[grade] for grade in ("new", "green", "amber", "red")}
    found = re.fullmatch(r"(\d+)/s", rates.pop())
    if rates or not found:
        raise Unjudged("this audit knows no grades: one rate a second for all of them")
    return float(found[1])


def _braked(brake: dict[str, Any], groups: dict[str, frozenset[str]]) -> frozenset[str]:
    if "off" in brake.get("pauses", ()):
        raise Unjudged("this audit knows no account that is off")
    return _kinds(brake.get("kinds", []), groups)


def _daily_adds(ceilings: dict[str, Any] | None) -> int | None:
    if ceilings is None:
        return None
    if ceilings["relations"]["start"] < OUT_OF_REACH:
        raise Unjudged("this audit does not count relations")
    adds: int = ceilings["daily_adds"]["start"]
    return adds


def _rule(window: dict[str, Any], groups: dict[str, frozenset[str]]) -> Rule:
    if "calendar" in window or window.get("shadow"):
        raise Unjudged(f"this audit cannot judge the window {window['id']}")
    reserve = window.get("reserve", {})
    return Rule(
        id=window["id"],
        kinds=_kinds(window["kinds"], groups),
        scope=window["scope"],
        limit=window.get("limit"),
        rolling_ms=_ms(window.get("rolling", "1ms")),
        gap_ms=_ms(window["min_gap"]) if "min_gap" in window else 0,
        slots=reserve.get("slots", 0),
        urgent=reserve.get("priority", 0),
    )


def _kinds(named: list[str] | str, groups: dict[str, frozenset[str]]) -> frozenset[str]:
    return groups[named] if isinstance(named, str) else frozenset(named)


def _ms(duration: str) -> int:
    if duration == "forever":
        return FOREVER
    found = re.fullmatch(r"(\d+)(ms|s|m|h|d)", duration)
    if not found:
        raise Unjudged(f"{duration!r} is no duration")
    return int(found[1]) * _UNITS_MS[found[2]]


def _instant_ms(moment: str) -> int:
    """The millisecond in which it lies, as a clock of milliseconds shows it."""
    return (datetime.fromisoformat(moment) - _EPOCH) // timedelta(milliseconds=1)
