"""Contact windows, exactly: how many contacts count at a moment, and when there is room again.

Rules of this file: pure arithmetic over contact times in UTC milliseconds; no other rule. The exact
bounds (`docs/rules.md`, part 2): a contact at *e* counts under a rolling window W at *t* while
e > t - W, so its slot is free again exactly at e + W. A calendar window counts [start, next start).
With a minimum gap G, the next contact is legal at e + G. A reserved contact counts at the last
moment at which it may be sent, which may be in the future.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.customer.ledger import ContactState
from streams.core.local_calendar import days_in_month, period
from streams.core.policy import DAYS_IN_MONTH, Calendar, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from streams.core.customer.ledger import Contact, Ledger
    from streams.core.policy import Window


_RELEASED: Final = ContactState.RELEASED
_OF_CAMPAIGN: Final = Scope.CAMPAIGN
_OF_ACCOUNT: Final = Scope.ACCOUNT
"""Constants, because looking up an enum's member several times a decision is too slow."""


class WindowUsage(msgspec.Struct, frozen=True, gc=False):
    """How full a window is for one message at one moment. `free`: slots before this message.

    `times`: the contacts of the window's kinds and scope, the earliest first. `gap_ends_ms`: the
    end of the minimum gap after the last of them; 0 if none holds.
    """

    window: Window
    times: list[int]
    free: int
    gap_ends_ms: int


class Contacts(msgspec.Struct, frozen=True, gc=False):
    """The contacts that count: all of the customer's, and those with this account."""

    everyone: list[Contact]
    own: list[Contact]


def live_contacts(ledger: Ledger, account: str) -> Contacts:
    """All contacts except released ones."""
    own: list[Contact] = []
    everyone: list[Contact] = []
    for name, relationship in ledger.relationships.items():
        live = [c for c in relationship.contacts if c.state != _RELEASED]
        everyone.extend(live)
        if name == account:
            own = live
    return Contacts(everyone, own)


def applies_to(window: Window, campaign: str | None) -> bool:
    """Whether the window binds: one that counts by campaign binds only campaigns' messages."""
    return campaign is not None or window.scope is not _OF_CAMPAIGN


def window_usages(
    windows: Iterable[Window],
    contacts: Contacts,
    campaign: str | None,
    zone: ZoneInfo,
    at_ms: int,
) -> list[WindowUsage]:
    """How full each window that binds is at `at_ms`, for a message of this campaign."""
    usages = []
    times_of: dict[tuple[int, Scope], list[int]] = {}
    for window in windows:
        if not applies_to(window, campaign):
            continue
        # Windows often differ only in their length; they share one list of times.
        counted = window.kinds, window.scope
        times = times_of.get(counted)
        if times is None:
            times = times_of[counted] = _times(window, contacts, campaign)
        free = 0 if window.limit is None else _limit(window, zone, at_ms)
        gap_ends_ms = 0
        if times:  # most windows of most customers are empty
            if window.limit is not None:
                free -= _count(window, times, zone, at_ms)
            if window.min_gap_ms:
                gap_ends_ms = times[-1] + window.min_gap_ms
        usages.append(WindowUsage(window, times, free, gap_ends_ms))
    return usages


def _times(window: Window, contacts: Contacts, campaign: str | None) -> list[int]:
    kinds, scope = window.kinds, window.scope
    counted = contacts.own if scope is _OF_ACCOUNT else contacts.everyone
    if scope is _OF_CAMPAIGN:
        counted = [c for c in counted if c.campaign == campaign]
    return sorted([c.at_ms for c in counted if kinds >> c.kind & 1])


def _count(window: Window, times: list[int], zone: ZoneInfo, at_ms: int) -> int:
    if window.rolling_ms is not None:
        return len(times) - bisect_right(times, at_ms - window.rolling_ms)
    start_ms, end_ms = period(window.calendar or Calendar.DAY, zone, at_ms)
    return bisect_left(times, end_ms) - bisect_left(times, start_ms)


def _limit(window: Window, zone: ZoneInfo, at_ms: int) -> int:
    if window.limit == DAYS_IN_MONTH:
        return days_in_month(zone, period(Calendar.MONTH, zone, at_ms).start_ms)
    return window.limit or 0


def reserved_slots(window: Window, priority: int) -> int:
    """Slots of the window that are reserved for higher priorities than this one."""
    return 0 if priority >= window.reserve_priority else window.reserve_slots


def opens_ms(usage: WindowUsage, priority: int, zone: ZoneInfo, at_ms: int) -> int | None:
    """The first moment from `at_ms` on with a free slot, if nothing else happens.

    None if there is none: all slots are reserved for higher priorities.
    """
    window = usage.window
    at_ms = max(at_ms, usage.gap_ends_ms)
    if window.limit is None:
        return at_ms
    if window.rolling_ms is not None:
        return _rolling_opens(usage, window.limit - reserved_slots(window, priority), at_ms)
    return _calendar_opens(usage, reserved_slots(window, priority), zone, at_ms)


def _rolling_opens(usage: WindowUsage, limit: int, at_ms: int) -> int | None:
    if limit < 1:
        return None
    times, rolling_ms = usage.times, usage.window.rolling_ms or 0
    if len(times) < limit:
        return at_ms
    # A slot is free once all but the last `limit` - 1 contacts are over.
    return max(at_ms, times[-limit] + rolling_ms)


def _calendar_opens(usage: WindowUsage, reserved: int, zone: ZoneInfo, at_ms: int) -> int | None:
    window = usage.window
    # A period without contacts has all its slots, so one round more than contacts is enough.
    for _ in range(len(usage.times) + 1):
        if _limit(window, zone, at_ms) - reserved > _count(window, usage.times, zone, at_ms):
            return at_ms
        at_ms = period(window.calendar or Calendar.DAY, zone, at_ms).end_ms
    return None
