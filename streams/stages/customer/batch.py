"""One batch of the customer stage: its ledgers, its outputs and its counts.

Rules of this file: what the files for candidates, interactions and held requests share. Each ledger
is opened once a batch and closed once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.reasons import Outcome
from streams.events.keys import account_key
from streams.stages import balance
from streams.stages.customer.feedback import Feedback
from streams.stages.customer.ledgers import LedgerSession
from streams.stages.dead_letters import dead_letter
from streams.stages.decisions import decision_event
from streams.topics import INTENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.core.customer.customer import Customer
    from streams.core.customer.request import Decided
    from streams.events.envelope import Rejected
    from streams.runtime.records import Output, Record
    from streams.runtime.state import State
    from streams.stages.customer.erasure import Erasure
    from streams.stages.routing import Router
    from streams.stages.rules import Rules
    from streams.topics import Topics

_NO_IDS: Final[Mapping[int, str]] = {}


class BatchContext(NamedTuple):
    """What all batches of the stage share.

    `approved`: by kind, the topic of its approved messages.
    """

    topics: Topics
    router: Router
    rules: Rules
    erasure: Erasure
    approved: dict[str, str]


class Batch:
    """The ledgers, outputs and counts of one batch of one partition."""

    def __init__(self, context: BatchContext, state: State, now_ms: int) -> None:
        self.context = context
        self.state = state
        self.now_ms = now_ms
        self.feedback = Feedback(now_ms)
        self.ledgers = LedgerSession(context.rules, context.erasure, state, now_ms, self.feedback)
        self.outputs = state.budget.collect()
        self._balance = balance.balance_of(state)
        if self._balance.published_ms != now_ms:
            self._balance.published_ms, self._balance.published = now_ms, 0

    def publish(
        self,
        key: bytes,
        customer: Customer,
        decided: Iterable[Decided],
        ids: Mapping[int, str] = _NO_IDS,
    ) -> None:
        """Publish decisions and approved messages. `ids`: known decision ids, by decision key."""
        for one in decided:
            self._publish(key, customer, one, ids.get(one.decision_key))

    def _publish(self, key: bytes, customer: Customer, decided: Decided, name: str | None) -> None:
        request, verdict = decided.request, decided.verdict
        event = decision_event(decided, customer, name)
        self.state.counters["decisions_total", event.kind, verdict.outcome, verdict.reason] += 1
        if verdict.outcome is Outcome.DUPLICATE:
            self.state.counters["repeats_total", INTENTS] += 1
        counts = self._balance
        counts.settled += verdict.outcome is not Outcome.DEFERRED
        value = event.decision(counts.published)
        self.outputs.append((self.context.topics.decisions, None, key, value))
        counts.published += 1
        if verdict.outcome is Outcome.APPROVED:
            if request.campaign_id is not None:
                self.feedback.approved(customer.enterprise, request.campaign_id)
            account, topic = (
                account_key(customer.enterprise, request.account_id),
                self.context.approved[event.kind],
            )
            partition = self.context.router.partition(account)
            self.outputs.append((topic, partition, account, event.approved()))

    def reject(self, record: Record, rejected: Rejected) -> None:
        """Write a dead letter."""
        topics, reason, error = self.context.topics, rejected.reason, rejected.error
        letter = dead_letter(topics, record, reason, error, self.state, self.now_ms)
        self.outputs.append(letter)

    def close(self) -> list[Output]:
        """Store the ledgers and counts; returns all outputs."""
        held, queued = self.ledgers.close()
        self._balance.held += held
        self._balance.queued += queued
        self.outputs += self.feedback.outputs(self.context.topics, self.context.router)
        balance.store(self.state, self._balance)
        return self.outputs
