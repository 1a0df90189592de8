"""The events of a decision: `decorum.decision.v1`, and the approved message.

Rules of this file: it fills fields in; it decides and counts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.core.customer.request import deadline_ms
from streams.core.kinds import KIND_NAMES
from streams.core.reasons import Outcome
from streams.events.decisions import Approved, Decision, encode_approved, encode_decision
from streams.events.identity import decision_id

if TYPE_CHECKING:
    from streams.core.customer.customer import Customer
    from streams.core.customer.request import Decided, Request, Verdict
    from streams.core.customer.rules import KindRules


def decision_id_of(customer: Customer, request: Request) -> str:
    """The decision id of a request to this customer."""
    return decision_id(customer.enterprise, request.source, request.intent_id, customer.customer)


class DecisionEvent(msgspec.Struct, frozen=True, gc=False):
    """A request and its verdict, with what the events add. `id`: the decision id."""

    request: Request
    verdict: Verdict
    enterprise: str
    customer: str
    rules: KindRules
    now_ms: int
    id: str

    @property
    def kind(self) -> str:
        """The contract's name of the kind."""
        return KIND_NAMES[self.request.kind]

    def decision(self, before: int = 0) -> bytes:
        """`decorum.decision.v1`; `before`: decisions that the partition published at this time."""
        request, verdict, rules = self.request, self.verdict, self.rules
        decision = Decision(
            decision_id=self.id,
            intent_id=request.intent_id,
            intent_source=request.source,
            enterprise_id=self.enterprise,
            account_id=request.account_id,
            customer_id=self.customer,
            campaign_id=request.campaign_id,
            kind=self.kind,
            priority=request.priority,
            outcome=verdict.outcome,
            reason=verdict.reason,
            rule=verdict.rule,
            policy=rules.policy,
            policy_version=rules.version,
            stage=verdict.stage,
            decided_at_ms=self.now_ms,
            eligible_at_ms=verdict.eligible_at_ms,
            held_until_ms=self._held_until_ms(),
            send_by_ms=verdict.send_by_ms,
            remaining=verdict.remaining,
            wecom_errcode=verdict.wecom_errcode,
            shadow=verdict.shadow,
        )
        return encode_decision(decision, before)

    def _held_until_ms(self) -> int | None:
        if self.verdict.outcome is not Outcome.DEFERRED:
            return None
        return deadline_ms(self.request, self.rules.deadline_ms)

    def approved(self) -> bytes:
        """`decorum.approved.v1`, for a verdict that approves."""
        request = self.request
        message = Approved(
            decision_id=self.id,
            intent_id=request.intent_id,
            enterprise_id=self.enterprise,
            account_id=request.account_id,
            customer_id=self.customer,
            campaign_id=request.campaign_id,
            kind=self.kind,
            priority=request.priority,
            content_ref=request.content_ref,
            attributes=request.attributes,
            to_account_id=request.to_account_id,
            decided_at_ms=self.now_ms,
            send_by_ms=self.verdict.send_by_ms or 0,
        )
        return encode_approved(message)


def decision_event(decided: Decided, customer: Customer, name: str | None = None) -> DecisionEvent:
    """The events of a decision; `name`: its decision id, if the caller knows it."""
    request = decided.request
    return DecisionEvent(
        request,
        decided.verdict,
        customer.enterprise,
        customer.customer,
        customer.rules[request.kind],
        customer.now_ms,
        name or decision_id_of(customer, request),
    )
