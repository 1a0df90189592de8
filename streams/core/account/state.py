"""The account's book as a value: what is kept of an account, and its upkeep as time passes.

Rules of this file: state and its upkeep only. No grade, ceiling or pause is decided here (`book`).
Fields are only appended, never renumbered, so that every released version's bytes can be read for
ever. A book is bounded by its buckets (`rates.COUNTERS_MOST`): the packaged policy's four weeks of
2,000 deliveries a day are under 2.8 kB, of 400,000 a day under 3.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.core.account.brake import Score
from streams.core.account.ceilings import CeilingState
from streams.core.account.grade import GradeState
from streams.core.account.rates import (
    Bucket,
    Totals,
    bucket_ms,
    bucket_of,
    rates_of,
    recut,
    totals_of,
)
from streams.core.customer.case import ACTIVE, REINSTATED
from streams.core.local_calendar import DAY_MS, period
from streams.core.policy import Calendar

if TYPE_CHECKING:
    from streams.core.account.facts import Facts
    from streams.core.account.rates import Rates
    from streams.core.account.rules import AccountRules
    from streams.core.local_calendar import Span


class Open(msgspec.Struct, array_like=True):
    """Requests granted on a day of UTC (counted since 1970) that nobody has answered yet.

    `handed`: how many of them are transfers, of customers whom the enterprise has already.
    """

    day: int
    count: int = 0
    handed: int = 0


class AccountState(msgspec.Struct, array_like=True):
    """Everything known of one account of one enterprise. Times are UTC ms, 0 for never.

    `word`, `word_ms`: the newest account status. `known_ms`: when the account was first met.
    `since_ms`: the last reinstatement; nothing from before it counts. `off_ms`: since when it is
    out. `paused_ms`: the first millisecond after the brake's pause. `friends`: additions less
    removals, below 0 while a removal is known before its addition. `day_ms`, `adds`: the policy's
    calendar day that adds were last granted in, and how many. `fallen_ms`, `risen_ms`: the last
    fall and rise of any ceiling. `floored`: red periods in a row that found relations at the floor.
    `said`: the status that was told last, `off` included. `width_ms`: how wide the buckets are.
    """

    version: int = 1
    last_status: str = ACTIVE
    last_status_ms: int = 0
    known_ms: int = 0
    since_ms: int = 0
    off_ms: int = 0
    paused_ms: int = 0
    friends: int = 0
    day_ms: int = 0
    adds: int = 0
    open: list[Open] = []
    grade: GradeState = msgspec.field(default_factory=GradeState)
    score: Score = msgspec.field(default_factory=Score)
    relations_held: CeilingState = msgspec.field(default_factory=CeilingState)
    adds_held: CeilingState = msgspec.field(default_factory=CeilingState)
    fallen_ms: int = 0
    risen_ms: int = 0
    periods_at_floor: int = 0
    red: Totals = msgspec.field(default_factory=Totals)
    green: Totals = msgspec.field(default_factory=Totals)
    buckets: list[Bucket] = []
    published_status: str = ACTIVE
    width_ms: int = 0

    @property
    def status(self) -> str:
        """`active`, `resigned` or `suspended`."""
        return ACTIVE if self.last_status == REINSTATED else self.last_status

    @property
    def relations(self) -> int:
        """Customers the account holds as far as is known."""
        return max(0, self.friends)

    @property
    def open_requests(self) -> int:
        """Requests and transfers under way that may still become relations."""
        return sum([entry.count for entry in self.open])

    @property
    def open_adds(self) -> int:
        """Of these, the friend requests: each may be one relation more for the enterprise."""
        return sum([entry.count - entry.handed for entry in self.open])


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AccountState).decode


def load(value: bytes | None) -> AccountState:
    """The book of a stored value; a fresh one for an account never met."""
    return AccountState() if value is None else _decode(value)


def dump(book: AccountState) -> bytes:
    """The value to store."""
    return _encode(book)


def calendar_day(law: AccountRules, now_ms: int) -> Span:
    """The policy's calendar day."""
    return period(Calendar.DAY, law.zone, now_ms)


