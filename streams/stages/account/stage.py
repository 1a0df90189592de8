"""The account stage: intents in, one candidate for each customer out, as fast as the account may.

The first of the two stages that an intent passes, keyed `enterprise/account`. Kinds that need their
account's permit go through its queue. What comes back from the customer stage moves the account's
state. Rules of this file: each record goes to the batch; no rule stands here. This stage never
publishes a decision: the customer stage alone does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.runtime.records import Unreadable
from streams.stages.account.batch import Batch
from streams.stages.context import StageContext
from streams.stages.dead_letters import unreadable_letter
from streams.stages.sweeps import is_sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.runtime.records import Output, Record
    from streams.runtime.state import DueTimer, State
    from streams.stages.routing import Router
    from streams.stages.rules import Rules
    from streams.topics import Topics


class AccountStage:
    """`Stage` over `outbound-intents` and the account's news."""

    name = "account"

    def __init__(self, topics: Topics, router: Router, rules: Rules) -> None:
        self.context = StageContext(topics, router, rules)
        self.topics = topics
        self.sources = (topics.intents, topics.account_news)
        self.changelog = topics.account_state

    def on_records(
        self, partition: int, records: Iterator[Record], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Pass intents on in their order, as far as their accounts may; take news in."""
        batch = Batch(self.context, state, now_ms)
        take = {self.topics.intents: batch.intent, self.topics.account_news: batch.news}
        for record in records:
            if isinstance(record, Unreadable):
                batch.outputs.append(unreadable_letter(self.topics, record, state, now_ms))
            else:
                take[record.topic](record)
        return batch.close()

    def on_timers(
        self, partition: int, due: Sequence[DueTimer], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Let queues flow, end what has waited too long, and review what time changes."""
        batch = Batch(self.context, state, now_ms)
        for timer in due:
            if is_sweep(timer):
                continue
            if state.budget.has_room():
                batch.timer(timer)
            else:
                state.put_back(timer)
        batch.continue_sweeps([timer for timer in due if is_sweep(timer)])
        return batch.close()
