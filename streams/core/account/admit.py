"""The account's admission: may the customers of an intent go on now, later or never?

What an entry of the queue waits for, the first that applies; a transfer waits for 3 alone:

==  =======================  ========================================================
1   `account_paused`         the account is suspended, braked, or off
2   `campaign_paused`,       its campaign is stopped, or the next customer's share of it
    `campaign_canary`        is not released
3   the ceiling or adds,     permits that are at the customer stage hold the last
    `soon`                   relation or add, and may come back
4   `daily_add_quota`        today's adds are used up
5   `account_pacing`         the next message is not due at the account's pace, or at the
                             rate of an operator's brake
==  =======================  ========================================================

Never is a denial, which is forwarded with the customer, for the customer stage alone publishes how
an intent ends: the account resigned, the campaign is killed, the queue is full (all three
before it joins the queue), or a ceiling leaves no relation (`relations`, at its turn).

Rules of this file: values in, values out; nothing is changed. What a permit takes is `permits`'.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from streams.core.account import account as accounts
from streams.core.account import pacing
from streams.core.account.case import Blocked, denial
from streams.core.account.permits import interval_of, meters
from streams.core.account.relations import capacity_denial
from streams.core.campaign_state import Phase, position_of, releases, steps_to
from streams.core.customer.case import RESIGNED, SUSPENDED, stopped_until_ms
from streams.core.kinds import MAKES_RELATION, STAGED, Kind
from streams.core.policy import FOREVER
from streams.core.reasons import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.core.account.case import AccountInput, AdmissionInput
    from streams.core.account.state import AccountState
    from streams.core.campaign_state import CampaignRelease
    from streams.core.customer.request import Request, Verdict
    from streams.core.policy import Canary

DRAIN_EVERY_MS: Final = 1_000
"""What flows out of a queue drop by drop goes in portions of a second: one transaction, not ten."""

QUEUE_MOST: Final = 1_000_000
"""Customers in one account's queue: more than a green account sends in a day of the packaged rate.
Who comes then is denied, for nobody can say when it would be their turn."""

EXPIRED: Final = denial(Outcome.EXPIRED, Reason.DEADLINE_PASSED)

CUT_OFF: Final = {
    Reason.ACCOUNT_RESIGNED: denial(Outcome.CANCELLED, Reason.ACCOUNT_RESIGNED),
    Reason.CAMPAIGN_PAUSED: denial(Outcome.CANCELLED, Reason.CAMPAIGN_PAUSED, rule="canary"),
}
"""How entries end that are cut off, by the reason."""


# --- into the queue -------------------------------------------------------------------------------


def is_for_now(request: Request, now_ms: int) -> bool:
    """Whether its time has come and is not over: what is not for now needs no permit yet."""
    early_ms, late_ms = request.not_before_ms, request.deadline_ms
    return not (
        (early_ms is not None and early_ms > now_ms) or (late_ms is not None and late_ms < now_ms)
    )


def entry_denial(
    state: AccountState, release: CampaignRelease | None, queued: int
) -> Verdict | None:
    """Why customers may not even join the queue; None if they may.

    `release`: their campaign's, None without one. `queued`: the customers in the queue with them.
    """
    if state.status == RESIGNED:
        return denial(Outcome.DENIED, Reason.ACCOUNT_RESIGNED)
    if release is not None and release.phase is Phase.KILLED:
        return denial(Outcome.DENIED, Reason.CAMPAIGN_PAUSED, rule="canary")
    if queued > QUEUE_MOST:
        return denial(Outcome.DENIED, Reason.TOO_MANY_HELD, rule="max_queue")
    return None


def groups_by_step(
    request: Request, canary: Canary | None, release: CampaignRelease | None, customers: list[str]
) -> Iterator[list[str]]:
    """Customers who wait for the same: those of a campaign by the step that releases them.

    They stand in the order of their positions, so that whatever share is released later, under
    whatever policy, it is the first of them that go.
    """
    campaign = request.campaign_id
    if campaign is None or release is None or request.kind not in STAGED:
        yield customers
        return

    def step(placed: tuple[float, str]) -> int:
        is_free = canary is None or release.phase is Phase.FULL or placed[0] < release.released
        return 0 if canary is None or is_free else steps_to(canary, release, placed[0])

    in_order = sorted((position_of(campaign, customer), customer) for customer in customers)
    for _, some in groupby(in_order, step):
        yield [customer for _, customer in some]


# --- out of the queue -----------------------------------------------------------------------------


def blocked(case: AdmissionInput) -> Blocked | None:
    """Why the entry may not go on now; None if it may."""
    if case.entry.kind == Kind.TRANSFER:
        return _permits_under_way(case)
    return (
        _paused(case) or _canary(case) or _permits_under_way(case) or _no_adds(case) or _paced(case)
    )


def _paused(case: AdmissionInput) -> Blocked | None:
    state, now_ms = case.account.state, case.account.now_ms
    if state.status == SUSPENDED:
        return Blocked(Reason.ACCOUNT_PAUSED, None)
    until_ms = stopped_until_ms(case.rules, accounts.braked_until_ms(state, now_ms), now_ms)
    if until_ms == 0:
        return None
    return Blocked(Reason.ACCOUNT_PAUSED, None if until_ms == FOREVER else until_ms)


def _canary(case: AdmissionInput) -> Blocked | None:
    if case.release is None or case.rules.canary is None:
        return None
    if case.release.phase in {Phase.PAUSED, Phase.KILLED}:
        return Blocked(Reason.CAMPAIGN_PAUSED, None)
    if releases(case.release, case.entry.share):
        return None
    return Blocked(Reason.CAMPAIGN_CANARY, None)


def is_released_to(case: AdmissionInput) -> Callable[[str], bool] | None:
    """Whether a customer's share of the campaign is released; None where all are."""
    campaign, release = case.entry.campaign, case.release
    if campaign is None or release is None or case.rules.canary is None:
        return None
    if release.phase is Phase.FULL:
        return None
    return lambda customer: releases(release, position_of(campaign, customer))


