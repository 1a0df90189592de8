"""What is stored of an account, and its upkeep as time passes.

Rules of this file: state and its upkeep only; `evaluate` decides on grades, ceilings and pauses.
Fields are only appended, never renumbered, so that every released version's bytes can be read for
ever. A state is bounded by its buckets (`rates.COUNTERS_MOST`): the packaged policy's four weeks of
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

    `last_status`, `last_status_ms`: the newest account status. `known_ms`: when the account was
    first met. `since_ms`: the last reinstatement; nothing from before it counts. `off_ms`: since
    when it is out. `paused_ms`: the first millisecond after the brake's pause. `friends`: additions
    less removals, below 0 while a removal is known before its addition. `day_ms`, `adds`: the
    policy's calendar day that adds were last granted in, and how many. `fallen_ms`, `risen_ms`: the
    last fall and rise of any ceiling. `periods_at_floor`: red periods in a row that found relations
    at the floor. `published_status`: the status that was published last, `off` included.
    `width_ms`: how wide the buckets are.
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
    """The state of a stored value; a fresh one for an account never met."""
    return AccountState() if value is None else _decode(value)


def dump(state: AccountState) -> bytes:
    """The value to store."""
    return _encode(state)


def calendar_day(rules: AccountRules, now_ms: int) -> Span:
    """The policy's calendar day."""
    return period(Calendar.DAY, rules.zone, now_ms)


def adds_today(state: AccountState, rules: AccountRules, now_ms: int) -> int:
    """Friend requests granted in the policy's calendar day."""
    return state.adds if state.day_ms >= calendar_day(rules, now_ms).start_ms else 0


def count(state: AccountState, rules: AccountRules, facts: Facts, now_ms: int) -> None:
    """Count the facts in their bucket; those that no window can ask for are dropped."""
    if facts.relations:
        if rules.ceilings is not None:
            state.relations_held.used(state.relations, rules.ceilings, now_ms)
        state.friends += facts.relations
    at_ms = min(facts.at_ms, now_ms)
    start_ms = bucket_ms(at_ms, rules.width_ms)
    is_over = start_ms + rules.width_ms <= now_ms - rules.keep_ms
    if is_over or not rules.keep_ms or facts.is_before(state.since_ms):
        return
    bucket_of(state.buckets, start_ms).add(facts)
    for totals in (state.red, state.green):
        if start_ms >= totals.from_ms:
            totals.add(start_ms, facts)


def advance_to(state: AccountState, rules: AccountRules, now_ms: int) -> None:
    """Bring the state to now: a new day, requests that are dead, counts that no window reaches."""
    state.known_ms = state.known_ms or now_ms
    _turn_day(state, rules, now_ms)
    while state.open and _dead_ms(state.open[0], rules) <= now_ms:
        del state.open[0]
    if rules.ceilings is not None:
        state.relations_held.forget(rules.ceilings, now_ms)
        state.adds_held.forget(rules.ceilings, now_ms)
    if state.width_ms != rules.width_ms:
        state.buckets, state.width_ms = recut(state.buckets, rules.width_ms), rules.width_ms
        state.red, state.green = Totals(), Totals()
    while state.buckets and state.buckets[0].start_ms + rules.width_ms <= now_ms - rules.keep_ms:
        del state.buckets[0]
    if rules.reputation is None:
        state.red, state.green = Totals(), Totals()
    else:
        state.red = _totals(state, rules, state.red, rules.reputation.red.over_ms, now_ms)
        state.green = _totals(state, rules, state.green, rules.reputation.green.over_ms, now_ms)


def _turn_day(state: AccountState, rules: AccountRules, now_ms: int) -> None:
    start_ms = calendar_day(rules, now_ms).start_ms
    if start_ms > state.day_ms:  # a zone that moves west must not open the day again
        if state.adds and rules.ceilings is not None:
            ended_ms = calendar_day(rules, state.day_ms).end_ms - 1
            state.adds_held.used(state.adds, rules.ceilings, ended_ms)
        state.day_ms, state.adds = start_ms, 0


def _dead_ms(entry: Open, rules: AccountRules) -> int:
    return (entry.day + 1) * DAY_MS + rules.open_ms


def next_turn_ms(state: AccountState, rules: AccountRules, now_ms: int) -> list[int]:
    """The times at which `advance_to` would change the account's limits."""
    times = [_dead_ms(state.open[0], rules)] if state.open else []
    if state.adds:
        times.append(calendar_day(rules, now_ms).end_ms)
    if rules.reputation is not None:
        ends = [totals.ends_ms(rules.width_ms) for totals in (state.red, state.green)]
        times += [at_ms for at_ms in ends if at_ms is not None]
    return times


def _totals(
    state: AccountState, rules: AccountRules, totals: Totals, over_ms: int, now_ms: int
) -> Totals:
    if totals.holds_at(over_ms, rules.width_ms, now_ms):
        return totals
    return totals_of(state.buckets, over_ms, rules.width_ms, now_ms)


def rates(state: AccountState, rules: AccountRules, now_ms: int) -> Rates | None:
    """What the counts say now; None where reputation is not governed."""
    reputation = rules.reputation
    if reputation is None:
        return None
    red = _totals(state, rules, state.red, reputation.red.over_ms, now_ms)
    green = _totals(state, rules, state.green, reputation.green.over_ms, now_ms)
    return rates_of(red, green, reputation.weights, rules.red_z, rules.green_z)
