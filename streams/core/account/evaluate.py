"""The laws act on the book: brake, pause, off, grade and ceilings, each move with its reason.

Rules of this file: it changes the book and lists what it changed; it tells nobody (`book`). Order:
pause over, brake, grade, ceilings. An account that is off stands still until it is reinstated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.core.account import brake
from streams.core.account import state as states
from streams.core.account.brake import Score
from streams.core.account.ceilings import CeilingInput, moved, red_period, width_ms
from streams.core.account.grade import GradeState, update_grade, grade_of
from streams.core.account.limits import OFF, Grade
from streams.core.account.rates import Totals
from streams.core.customer.case import REINSTATED
from streams.core.policy import FOREVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.account.ceilings import CeilingState
    from streams.core.account.facts import Facts
    from streams.core.account.rates import Rates
    from streams.core.account.rules import AccountRules
    from streams.core.account.state import AccountState
    from streams.core.policy import Ceiling, Ceilings


class Move(NamedTuple):
    """A change that is not told yet."""

    what: str
    before: int | str | None
    after: int | str | None
    reason: str


class Watched(NamedTuple):
    """One ceiling of an account: its name outside, its state, its limits, and what is used now."""

    what: str
    held: CeilingState
    limits: Ceiling
    used: int


def watched(book: AccountState, law: Ceilings) -> tuple[Watched, Watched]:
    """Both ceilings; relations first, whose floor decides about `off`."""
    return (
        Watched("relations_ceiling", book.relations_held, law.relations, book.relations),
        Watched("daily_add_ceiling", book.adds_held, law.daily_adds, book.adds),
    )


# --- brake, off and back --------------------------------------------------------------------------


def apply_brake(book: AccountState, law: AccountRules, told: Iterable[Facts], now_ms: int) -> list[Move]:
    """Let the brake see what is told at once; of a time of a pause, or before one, it sees none."""
    if law.brake is None or book.off_ms:
        return []
    since_ms = max(book.score.settled_ms, book.since_ms, now_ms - law.brake.hears_ms + 1)
    news = [facts for facts in told if facts.at_ms >= since_ms]
    if not news or not brake.add_to_score(book.score, law.brake, news, now_ms):
        return []
    pause_ms = brake.escalate(book.score, law.brake, now_ms)
    if pause_ms == FOREVER:
        return _switch_off(book, "burst", now_ms)
    book.paused_ms = now_ms + pause_ms
    return [Move("pause", 0, book.paused_ms, "burst")]


def end_pause(book: AccountState, now_ms: int) -> list[Move]:
    """End the brake's pause when its time has come."""
    if not book.paused_ms or now_ms < book.paused_ms:
        return []
    over, book.paused_ms = Move("pause", book.paused_ms, 0, "pause_over"), 0
    return [over]


def reinstate(book: AccountState, at_ms: int, now_ms: int) -> list[Move]:
    """Begin anew: nothing from before `at_ms` counts; the ceilings stay where they are."""
    moves, grade = [], Grade(book.grade.grade)
    if book.off_ms or book.paused_ms > now_ms:
        moves.append(Move("pause", None if book.off_ms else book.paused_ms, 0, REINSTATED))
    if grade is not Grade.NEW:
        moves.append(Move("grade", grade.label, Grade.NEW.label, REINSTATED))
    book.off_ms = book.paused_ms = book.fallen_ms = book.periods_at_floor = 0
    book.grade, book.score = GradeState(), Score()
    book.buckets = [bucket for bucket in book.buckets if bucket.start_ms > at_ms]
    book.red, book.green = Totals(), Totals()  # made anew from the buckets that are left
    book.since_ms = at_ms
    return moves


def _switch_off(book: AccountState, why: str, now_ms: int) -> list[Move]:
    moves = [Move("pause", book.paused_ms, None, why), Move("status", book.published_status, OFF, OFF)]
    book.off_ms, book.paused_ms, book.published_status = now_ms, 0, OFF
    return moves


# --- grade and ceilings ---------------------------------------------------------------------------


def evaluate(book: AccountState, law: AccountRules, enough_replies: float, now_ms: int) -> list[Move]:
    """Let the grade follow the rates, and the ceilings the grade.

    `enough_replies`: the reply rate below which nothing rises.
    """
    if book.off_ms:
        return []
    rates = states.rates(book, law, now_ms)
    allowed, moves = _grade(book, law, rates, now_ms)
    if law.ceilings is None:
        return moves
    replied = rates is not None and rates.reply_rate >= enough_replies
    seen = _Seen(now_ms, allowed is Grade.RED, replied)
    both = [(one, _ceiling_input(book, law.ceilings, one, seen)) for one in watched(book, law.ceilings)]
    if red_period(both[0][1], law.ceilings) and _count_floored(book, law.ceilings, now_ms):
        return moves + _switch_off(book, OFF, now_ms)
    for one, case in both:
        moves += _move(book, law.ceilings, one, case, now_ms)
    return moves


