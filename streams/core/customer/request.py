"""One intent for one customer, as the core sees it: what travels between the two stages.

Rules of this file: fields only, and only appended ones. An ask stands in ledgers (held intents)
and in internal topics, and an older version's bytes must decode for ever.
"""

from __future__ import annotations

from typing import Final

import msgspec

from streams.core.local_calendar import LAST_MS
from streams.core.reasons import Outcome, Reason


class Request(msgspec.Struct, frozen=True, array_like=True):
    """Who wants to send what, how urgently and until when. The customer is the record's key.

    `deny` is the intent's `if_not_now: deny`. `accepted_ms` is the engine's clock when the intent
    was accepted; a held intent's age and its default deadline count from there.
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
    """Until when an ask may wait: its own deadline, else as long as the policy's patience from when
    it is of use.
    """
    if request.deadline_ms is not None:
        return request.deadline_ms
    return min(max(request.accepted_ms, request.not_before_ms or 0) + patience_ms, LAST_MS)


class Verdict(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was decided; fields as in the contract's decision."""

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
    """An ask with its account's word on it.

    `leave_ms`: when the account gave leave, by its clock; 0 where it was not asked for one.
    `again`: the customer stage held the ask and had asked for this leave. `refusal`: the account's
    no, for the customer stage to say, which alone knows whether the ask was decided before.
    `ticket`: its place in the account's queue, 0 for an ask that went on at once. `wait`: it waits
    there, for this reason; another candidate with this ticket follows.
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
