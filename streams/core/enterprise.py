"""An enterprise's sums over its accounts: relations, free capacity, and how often customers answer.

They are made in two steps, so that no key becomes a bottleneck. Each account partition adds up what
one batch changed in its accounts, and sends that to the enterprise's key. The enterprise's owner
adds these up, and broadcasts the totals to all account partitions at most once a second. So an
account partition knows every change of its own accounts, and the others' about a second later.

The policy says how many relations are allowed (`ceilings.relations.enterprise`): WeCom raises an
enterprise's 50,000 by another 50,000 on request, and a new version of the policy then says so.

Rules of this file: sums of changes, in whatever order they come; nothing is counted again. Days are
UTC days, because a rate over weeks needs no local calendar.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.local_calendar import DAY_MS

if TYPE_CHECKING:
    from streams.core.policy import Policy

PUBLISH_EVERY_MS: Final = 1_000
_PUBLISH_RATE_EVERY_MS: Final = 60_000
"""Every partition is told an enterprise's totals at most so often: of its relations and capacity,
and of its reply rate alone."""

_USUAL_OVER_MS: Final = 28 * DAY_MS
"""The period of the reply rate if the policy has no `reputation.green.over`."""


class EnterpriseFacts(msgspec.Struct, frozen=True, array_like=True):
    """What one batch changed in one partition's accounts of an enterprise, at about `at_ms`.

    `relations`: by how many the relations grew. `room`: by how many the free relations under all
    accounts' ceilings grew. Both are negative if they shrank. `delivered`, `received`: messages to
    customers and from them. `open`: by how many the friend requests under way grew.
    """

    at_ms: int
    relations: int = 0
    room: int = 0
    delivered: int = 0
    received: int = 0
    open: int = 0


class Day(msgspec.Struct, array_like=True):
    """The messages of one day; `day`: UTC days since 1970-01-01."""

    day: int
    delivered: int = 0
    received: int = 0


class EnterpriseState(msgspec.Struct, array_like=True):
    """All that is known of one enterprise; `days` are sorted."""

    version: int = 1
    relations: int = 0
    room: int = 0
    days: list[Day] = []
    open: int = 0


class EnterpriseRules(msgspec.Struct, frozen=True):
    """A policy's rules for the enterprise as a whole; `allowed` None: no limit."""

    allowed: int | None
    over_ms: int


class EnterpriseTotals(msgspec.Struct, frozen=True, array_like=True):
    """What every account partition knows of its enterprise."""

    relations: int = 0
    room: int = 0
    delivered: int = 0
    received: int = 0
    open: int = 0

    @property
    def claimed(self) -> int:
        """Relations held, and those that requests under way may become."""
        return self.relations + self.open

    @property
    def reply_rate(self) -> float | None:
        """Messages received divided by messages delivered; None without deliveries."""
        return self.received / self.delivered if self.delivered else None

    def others(self, delivered: int, received: int) -> float | None:
        """The reply rate without an account's own messages; None if there are no others.

        An account is compared with the others only. The totals are older than its own counts, so
        that with them an account could stay just below its own rate for ever.
        """
        rest = self.delivered - delivered
        return max(0, self.received - received) / rest if rest > 0 else None


class EnterpriseStatus(msgspec.Struct, frozen=True):
    """An enterprise's status, as published."""

    relations: int
    relations_allowed: int | None
    room: int
    reply_rate: float | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(EnterpriseState).decode


def load(value: bytes | None) -> EnterpriseState:
    """The state of a stored value; a new one for an enterprise never met."""
    return EnterpriseState() if value is None else _decode(value)


def dump(state: EnterpriseState) -> bytes:
    """The value to store: under 500 bytes at 28 days."""
    return _encode(state)


@lru_cache(maxsize=4096)
def enterprise_rules_of(policy: Policy) -> EnterpriseRules:
    """The policy's rules for the enterprise as a whole."""
    ceilings, reputation = policy.ceilings, policy.reputation
    return EnterpriseRules(
        allowed=None if ceilings is None else ceilings.relations.enterprise,
        over_ms=_USUAL_OVER_MS if reputation is None else reputation.green.over_ms,
    )


def apply_facts(state: EnterpriseState, facts: EnterpriseFacts, now_ms: int) -> None:
    """Add facts. Those from the future count for today."""
    state.relations += facts.relations
    state.room += facts.room
    state.open += facts.open
    if facts.delivered or facts.received:
        day = _day(state, min(facts.at_ms, now_ms) // DAY_MS)
        day.delivered += facts.delivered
        day.received += facts.received


def _day(state: EnterpriseState, wanted: int) -> Day:
    index = len(state.days)
    while index and state.days[index - 1].day > wanted:
        index -= 1
    if index and state.days[index - 1].day == wanted:
        return state.days[index - 1]
    state.days.insert(index, Day(wanted))
    return state.days[index]


def next_publish_ms(facts: EnterpriseFacts, now_ms: int) -> int:
    """When the totals that these facts changed are published."""
    is_counted = facts.relations or facts.room or facts.open
    every_ms = PUBLISH_EVERY_MS if is_counted else _PUBLISH_RATE_EVERY_MS
    return (now_ms // every_ms + 1) * every_ms


def forget(state: EnterpriseState, rules: EnterpriseRules, now_ms: int) -> None:
    """Drop the days that lie outside the rules' period."""
    state.days = [day for day in state.days if _is_counted(day, rules, now_ms)]


def _is_counted(day: Day, rules: EnterpriseRules, now_ms: int) -> bool:
    return (day.day + 1) * DAY_MS > now_ms - rules.over_ms


def totals_of(state: EnterpriseState, rules: EnterpriseRules, now_ms: int) -> EnterpriseTotals:
    """What account partitions need to know. Days that end within the period count as a whole.

    Changes of different partitions come in any order, so a sum may be below 0 for a moment.
    """
    counted = [day for day in state.days if _is_counted(day, rules, now_ms)]
    return EnterpriseTotals(
        relations=max(0, state.relations),
        room=max(0, state.room),
        delivered=sum(day.delivered for day in counted),
        received=sum(day.received for day in counted),
        open=max(0, state.open),
    )


def status_of(state: EnterpriseState, rules: EnterpriseRules, now_ms: int) -> EnterpriseStatus:
    """The enterprise's status at `now_ms`."""
    totals = totals_of(state, rules, now_ms)
    return EnterpriseStatus(totals.relations, rules.allowed, totals.room, totals.reply_rate)
