"""The customer stage: candidates and interactions in; decisions and approved messages out.

Second of the two stages an intent passes, keyed `enterprise/customer`, and the last word before a
message is approved. Rules of this file: it opens ledgers, asks the core and says what it answered;
no rule lives here. Each ledger is opened once a batch and closed once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.kinds import KIND_NAMES
from streams.runtime.records import Unreadable
from streams.stages.customer.batch import Batch, BatchContext
from streams.stages.dead_letters import unreadable_letter
from streams.stages.sweeps import is_sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.runtime.records import Output, Record
    from streams.runtime.state import DueTimer, State
    from streams.stages.customer.erasure import Erasure
    from streams.stages.routing import Router
    from streams.stages.rules import Rules
    from streams.topics import Topics


class CustomerStage:
    """`Stage` over the candidates and `interactions`; its state is the customers' ledgers."""

    name = "customer"

    def __init__(self, topics: Topics, router: Router, rules: Rules, erasure: Erasure) -> None:
        self.topics = topics
        approved = {kind: topics.approved(kind) for kind in KIND_NAMES}
        self.context = BatchContext(topics, router, rules, erasure, approved)
        self.sources = (topics.candidates, topics.interactions, topics.sweeps)
        self.changelog = topics.customer_state

    def on_records(
        self, partition: int, records: Iterator[Record], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Decide candidates and note interactions, in their order."""
        batch = Batch(self.context, state, now_ms)
        take = {
            self.topics.candidates: batch.candidate,
            self.topics.interactions: batch.interaction,
            self.topics.sweeps: batch.sweep,
        }
        for record in records:
            if isinstance(record, Unreadable):
                batch.outputs.append(unreadable_letter(self.topics, record, state, now_ms))
            else:
                take[record.topic](record)
        return batch.close()

    def on_timers(
        self, partition: int, due: Sequence[DueTimer], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Look again at the held intents whose time has come, or that a sweep comes to."""
        batch = Batch(self.context, state, now_ms)
        batch.on_timers([timer for timer in due if not is_sweep(timer)])
        batch.continue_sweeps([timer for timer in due if is_sweep(timer)])
        return batch.close()
