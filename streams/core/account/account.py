"""One account: what moves it, what its limits are, and what requests take from them.

The value is `state.AccountState`; how it moves is decided in `evaluate`. Rules of this file: every
time is a parameter, and no intent is looked at. What changes is returned as `Change`s, whose limits
are those after all of them. A section that the policy does not write governs nothing: without
`reputation` the grade is `new`, without `ceilings` there is no ceiling, without `brake` no alarm,
without `pacing` no rate. The caller asks `next_review_ms` after each change, and reviews then.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from streams.core.account import state as states
from streams.core.account.evaluate import (
    Move,
    apply_brake,
    end_pause,
    evaluate,
    next_evaluation_ms,
    reinstate,
    watched,
)
from streams.core.account.limits import OFF, PAUSED, Change, Grade, Limits
from streams.core.account.rates import bucket_ms
from streams.core.account.state import Open
from streams.core.customer.case import REINSTATED, RESIGNED, SUSPENDED, supersedes
from streams.core.local_calendar import DAY_MS
from streams.core.policy import FOREVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.account.evaluate import Watched
    from streams.core.account.facts import Facts
    from streams.core.account.rules import AccountRules
    from streams.core.account.state import AccountState


# --- what moves an account ------------------------------------------------------------------------


def apply_facts(
    state: AccountState, rules: AccountRules, facts: Sequence[Facts], now_ms: int
) -> list[Change]:
    """Count these facts, let the brake see them, and evaluate the account anew.

    Ceilings may fall here and never rise: only `review` knows the reply rate of the others.
    """
    states.advance_to(state, rules, now_ms)
    for one in facts:
        states.count(state, rules, one, now_ms)
    moves = end_pause(state, now_ms)
    moves += apply_brake(state, rules, facts, now_ms)
    moves += evaluate(state, rules, inf, now_ms)
    return _changes(moves, state, rules, now_ms)


def review(
    state: AccountState, rules: AccountRules, enterprise_reply_rate: float | None, now_ms: int
) -> list[Change]:
    """Do what is due: everything that time or rates move.

    `enterprise_reply_rate`: messages received ÷ delivered of all accounts together; None when
    it is not known yet, and then no account is below it.
    """
    states.advance_to(state, rules, now_ms)
    moves = end_pause(state, now_ms) + evaluate(state, rules, enterprise_reply_rate or 0.0, now_ms)
    return _changes(moves, state, rules, now_ms)


def apply_status(
    state: AccountState, rules: AccountRules, status: str, at_ms: int, now_ms: int
) -> list[Change]:
    """Take over a status: `active`, `resigned`, `suspended` or `reinstated`.

    The newest one holds; repeats and older ones change nothing. `reinstated` ends `off` and the
    pause, and nothing from before it counts, though a stricter status of its millisecond keeps the
    account from sending; the ceilings stay where they are.
    """
    states.advance_to(state, rules, now_ms)
    back = status == REINSTATED and state.last_status_ms <= at_ms != state.since_ms
    if supersedes(status, at_ms, state.last_status, state.last_status_ms):
        state.last_status, state.last_status_ms = status, at_ms
    elif not back:
        return []
    moves = reinstate(state, at_ms, now_ms) if back else []
    if state.status != state.published_status:
        why = REINSTATED if back else "account_status"
        moves.append(Move("status", state.published_status, state.status, why))
        state.published_status = state.status
    return _changes(moves, state, rules, now_ms)


def _changes(
    moves: list[Move], state: AccountState, rules: AccountRules, now_ms: int
) -> list[Change]:
    if not moves:
        return []
    limits = limits_of(state, rules, now_ms)
    return [Change(*move, limits) for move in moves]


# --- what its limits are --------------------------------------------------------------------------


def next_review_ms(state: AccountState, rules: AccountRules, now_ms: int) -> int | None:
    """When time alone may change `limits_of` or `capacity`, or give a `Change`; after `now_ms`.

    A move that is due and did not come (a rise that waits for replies) is looked at again in the
    next bucket. None for an account that nothing but a new fact can move. The state must have been
    brought to `now_ms` before.
    """
    dues = next_evaluation_ms(state, rules, now_ms)
    if any(at_ms <= now_ms for at_ms in dues):
        dues.append(bucket_ms(now_ms, rules.width_ms) + rules.width_ms)
    times = dues + states.next_turn_ms(state, rules, now_ms)
    return min((at_ms for at_ms in times if at_ms > now_ms), default=None)


def limits_of(state: AccountState, rules: AccountRules, now_ms: int) -> Limits:
    """The account's limits and figures as they stand."""
    relations, adds = watched(state, rules.ceilings) if rules.ceilings else (None, None)
    rates = states.rates(state, rules, now_ms)
    paused_ms = paused_until_ms(state, now_ms)
    gone = state.status == RESIGNED
    stopped = OFF if paused_ms is None else PAUSED if paused_ms else None
    return Limits(
        grade=stopped or Grade(state.grade.grade).label,
        relations=state.relations,
        relations_ceiling=_shown(relations, gone=gone),
        adds_today=states.adds_today(state, rules, now_ms),
        daily_add_ceiling=_shown(adds, gone=gone),
        broadcast_rate_per_s=broadcast_rate_per_s(state, rules, now_ms),
        delivered=rates.delivered if rates else None,
        complaints=rates.complaints if rates else None,
        complaint_rate=rates.rate if rates else None,
        complaint_rate_low=rates.low if rates else None,
        complaint_rate_high=rates.high if rates else None,
        reply_rate=rates.reply_rate if rates else None,
        paused_until_ms=paused_ms or None,
    )