def _grade(
    book: AccountState, law: AccountRules, rates: Rates | None, now_ms: int
) -> tuple[Grade, list[Move]]:
    """What the rates allow, and the change of grade that follows from it."""
    standing, before, allowed, hold_ms = book.grade, Grade(book.grade.grade), Grade.NEW, 0
    if law.reputation is not None and rates is not None:
        allowed, hold_ms = grade_of(rates, law.reputation), law.reputation.hold_ms
    update_grade(standing, allowed, hold_ms, now_ms)
    if standing.grade != Grade.RED:
        book.periods_at_floor = 0
    if standing.grade == before:
        return allowed, []
    return allowed, [Move("grade", before.label, Grade(standing.grade).label, "rates")]


class _Seen(NamedTuple):
    """What the table must know beside the book."""

    now_ms: int
    still_red: bool
    replied: bool


def _ceiling_input(book: AccountState, law: Ceilings, one: Watched, seen: _Seen) -> CeilingInput:
    held, now_ms = one.held, seen.now_ms
    return CeilingInput(
        grade=book.grade.grade,
        still_red=seen.still_red,
        paused=bool(book.paused_ms),
        replied=seen.replied,
        since_fall_ms=now_ms - book.fallen_ms,
        since_rise_ms=now_ms - book.risen_ms,
        since_move_ms=now_ms - max(book.known_ms, held.moved_ms),
        ceiling=held.in_force(one.limits),
        used=max(one.used, held.most_within(law.rise_within_ms, law, now_ms)),
        used_long=max(one.used, held.most_within(law.idle_within_ms, law, now_ms)),
    )


def _count_floored(book: AccountState, law: Ceilings, now_ms: int) -> bool:
    """Count a red period; whether it is one too many at the floor."""
    book.fallen_ms = now_ms
    at_floor = book.relations_held.in_force(law.relations) <= law.relations.floor
    book.periods_at_floor = book.periods_at_floor + 1 if at_floor else 0
    return book.periods_at_floor >= law.fall_off_after


def _move(book: AccountState, law: Ceilings, one: Watched, case: CeilingInput, now_ms: int) -> list[Move]:
    move = moved(case, law, one.limits)
    if move is None:
        return []
    ceiling, reason = move
    if ceiling > case.ceiling:
        book.risen_ms = now_ms
    one.held.ceiling, one.held.moved_ms = ceiling, now_ms
    return [Move(one.what, case.ceiling, ceiling, reason)]


def next_evaluation_ms(book: AccountState, law: AccountRules, now_ms: int) -> list[int]:
    """When time alone may move something, as far as the book can know; perhaps times gone by."""
    if book.off_ms:
        return []
    times = [book.paused_ms] if book.paused_ms else []
    if law.reputation is not None:
        times += [t for t in (book.grade.holds_until_ms(law.reputation),) if t is not None]
    return times if law.ceilings is None else times + _ceilings_due_ms(book, law.ceilings, now_ms)


def _ceilings_due_ms(book: AccountState, law: Ceilings, now_ms: int) -> list[int]:
    cooled_ms = book.fallen_ms + law.fall_cool_down_ms
    times = [cooled_ms] if book.grade.grade == Grade.RED else []
    for one in watched(book, law):
        ceiling = one.held.in_force(one.limits)
        used = max(one.used, one.held.most_within(law.rise_within_ms, law, now_ms))
        rises = ceiling < one.limits.max and used >= law.rise_used * ceiling
        if book.grade.grade == Grade.GREEN and rises:
            times.append(max(cooled_ms, book.risen_ms + law.rise_every_ms))
        if ceiling > one.limits.start and one.used < law.idle_used * ceiling:
            times.append(_idle_ms(book, law, one, ceiling))
    return times


def _idle_ms(book: AccountState, law: Ceilings, one: Watched, ceiling: int) -> int:
    """When the ceiling has been unmoved and little used for long enough."""
    known_ms = max(book.known_ms, one.held.moved_ms) + law.idle_within_ms
    last_ms = one.held.last_use_of(law.idle_used * ceiling)
    return (
        known_ms if last_ms is None else max(known_ms, last_ms + width_ms(law) + law.idle_within_ms)
    )
