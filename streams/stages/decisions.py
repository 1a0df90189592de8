"""What a stage says of an ask: the decision, and the approved message.

Rules of this file: fields are put in their places; nothing is decided or counted.
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
    from streams.core.customer.customer import Customer, Decided
    from streams.core.customer.request import Request
    from streams.core.customer.rules import KindRules
    from streams.core.customer.verdict import Verdict


def decision_id_of(desk: Customer, ask: Request) -> str:
    """The decision id of an ask at this desk."""
    return decision_id(desk.enterprise, ask.source, ask.intent_id, desk.customer)


class DecisionEvent(msgspec.Struct, frozen=True, gc=False):
    """One ask and what was decided of it, with the names it is told under."""

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
        """`decorum.decision.v1`; `before`: how many the partition has said at this moment."""
        ask, verdict, law = self.request, self.verdict, self.rules
        decision = Decision(
            decision_id=self.id,
            intent_id=ask.intent_id,
            intent_source=ask.source,
            enterprise_id=self.enterprise,
            account_id=ask.account_id,
            customer_id=self.customer,
            campaign_id=ask.campaign_id,
            kind=self.kind,
            priority=ask.priority,
            outcome=verdict.outcome,
            reason=verdict.reason,
            rule=verdict.rule,
            policy=law.policy,
            policy_version=law.version,
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
        ask = self.request
        message = Approved(
            decision_id=self.id,
            intent_id=ask.intent_id,
            enterprise_id=self.enterprise,
            account_id=ask.account_id,
            customer_id=self.customer,
            campaign_id=ask.campaign_id,
            kind=self.kind,
            priority=ask.priority,
            content_ref=ask.content_ref,
            attributes=ask.attributes,
            to_account_id=ask.to_account_id,
            decided_at_ms=self.now_ms,
            send_by_ms=self.verdict.send_by_ms or 0,
        )
        return encode_approved(message)


def decision_event(settled: Decided, desk: Customer, name: str | None = None) -> DecisionEvent:
    """What there is to say of one settled ask; `name`: its decision id, where it is known."""
    ask = settled.request
    return DecisionEvent(
        ask,
        settled.verdict,
        desk.enterprise,
        desk.customer,
        desk.rules[ask.kind],
        desk.now_ms,
        name or decision_id_of(desk, ask),
    )