def _shown(one: Watched | None, *, gone: bool) -> int | None:
    """A ceiling as it is published: an account that is gone takes nobody on."""
    if one is None:
        return None
    return 0 if gone else one.held.in_force(one.limits)


def broadcast_rate_per_s(state: AccountState, rules: AccountRules, now_ms: int) -> float | None:
    """Messages a second by the account's grade; 0 while it is stopped, None without `pacing`."""
    pacing = rules.pacing
    if pacing is None:
        return None
    if state.status == RESIGNED or paused_until_ms(state, now_ms) != 0:
        return 0.0
    by_grade = (pacing.red_per_s, pacing.amber_per_s, pacing.new_per_s, pacing.green_per_s)
    return by_grade[state.grade.grade]


def paused_until_ms(state: AccountState, now_ms: int) -> int | None:
    """The first millisecond after the pause; 0 when not paused, None when off."""
    if state.off_ms:
        return None
    return state.paused_ms if state.paused_ms > now_ms else 0


def braked_until_ms(state: AccountState, now_ms: int) -> int:
    """The same as what sends are held by: `FOREVER` when off."""
    until_ms = paused_until_ms(state, now_ms)
    return FOREVER if until_ms is None else until_ms


def is_off(state: AccountState) -> bool:
    """Whether the account is out until it is reinstated."""
    return bool(state.off_ms)


def capacity(state: AccountState, rules: AccountRules) -> int | None:
    """How many more relations the account may take on; None where there is no ceiling.

    What is under way counts as held, or two requests could win the last relation.
    """
    if rules.ceilings is None:
        return None
    ceiling = state.relations_held.in_force(rules.ceilings.relations)
    return max(0, ceiling - state.relations - state.open_requests)


def vacancies(state: AccountState, rules: AccountRules) -> int:
    """The `capacity` that others can count on: none at an account that may not send at all."""
    if is_off(state) or state.status in {RESIGNED, SUSPENDED}:
        return 0
    return capacity(state, rules) or 0


def free_adds(state: AccountState, rules: AccountRules, now_ms: int) -> int | None:
    """How many more friend requests may be granted in the policy's calendar day."""
    if rules.ceilings is None:
        return None
    ceiling = state.adds_held.in_force(rules.ceilings.daily_adds)
    return max(0, ceiling - states.adds_today(state, rules, now_ms))


def next_day_ms(rules: AccountRules, now_ms: int) -> int:
    """The start of the policy's next calendar day, when adds are free again."""
    return states.calendar_day(rules, now_ms).end_ms


# --- requests -------------------------------------------------------------------------------------


def take_add(state: AccountState, rules: AccountRules, now_ms: int) -> None:
    """A friend request is granted: it takes an add, and a relation until it is answered."""
    _take(state, rules, now_ms, handed=0)
    state.adds += 1


def take_relation(state: AccountState, rules: AccountRules, now_ms: int) -> None:
    """A transfer to this account is under way: it takes a relation until it is answered."""
    _take(state, rules, now_ms, handed=1)


def _take(state: AccountState, rules: AccountRules, now_ms: int, *, handed: int) -> None:
    states.advance_to(state, rules, now_ms)
    day = now_ms // DAY_MS
    if not state.open or state.open[-1].day != day:
        state.open.append(Open(day))
    state.open[-1].count += 1
    state.open[-1].handed += handed


def give_back_add(state: AccountState, rules: AccountRules, granted_ms: int, now_ms: int) -> None:
    """A granted request was refused by the customer stage: as if it had not been."""
    close_request(state, rules, granted_ms, now_ms)
    cancel_add(state, rules, granted_ms, now_ms)


def cancel_add(state: AccountState, rules: AccountRules, granted_ms: int, now_ms: int) -> None:
    """A request was not sent: it is none of its day's adds. `close_request` gives the relation."""
    states.advance_to(state, rules, now_ms)
    same_day = states.calendar_day(rules, granted_ms).start_ms == state.day_ms
    if same_day and state.adds:
        state.adds -= 1


def close_request(
    state: AccountState, rules: AccountRules, granted_ms: int, now_ms: int, *, handed: bool = False
) -> None:
    """A request, or a transfer (`handed`), came to its end: what it took is free again, or is a
    relation now.
    """
    states.advance_to(state, rules, now_ms)
    for entry in state.open:
        if entry.day == granted_ms // DAY_MS:
            entry.count -= 1
            entry.handed -= handed
    state.open = [entry for entry in state.open if entry.count > 0]