def adds_today(book: AccountState, law: AccountRules, now_ms: int) -> int:
    """Friend requests granted in the policy's calendar day."""
    return book.adds if book.day_ms >= calendar_day(law, now_ms).start_ms else 0


def count(book: AccountState, law: AccountRules, facts: Facts, now_ms: int) -> None:
    """Put the facts where they belong; those that no window can ask for are dropped."""
    if facts.relations:
        if law.ceilings is not None:
            book.relations_held.used(book.relations, law.ceilings, now_ms)
        book.friends += facts.relations
    at_ms = min(facts.at_ms, now_ms)
    start_ms = bucket_ms(at_ms, law.width_ms)
    is_over = start_ms + law.width_ms <= now_ms - law.keep_ms
    if is_over or not law.keep_ms or facts.is_before(book.since_ms):
        return
    bucket_of(book.buckets, start_ms).add(facts)
    for totals in (book.red, book.green):
        if start_ms >= totals.from_ms:
            totals.add(start_ms, facts)


def advance_to(book: AccountState, law: AccountRules, now_ms: int) -> None:
    """Bring the book to now: a new day, requests that are dead, counts that no window reaches."""
    book.known_ms = book.known_ms or now_ms
    _turn_day(book, law, now_ms)
    while book.open and _dead_ms(book.open[0], law) <= now_ms:
        del book.open[0]
    if law.ceilings is not None:
        book.relations_held.forget(law.ceilings, now_ms)
        book.adds_held.forget(law.ceilings, now_ms)
    if book.width_ms != law.width_ms:
        book.buckets, book.width_ms = recut(book.buckets, law.width_ms), law.width_ms
        book.red, book.green = Totals(), Totals()
    while book.buckets and book.buckets[0].start_ms + law.width_ms <= now_ms - law.keep_ms:
        del book.buckets[0]
    if law.reputation is None:
        book.red, book.green = Totals(), Totals()
    else:
        book.red = _totals(book, law, book.red, law.reputation.red.over_ms, now_ms)
        book.green = _totals(book, law, book.green, law.reputation.green.over_ms, now_ms)


def _turn_day(book: AccountState, law: AccountRules, now_ms: int) -> None:
    start_ms = calendar_day(law, now_ms).start_ms
    if start_ms > book.day_ms:  # a zone that moves west must not open the day again
        if book.adds and law.ceilings is not None:
            ended_ms = calendar_day(law, book.day_ms).end_ms - 1
            book.adds_held.used(book.adds, law.ceilings, ended_ms)
        book.day_ms, book.adds = start_ms, 0


def _dead_ms(entry: Open, law: AccountRules) -> int:
    return (entry.day + 1) * DAY_MS + law.open_ms


def next_turn_ms(book: AccountState, law: AccountRules, now_ms: int) -> list[int]:
    """The times at which `turn` would change what is told of the account."""
    times = [_dead_ms(book.open[0], law)] if book.open else []
    if book.adds:
        times.append(calendar_day(law, now_ms).end_ms)
    if law.reputation is not None:
        ends = [totals.ends_ms(law.width_ms) for totals in (book.red, book.green)]
        times += [at_ms for at_ms in ends if at_ms is not None]
    return times


def _totals(book: AccountState, law: AccountRules, totals: Totals, over_ms: int, now_ms: int) -> Totals:
    if totals.holds_at(over_ms, law.width_ms, now_ms):
        return totals
    return totals_of(book.buckets, over_ms, law.width_ms, now_ms)


def rates(book: AccountState, law: AccountRules, now_ms: int) -> Rates | None:
    """What the counts say now; None where reputation is not governed."""
    reputation = law.reputation
    if reputation is None:
        return None
    red = _totals(book, law, book.red, reputation.red.over_ms, now_ms)
    green = _totals(book, law, book.green, reputation.green.over_ms, now_ms)
    return rates_of(red, green, reputation.weights, law.red_z, law.green_z)
