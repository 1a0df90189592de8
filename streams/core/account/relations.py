"""Whether an account can take on one relation more, by a friend request or from another account.

The enterprise's own ceiling comes first, for no account can help there. Rules of this file: it
denies in WeCom's terms (40099), with the relations that are free elsewhere; it takes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.account import account as accounts
from streams.core.account.case import denial
from streams.core.customer.case import RESIGNED, SUSPENDED
from streams.core.enterprise import PUBLISH_EVERY_MS
from streams.core.kinds import Kind
from streams.core.reasons import AT_CEILING, Outcome, Reason

if TYPE_CHECKING:
    from streams.core.account.case import AccountInput, AdmissionInput
    from streams.core.customer.request import Verdict


def capacity_denial(case: AdmissionInput) -> Verdict | None:
    """Why the account can take nobody on, by a request or from another account; None if it can."""
    if case.entry.kind == Kind.FRIEND_REQUEST:
        return _request_denial(case)
    return _take_over_denial(case) if case.entry.kind == Kind.TRANSFER else None


def _request_denial(case: AdmissionInput) -> Verdict | None:
    allowed = _allowed(case.account)
    if allowed is not None and case.totals.claimed >= allowed:
        return _full(Reason.ENTERPRISE_CEILING, case)
    if accounts.capacity(case.account.state, case.account.rules) == 0:
        return _full(Reason.ACCOUNT_CEILING, case)
    return None


def _take_over_denial(case: AdmissionInput) -> Verdict | None:
    state, now_ms = case.account.state, case.account.now_ms
    if accounts.paused_until_ms(state, now_ms) != 0 or state.status in {RESIGNED, SUSPENDED}:
        return denial(Outcome.DENIED, Reason.TAKER_UNAVAILABLE)
    if accounts.capacity(state, case.account.rules) == 0:
        return _full(Reason.TAKER_AT_CEILING, case)
    return None


def _full(reason: Reason, case: AdmissionInput) -> Verdict:
    """A denial in WeCom's terms (40099), with the relations that are free here, elsewhere, in all.

    The enterprise's totals are up to `PUBLISH_EVERY_MS` old, and count the capacity that this
    account had then.
    """
    account, totals, queue = case.account, case.totals, case.account.queue
    is_recent = account.now_ms - queue.capacity_ms <= PUBLISH_EVERY_MS
    own = queue.previous_capacity if is_recent else queue.published_capacity
    left = {
        "relations": accounts.capacity(account.state, account.rules) or 0,
        "relations-elsewhere": max(0, totals.room - own),
    }
    allowed = _allowed(account)
    if allowed is not None:
        left["relations-enterprise"] = max(0, allowed - totals.claimed)
    return denial(Outcome.DENIED, reason, rule="ceilings", wecom_errcode=AT_CEILING, remaining=left)


def _allowed(account: AccountInput) -> int | None:
    ceilings = account.rules.ceilings
    return None if ceilings is None else ceilings.relations.enterprise
