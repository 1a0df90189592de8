"""How an account moves: brake, pause, off, grade and ceilings, each move with its reason.

Rules of this file: it changes the state and lists what it changed; `account` makes `Change`s of it.
Order: pause over, brake, grade, ceilings. An account that is off stands still until it is
reinstated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.core.account import brake
from streams.core.account import state as states
from streams.core.account.brake import Score
from streams.core.account.ceilings import CeilingInput, moved, red_period, width_ms
from streams.core.account.grade import GradeState, grade_of, update_grade
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
    """A change without the limits after it."""

    what: str
    before: int | str | None
    after: int | str | None
    reason: str


class Watched(NamedTuple):
    """One ceiling of an account: its public name, its state, its limits, and what is used now."""

    what: str
    held: CeilingState
    limits: Ceiling
    used: int


def watched(state: AccountState, rules: Ceilings) -> tuple[Watched, Watched]:
    """Both ceilings; relations first, whose floor decides about `off`."""
    return (
        Watched("relations_ceiling", state.relations_held, rules.relations, state.relations),
        Watched("daily_add_ceiling", state.adds_held, rules.daily_adds, state.adds),
    )


# --- brake, off and back --------------------------------------------------------------------------


def apply_brake(
    state: AccountState, rules: AccountRules, facts: Iterable[Facts], now_ms: int
) -> list[Move]:
    """Let the brake see these facts; those from a pause, or from before one, it does not see."""
    if rules.brake is None or state.off_ms:
        return []
    since_ms = max(state.score.settled_ms, state.since_ms, now_ms - rules.brake.hears_ms + 1)
    news = [one for one in facts if one.at_ms >= since_ms]
    if not news or not brake.add_to_score(state.score, rules.brake, news, now_ms):
        return []
    pause_ms = brake.escalate(state.score, rules.brake, now_ms)
    if pause_ms == FOREVER:
        return _switch_off(state, "burst", now_ms)
    state.paused_ms = now_ms + pause_ms
    return [Move("pause", 0, state.paused_ms, "burst")]


def end_pause(state: AccountState, now_ms: int) -> list[Move]:
    """End the brake's pause when its time has come."""
    if not state.paused_ms or now_ms < state.paused_ms:
        return []
    over, state.paused_ms = Move("pause", state.paused_ms, 0, "pause_over"), 0
    return [over]


def reinstate(state: AccountState, at_ms: int, now_ms: int) -> list[Move]:
    """Begin anew: nothing from before `at_ms` counts; the ceilings stay where they are."""
    moves, grade = [], Grade(state.grade.grade)
    if state.off_ms or state.paused_ms > now_ms:
        moves.append(Move("pause", None if state.off_ms else state.paused_ms, 0, REINSTATED))
    if grade is not Grade.NEW:
        moves.append(Move("grade", grade.label, Grade.NEW.label, REINSTATED))
    state.off_ms = state.paused_ms = state.fallen_ms = state.periods_at_floor = 0
    state.grade, state.score = GradeState(), Score()
    state.buckets = [bucket for bucket in state.buckets if bucket.start_ms > at_ms]
    state.red, state.green = Totals(), Totals()  # made anew from the buckets that are left
    state.since_ms = at_ms
    return moves


def _switch_off(state: AccountState, why: str, now_ms: int) -> list[Move]:
    moves = [
        Move("pause", state.paused_ms, None, why),
        Move("status", state.published_status, OFF, OFF),
    ]
    state.off_ms, state.paused_ms, state.published_status = now_ms, 0, OFF
    return moves


# --- grade and ceilings ---------------------------------------------------------------------------


def evaluate(
    state: AccountState, rules: AccountRules, enough_replies: float, now_ms: int
) -> list[Move]:
    """Let the grade follow the rates, and the ceilings the grade.

    `enough_replies`: the reply rate below which nothing rises.
    """
    if state.off_ms:
        return []
    rates = states.rates(state, rules, now_ms)
    allowed, moves = _grade(state, rules, rates, now_ms)
    if rules.ceilings is None:
        return moves
    replied = rates is not None and rates.reply_rate >= enough_replies
    seen = _Seen(now_ms, allowed is Grade.RED, replied)
    both = [
        (one, _ceiling_input(state, rules.ceilings, one, seen))
        for one in watched(state, rules.ceilings)
    ]
    if red_period(both[0][1], rules.ceilings) and _count_floored(state, rules.ceilings, now_ms):
        return moves + _switch_off(state, OFF, now_ms)
    for one, case in both:
        moves += _move(state, rules.ceilings, one, case, now_ms)
    return moves


