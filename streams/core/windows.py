"""Contact windows, exactly: how many contacts count at a moment, and when there is room again.

Rules of this file: pure arithmetic over contact times in UTC milliseconds; no ledger upkeep, no
other rule. The readings are `policy.md`'s: a contact at *e* counts under rolling W at *t* while
e > t - W, so it is free again exactly at e + W; a calendar window counts [start, next start); a
gap G is legal at e + G. Contacts in the future, reserved up to their last sending moment, count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from streams.core.ledger import State
from streams.core.localtime import days_in_month, period
from streams.core.policy import DAYS_IN_MONTH, Calendar, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from streams.core.ledger import Contact, Ledger
    from streams.core.policy import Window


_RELEASED: Final = int(State.RELEASED)
"""Looked up for every contact of every decision, which an enum's members are too slow for."""


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How a window stands for one message at one moment. `free` counts before the message."""

    window: Window
    times: list[int]
    free: int
    gap_ends_ms: int


class Contacts(NamedTuple):
    """The contacts that count: all of the customer's, and this account's among them."""

    everyone: list[Contact]
    own: list[Contact]


def live_contacts(ledger: Ledger, account: str) -> Contacts:
    """All contacts but those released."""
    own: list[Contact] = []
    everyone: list[Contact] = []
    for name, pair in ledger.pairs.items():
        live = [c for c in pair.contacts if c.state != _RELEASED]
        everyone += live
        if name == account:
            own = live
    return Contacts(everyone, own)


def binds(window: Window, campaign: str | None) -> bool:
    """Whether the window has a say: one that counts by campaign only in messages of a campaign."""
    return campaign is not None or window.scope is not Scope.CAMPAIGN


def standings(
    windows: Iterable[Window],
    contacts: Contacts,
    campaign: str | None,
    zone: ZoneInfo,
    at_ms: int,
) -> list[Standing]:
    """How each window that binds stands at `at_ms` for a message of this campaign."""
    stands = []
    views: dict[tuple[int, Scope], list[int]] = {}
    for window in windows:
        if not binds(window, campaign):
            continue
        # Windows often differ in their length alone; they share one list of times.
        view = window.kinds, window.scope
        times = views.get(view)
        if times is None:
            times = views[view] = _times(window, contacts, campaign)
        free = 0 if window.limit is None else _limit(window, zone, at_ms)
        gap_ends_ms = 0
        if times:  # most windows of most customers are empty
            if window.limit is not None:
                free -= _count(window, times, zone, at_ms)
            if window.min_gap_ms:
                gap_ends_ms = max(times) + window.min_gap_ms
        stands.append(Standing(window, times, free, gap_ends_ms))
    return stands


def _times(window: Window, contacts: Contacts, campaign: str | None) -> list[int]:
    kinds, scope = window.kinds, window.scope
    if scope is Scope.CAMPAIGN:
        return [
            c.at_ms for c in contacts.everyone if kinds >> c.kind & 1 and c.campaign == campaign
        ]
    counted = contacts.own if scope is Scope.ACCOUNT else contacts.everyone
    return [c.at_ms for c in counted if kinds >> c.kind & 1]


def _count(window: Window, times: list[int], zone: ZoneInfo, at_ms: int) -> int:
    if window.rolling_ms is not None:
        after = at_ms - window.rolling_ms
        return sum([e > after for e in times])
    start_ms, end_ms = period(window.calendar or Calendar.DAY, zone, at_ms)
    return sum([start_ms <= e < end_ms for e in times])


def _limit(window: Window, zone: ZoneInfo, at_ms: int) -> int:
    if window.limit == DAYS_IN_MONTH:
        return days_in_month(zone, period(Calendar.MONTH, zone, at_ms).start_ms)
    return window.limit or 0


def kept_back(window: Window, priority: int) -> int:
    """Slots of the window that a message of this priority may not take."""
    return 0 if priority >= window.reserve_priority else window.reserve_slots


def opens_ms(stand: Standing, priority: int, zone: ZoneInfo, at_ms: int) -> int | None:
    """The first moment not before `at_ms` with room under this window, if nothing else happens.

    None when there is never any: every slot is kept for the more urgent.
    """
    window = stand.window
    at_ms = max(at_ms, stand.gap_ends_ms)
    if window.limit is None:
        return at_ms
    if window.rolling_ms is not None:
        return _rolling_opens(stand, window.limit - kept_back(window, priority), at_ms)
    return _calendar_opens(stand, kept_back(window, priority), zone, at_ms)


def _rolling_opens(stand: Standing, limit: int, at_ms: int) -> int | None:
    rolling_ms = stand.window.rolling_ms or 0
    counting = sorted(e for e in stand.times if e > at_ms - rolling_ms)
    over = len(counting) - limit
    if limit < 1:
        return None
    return at_ms if over < 0 else counting[over] + rolling_ms


def _calendar_opens(stand: Standing, kept: int, zone: ZoneInfo, at_ms: int) -> int | None:
    window = stand.window
    # A period without any contact has all its slots, so one more than there are contacts suffices.
    for _ in range(len(stand.times) + 1):
        if _limit(window, zone, at_ms) - kept > _count(window, stand.times, zone, at_ms):
            return at_ms
        at_ms = period(window.calendar or Calendar.DAY, zone, at_ms).end_ms
    return None
