"""The customer stage: candidates and interactions in; decisions and approved messages out.

The second of the two stages that an intent passes, keyed `enterprise/customer`. Its decision is the
final one. Rules of this file: each record goes to the file for its topic; no rule stands here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.kinds import KIND_NAMES
from streams.runtime.records import Unreadable
from streams.stages.customer.batch import Batch, BatchContext
from streams.stages.customer.candidates import take_candidate
from streams.stages.customer.intake import take_interaction
from streams.stages.customer.rechecks import continue_sweeps, on_timers, take_sweep
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
        """Decide candidates and apply interactions, in their order."""
        batch = Batch(self.context, state, now_ms)
        take = {
            self.topics.candidates: take_candidate,
            self.topics.interactions: take_interaction,
            self.topics.sweeps: take_sweep,
        }
        for record in records:
            if isinstance(record, Unreadable):
                batch.outputs.append(unreadable_letter(self.topics, record, state, now_ms))
            else:
                take[record.topic](batch, record)
        return batch.close()

    def on_timers(
        self, partition: int, due: Sequence[DueTimer], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Decide held requests again: those that are due, and those that a sweep comes to."""
        batch = Batch(self.context, state, now_ms)
        on_timers(batch, [timer for timer in due if not is_sweep(timer)])
        continue_sweeps(batch, [timer for timer in due if is_sweep(timer)])
        return batch.close()
