"""Permits: what the account takes from its limits for each message that may go on.

A permit of a paced kind takes an interval of the account's pace; one for a friend request takes an
add and a relation, one for a transfer a relation. A permit that the customer stage does not use
comes back, and with it what it took. Rules of this file: it counts; whether a permit may
be given is `admit`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.core.account import account as accounts
from streams.core.account import pacing
from streams.core.kinds import MAKES_RELATION, Kind

if TYPE_CHECKING:
    from streams.core.account.case import AccountInput, AdmissionInput, QueueState
    from streams.core.customer.rules import KindRules

UNLIMITED: Final = 1 << 30
"""As many as there are."""


def meters(case: AdmissionInput) -> list[tuple[int, int]] | None:
    """What a paced message has to conform to, as (TAT, interval): its account's pace, and where an
    operator's `brake` is on it the amber rate too, which slows its scope and nothing else.

    None where nothing goes.
    """
    account = case.account
    if account.interval_us is None:
        return None
    own = account.queue.tat_us, account.interval_us
    if account.rules.pacing is None or case.brake is None:
        return [own]
    amber_us = pacing.interval_us(account.rules.pacing.amber_per_s)
    return None if amber_us is None else [own, (account.queue.braked_tat_us, amber_us)]


def interval_of(case: AdmissionInput) -> int:
    """Microseconds from one message to the next where this entry goes on; 0 where nothing goes."""
    return max((interval_us for _, interval_us in meters(case) or ()), default=0)


def quota(case: AdmissionInput) -> int:
    """How many customers of an entry that is not blocked may go on at once."""
    if case.entry.kind in MAKES_RELATION:
        return 1  # adds and relations, the account's and the enterprise's, are checked for each
    paced, now_ms = case.rules.pacing, case.account.now_ms
    if paced is None:
        return UNLIMITED
    return min([pacing.fits(*meter, paced.burst_ms, now_ms) for meter in meters(case) or ()])


def grant(case: AdmissionInput, count: int) -> None:
    """Take what permits for `count` customers of an entry use up."""
    account, kind, queue = case.account, case.entry.kind, case.account.queue
    if kind in MAKES_RELATION:
        queue.under_way[kind] = queue.under_way.get(kind, 0) + count
    if kind == Kind.FRIEND_REQUEST:
        accounts.take_add(account.state, account.rules, account.now_ms)
    elif kind == Kind.TRANSFER:
        accounts.take_relation(account.state, account.rules, account.now_ms)
    elif case.rules.pacing is not None:
        limits = meters(case) or ()
        tats_us = [pacing.take(*meter, count, account.now_ms) for meter in limits]
        queue.tat_us = tats_us[0]
        if len(tats_us) > 1:
            queue.braked_tat_us = tats_us[1]


def give_back(account: AccountInput, rules: KindRules, granted_ms: int, count: int) -> None:
    """Permits of a kind come back unused, that were granted at `granted_ms`."""
    close(account.queue, rules.kind, count)
    state, now_ms = account.state, account.now_ms
    if rules.kind == Kind.FRIEND_REQUEST:
        for _ in range(count):
            accounts.give_back_add(state, account.rules, granted_ms, now_ms)
    elif rules.kind == Kind.TRANSFER:
        for _ in range(count):
            accounts.close_request(state, account.rules, granted_ms, now_ms, handed=True)
    elif rules.pacing is not None:
        tat_us, interval_us = account.queue.tat_us, account.interval_us or 0
        account.queue.tat_us = pacing.give_back(tat_us, interval_us, count)


def close(queue: QueueState, kind: int, count: int) -> None:
    """Permits of a kind are under way no longer: used or given back."""
    left = queue.under_way.pop(kind, 0) - count
    if left > 0:
        queue.under_way[kind] = left
