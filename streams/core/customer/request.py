"""One intent for one customer: the request, the verdict on it, and what travels between the stages.

Rules of this file: values only. Requests and verdicts are stored in ledgers (held requests) and in
internal topics, so the bytes of every released version must stay readable: fields are only
appended, each with a default.
"""

from __future__ import annotations

from typing import Final

import msgspec

from streams.core.local_calendar import LAST_MS
from streams.core.reasons import Outcome, Reason


class Request(msgspec.Struct, frozen=True, array_like=True):
    """Who wants to send what, how urgently, and until when. The customer is the record's key.

    `deny`: the intent says `if_not_now: deny`. `accepted_ms`: when the account stage accepted the
    intent, by its clock; the age of a held request and its default deadline count from then.
    """

    intent_id: str
    source: str
    account_id: str
    kind: int
    priority: int
    deny: bool
    accepted_ms: int
    campaign_id: str | None = None
    campaign_size: int | None = None
    not_before_ms: int | None = None
    deadline_ms: int | None = None
    content_ref: str | None = None
    attributes: dict[str, str] | None = None
    to_account_id: str | None = None


def deadline_ms(request: Request, patience_ms: int) -> int:
    """The last millisecond at which a request may wait: its own deadline, if it has one.

    Otherwise `patience_ms` (the policy's) after it was accepted, or after its `not_before_ms`.
    """
    if request.deadline_ms is not None:
        return request.deadline_ms
    return min(max(request.accepted_ms, request.not_before_ms or 0) + patience_ms, LAST_MS)


class Verdict(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is decided about a request; fields as in the contract's decision."""

    outcome: Outcome
    reason: Reason
    rule: str | None = None
    eligible_at_ms: int | None = None
    send_by_ms: int | None = None
    remaining: dict[str, int] | None = None
    wecom_errcode: int | None = None
    shadow: dict[str, str] | None = None
    stage: str = "customer"


def denial(
    reason: Reason,
    *,
    rule: str | None = None,
    eligible_at_ms: int | None = None,
    wecom_errcode: int | None = None,
) -> Verdict:
    """A denial."""
    return Verdict(
        Outcome.DENIED,
        reason,
        rule=rule,
        eligible_at_ms=eligible_at_ms,
        wecom_errcode=wecom_errcode,
    )


DUPLICATE: Final = Verdict(Outcome.DUPLICATE, Reason.DUPLICATE)


class Candidate(msgspec.Struct, frozen=True, array_like=True):
    """A request with the account stage's answer, on its way to the customer stage.

    `permit_ms`: when the account gave its permit, by its clock; 0 if it gave none. `is_held`: the
    customer stage holds the request and asked for this permit. `denial`: the account stage's
    denial; the customer stage publishes it, because only it can detect duplicates. `ticket`: the
    number under which the account's queue knows the request; 0 if it was never queued. `wait`: the
    request waits in that queue, for this reason; another candidate with the same ticket follows.
    """

    request: Request
    permit_ms: int = 0
    is_held: bool = False
    denial: Verdict | None = None
    ticket: int = 0
    wait: Verdict | None = None


class Decided(msgspec.Struct, frozen=True, gc=False):
    """A decision to publish. `decision_key`: the first 64 bits of its decision id."""

    request: Request
    decision_key: int
    verdict: Verdict