def _grade(
    state: AccountState, rules: AccountRules, rates: Rates | None, now_ms: int
) -> tuple[Grade, list[Move]]:
    """What the rates allow, and the change of grade that follows from it."""
    current, before, allowed, hold_ms = state.grade, Grade(state.grade.grade), Grade.NEW, 0
    if rules.reputation is not None and rates is not None:
        allowed, hold_ms = grade_of(rates, rules.reputation), rules.reputation.hold_ms
    update_grade(current, allowed, hold_ms, now_ms)
    if current.grade != Grade.RED:
        state.periods_at_floor = 0
    if current.grade == before:
        return allowed, []
    return allowed, [Move("grade", before.label, Grade(current.grade).label, "rates")]


class _Seen(NamedTuple):
    """What the table must know beside the state."""

    now_ms: int
    still_red: bool
    replied: bool


def _ceiling_input(state: AccountState, rules: Ceilings, one: Watched, seen: _Seen) -> CeilingInput:
    held, now_ms = one.held, seen.now_ms
    return CeilingInput(
        grade=state.grade.grade,
        still_red=seen.still_red,
        paused=bool(state.paused_ms),
        replied=seen.replied,
        since_fall_ms=now_ms - state.fallen_ms,
        since_rise_ms=now_ms - state.risen_ms,
        since_move_ms=now_ms - max(state.known_ms, held.moved_ms),
        ceiling=held.in_force(one.limits),
        used=max(one.used, held.most_within(rules.rise_within_ms, rules, now_ms)),
        used_long=max(one.used, held.most_within(rules.idle_within_ms, rules, now_ms)),
    )


def _count_floored(state: AccountState, rules: Ceilings, now_ms: int) -> bool:
    """Count a red period; whether it is one too many at the floor."""
    state.fallen_ms = now_ms
    at_floor = state.relations_held.in_force(rules.relations) <= rules.relations.floor
    state.periods_at_floor = state.periods_at_floor + 1 if at_floor else 0
    return state.periods_at_floor >= rules.fall_off_after


def _move(
    state: AccountState, rules: Ceilings, one: Watched, case: CeilingInput, now_ms: int
) -> list[Move]:
    move = moved(case, rules, one.limits)
    if move is None:
        return []
    ceiling, reason = move
    if ceiling > case.ceiling:
        state.risen_ms = now_ms
    one.held.ceiling, one.held.moved_ms = ceiling, now_ms
    return [Move(one.what, case.ceiling, ceiling, reason)]


def next_evaluation_ms(state: AccountState, rules: AccountRules, now_ms: int) -> list[int]:
    """When time alone may move something, as far as the state can say; perhaps times gone by."""
    if state.off_ms:
        return []
    times = [state.paused_ms] if state.paused_ms else []
    if rules.reputation is not None:
        times += [t for t in (state.grade.holds_until_ms(rules.reputation),) if t is not None]
    return (
        times if rules.ceilings is None else times + _ceilings_due_ms(state, rules.ceilings, now_ms)
    )


def _ceilings_due_ms(state: AccountState, rules: Ceilings, now_ms: int) -> list[int]:
    cooled_ms = state.fallen_ms + rules.fall_cool_down_ms
    times = [cooled_ms] if state.grade.grade == Grade.RED else []
    for one in watched(state, rules):
        ceiling = one.held.in_force(one.limits)
        used = max(one.used, one.held.most_within(rules.rise_within_ms, rules, now_ms))
        rises = ceiling < one.limits.max and used >= rules.rise_used * ceiling
        if state.grade.grade == Grade.GREEN and rises:
            times.append(max(cooled_ms, state.risen_ms + rules.rise_every_ms))
        if ceiling > one.limits.start and one.used < rules.idle_used * ceiling:
            times.append(_idle_ms(state, rules, one, ceiling))
    return times


def _idle_ms(state: AccountState, rules: Ceilings, one: Watched, ceiling: int) -> int:
    """When the ceiling has been unmoved and little used for long enough."""
    known_ms = max(state.known_ms, one.held.moved_ms) + rules.idle_within_ms
    last_ms = one.held.last_use_of(rules.idle_used * ceiling)
    return (
        known_ms
        if last_ms is None
        else max(known_ms, last_ms + width_ms(rules) + rules.idle_within_ms)
    )
