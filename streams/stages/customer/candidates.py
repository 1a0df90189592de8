"""Candidates in: a request for one customer that the account stage has sent, with its answer.

Rules of this file: the core decides; here the account learns what became of its permit, and the
campaign who was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.customer.request import DUPLICATE
from streams.core.kinds import MAKES_RELATION, STAGED
from streams.core.reasons import Outcome
from streams.events.identity import mark_of
from streams.events.internal import decode_candidate
from streams.stages.customer.feedback import ties_of
from streams.stages.decisions import decision_id_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.customer.customer import Customer
    from streams.core.customer.request import Candidate, Decided
    from streams.runtime.records import Record
    from streams.stages.customer.batch import Batch


def take_candidate(batch: Batch, record: Record) -> None:
    """Decide a candidate and publish what was decided."""
    key, value = record.key, record.value
    if key is None or value is None:
        msg = f"a candidate without key or value at {record.topic} {record.offset}"
        raise ValueError(msg)
    candidate = decode_candidate(value)
    batch.state.budget.promise(len(value))  # it may be held, or its permit be asked for
    customer = batch.ledgers.open(key)
    if _is_first(candidate):
        # The two partitions' clocks may differ as two machines' clocks do.
        waited_ms = max(0, batch.now_ms - candidate.request.accepted_ms)
        batch.state.counters["latency_ms", str(waited_ms)] += 1
    makes_relation = candidate.request.kind in MAKES_RELATION
    before = ties_of(customer.ledger) if makes_relation else None
    _decide(batch, key, customer, candidate)
    if before is not None:
        batch.feedback.compare(customer.enterprise, before, ties_of(customer.ledger))


def _decide(batch: Batch, key: bytes, customer: Customer, candidate: Candidate) -> None:
    decision_id = decision_id_of(customer, candidate.request)
    decision_key = mark_of(decision_id)
    decided = customer.decide_request(candidate, decision_key)
    own = [one for one in decided if one.decision_key == decision_key]
    _count_asked(batch, customer, candidate, own)
    if candidate.permit_ms:
        _report_permit(batch, customer, candidate, own)
    batch.publish(key, customer, decided, {decision_key: decision_id})


def _count_asked(
    batch: Batch, customer: Customer, candidate: Candidate, own: Sequence[Decided]
) -> None:
    """Count the customer for the campaign, once an intent.

    Not an erased customer: no repeat is detected of them, and nothing is sent to them.
    """
    request = candidate.request
    if request.campaign_id is None or request.kind not in STAGED or customer.ledger.erased:
        return
    if not _is_first(candidate) or any(one.verdict is DUPLICATE for one in own):
        return
    if customer.rules[request.kind].canary is not None:
        batch.feedback.asked(customer.enterprise, request.campaign_id)


def _report_permit(
    batch: Batch, customer: Customer, candidate: Candidate, own: Sequence[Decided]
) -> None:
    """Return a permit that was not used; report one that a request for a relation used."""
    if not any(one.verdict.outcome is Outcome.APPROVED for one in own):
        batch.feedback.permit_returned(customer.enterprise, candidate)
    elif candidate.request.kind in MAKES_RELATION:
        batch.feedback.permit_used(customer.enterprise, candidate)


def _is_first(candidate: Candidate) -> bool:
    """Whether this is the first candidate for its intent, or for a repeat; not a later answer."""
    return not candidate.is_held and (candidate.wait is not None or not candidate.ticket)