def _permits_under_way(case: AdmissionInput) -> Blocked | None:
    """Whether permits that may come back hold the last relation or add."""
    under_way, kind = case.account.queue.under_way, case.entry.kind
    if not under_way or kind not in MAKES_RELATION:
        return None
    if capacity_denial(case) is not None:
        return Blocked(Reason.ACCOUNT_CEILING, None, soon=True)
    adds = kind == Kind.FRIEND_REQUEST and under_way.get(kind)
    if adds and _free_adds(case.account) == 0:
        return Blocked(Reason.DAILY_ADD_QUOTA, None, soon=True)
    return None


def _no_adds(case: AdmissionInput) -> Blocked | None:
    """Whether today's adds are used up. Where a ceiling leaves no relation, adds are no reason to
    wait: the entry is open, and its customers are denied.
    """
    if case.entry.kind != Kind.FRIEND_REQUEST or capacity_denial(case) is not None:
        return None
    account = case.account
    if _free_adds(account) != 0:
        return None
    return Blocked(Reason.DAILY_ADD_QUOTA, accounts.next_day_ms(account.rules, account.now_ms))


def _free_adds(account: AccountInput) -> int | None:
    return accounts.free_adds(account.state, account.rules, account.now_ms)


def _paced(case: AdmissionInput) -> Blocked | None:
    paced, now_ms = case.rules.pacing, case.account.now_ms
    if paced is None:
        return None
    ends_ms = None if case.brake is None else case.brake.until_ms
    limits = meters(case)
    if limits is None:
        return Blocked(Reason.ACCOUNT_PACING, ends_ms)
    opens_ms = max([pacing.opens_ms(*meter, paced.burst_ms, now_ms) for meter in limits])
    if opens_ms <= now_ms:
        return None
    return Blocked(Reason.ACCOUNT_PACING, min(opens_ms, ends_ms or opens_ms))


def paced_out(account: AccountInput) -> Blocked | None:
    """The block by the account's own pace, which holds for all paced kinds; None if there is none.

    `until_ms` leaves time for all messages of `DRAIN_EVERY_MS` to fall due.
    """
    paced, interval_us = account.rules.pacing, account.interval_us
    if paced is None:
        return None
    if interval_us is None:
        return Blocked(Reason.ACCOUNT_PACING, None)
    tat_us, now_ms = account.queue.tat_us, account.now_ms
    opens_ms = pacing.opens_ms(tat_us, interval_us, paced.burst_ms, now_ms)
    if opens_ms <= now_ms:
        return None
    return Blocked(Reason.ACCOUNT_PACING, opens_ms + _portion_ms(interval_us))


def retry_ms(case: AdmissionInput, block: Blocked) -> int | None:
    """When to ask again of an entry that is blocked; None: when news of it comes."""
    if block.until_ms is None or block.reason is not Reason.ACCOUNT_PACING:
        return block.until_ms
    return block.until_ms + _portion_ms(interval_of(case))


def _portion_ms(interval_us: int) -> int:
    return max(0, DRAIN_EVERY_MS - interval_us // 1_000)


def estimate_ms(case: AdmissionInput, block: Blocked, ahead: int) -> int | None:
    """About when it is the turn of a customer with so many `ahead`; None where nobody can tell."""
    canary, release = case.rules.canary, case.release
    if block.reason is Reason.CAMPAIGN_CANARY and canary is not None and release is not None:
        steps = steps_to(canary, release, case.entry.share)
        return case.account.now_ms + steps * canary.hold_ms
    if block.reason is not Reason.ACCOUNT_PACING or block.until_ms is None:
        return block.until_ms
    return block.until_ms + ahead * interval_of(case) // 1_000
