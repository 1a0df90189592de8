"""Asking before sending: what a message of each kind would get if it arrived now.

Rules of this file: it has no rule of its own. Each answer is what `Desk.judge` says at a desk that
is thrown away afterwards, so that it cannot differ from the decision, and nothing of it is kept.
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
"""The mark of an intent that nobody has sent: no intent and no event is remembered under it."""


class Question(msgspec.Struct, frozen=True):
    """Who would send, in which campaign and how urgently.

    Without an account: one that the customer has never met. Without a campaign: a message of none.
    """

    account_id: str | None = None
    campaign_id: str | None = None
    priority: int = USUAL_PRIORITY


class DryRun(msgspec.Struct, frozen=True):
    """What would be decided; fields as in the contract's decision.

    `needs_leave`: the account has a say of its own (pace, ceilings, a campaign's stage), which is
    taken as given here.
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


def dry_run(open_desk: Callable[[], Customer], question: Question) -> dict[str, DryRun]:
    """The prospect of each kind, by its name; `open_desk` gives a desk of its own to every one."""
    return {KIND_NAMES[kind]: _prospect(open_desk(), question, kind) for kind in Kind}


def _prospect(customer: Customer, question: Question, kind: Kind) -> DryRun:
    candidate = Candidate(_ask(question, kind, customer.now_ms), permit_ms=max(1, customer.now_ms))
    decided = customer.decide_request(candidate, _NEW)
    verdict: Verdict = next(case.verdict for case in decided if case.decision_key == _NEW)
    said = {name: getattr(verdict, name) for name in _OF_VERDICT}
    return DryRun(**said, needs_leave=customer.rules[kind].needs_permit)


def _ask(question: Question, kind: Kind, now_ms: int) -> Request:
    return Request(
        intent_id="",
        source="",
        account_id=question.account_id or "",  # no account is called so: none has met them
        kind=kind,
        priority=question.priority,
        deny=False,
        accepted_ms=now_ms,
        campaign_id=question.campaign_id,
    )
