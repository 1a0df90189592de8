"""Dry run: what would be decided about a message of each kind if it arrived now.

Rules of this file: it has no rule of its own. Each answer comes from `Customer.decide_request` on a
copy that is thrown away, so it cannot differ from the decision, and nothing is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.customer.request import Candidate, Request
from streams.core.kinds import KIND_NAMES, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.customer.customer import Customer
    from streams.core.customer.request import Verdict

USUAL_PRIORITY: Final = 50
"""The contract's default."""

_NEW: Final = 0
"""The decision key of an intent that nobody sent: nothing else has this key."""


class Question(msgspec.Struct, frozen=True):
    """Who would send, in which campaign, and with which priority.

    No account: one that the customer never met. No campaign: a message outside campaigns.
    """

    account_id: str | None = None
    campaign_id: str | None = None
    priority: int = USUAL_PRIORITY


class DryRun(msgspec.Struct, frozen=True):
    """What would be decided; fields as in the contract's decision.

    `needs_leave`: the kind needs a permit of its account (pace, ceilings, a campaign's step), which
    this answer assumes.
    """

    outcome: str
    reason: str
    rule: str | None
    eligible_at_ms: int | None
    send_by_ms: int | None
    remaining: dict[str, int] | None
    wecom_errcode: int | None
    shadow: dict[str, str] | None
    needs_leave: bool


_OF_VERDICT: Final = [name for name in DryRun.__struct_fields__ if name != "needs_leave"]


def dry_run(new_copy: Callable[[], Customer], question: Question) -> dict[str, DryRun]:
    """The answer for each kind, by its name; `new_copy` makes a copy of the customer for each."""
    return {KIND_NAMES[kind]: _answer(new_copy(), question, kind) for kind in Kind}


def _answer(customer: Customer, question: Question, kind: Kind) -> DryRun:
    candidate = Candidate(
        _request(question, kind, customer.now_ms), permit_ms=max(1, customer.now_ms)
    )
    decided = customer.decide_request(candidate, _NEW)
    verdict: Verdict = next(one.verdict for one in decided if one.decision_key == _NEW)
    fields = {name: getattr(verdict, name) for name in _OF_VERDICT}
    return DryRun(**fields, needs_leave=customer.rules[kind].needs_permit)


def _request(question: Question, kind: Kind, now_ms: int) -> Request:
    return Request(
        intent_id="",
        source="",
        account_id=question.account_id or "",  # no account has this name: the customer never met it
        kind=kind,
        priority=question.priority,
        deny=False,
        accepted_ms=now_ms,
        campaign_id=question.campaign_id,
    )
