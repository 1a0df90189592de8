"""The account stage: intents in, one candidate for each customer out.

First of the two stages an intent passes, keyed `enterprise/account`. It decodes, sends strays to
their place and what is no intent to the dead letters, and splits the rest. May this account act,
and how fast, will be asked in `_admit`; the customer stage has the last word on each person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.events.asks import ask_of, encode_ask
from streams.events.decode import decode_intent
from streams.events.envelope import Refused
from streams.events.keys import account_key, customer_key
from streams.stages import balance
from streams.stages.letters import dead_letter
from streams.stages.routing import forwarded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.events.intents import Intent
    from streams.lane.stage import Due, Output, Record
    from streams.lane.state import State
    from streams.stages.routing import Router
    from streams.topics import Topics


class AccountStage:
    """`Stage` over `outbound-intents`; its state is the partition's balance."""

    name = "account"

    def __init__(self, topics: Topics, router: Router) -> None:
        self.topics = topics
        self.router = router
        self.sources = (topics.intents,)
        self.changelog = topics.account_state

    def handle(
        self, partition: int, records: Sequence[Record], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Split intents into candidates, in their order."""
        outputs: list[Output] = []
        accepted = 0
        for record in records:
            intent = decode_intent(record.value)
            if isinstance(intent, Refused):
                letter = dead_letter(
                    self.topics, record, intent.reason, intent.error, state, now_ms
                )
                outputs.append(letter)
                continue
            key = account_key(intent.enterprise_id, intent.account_id)
            if self.router.strays(record, key, state):
                outputs.append(forwarded(self.topics, self.router, record, key, state))
                continue
            accepted += len(intent.customer_ids)
            outputs += self._admit(intent, now_ms)
        balance.add(state, accepted=accepted)
        return outputs

    def fire(
        self, partition: int, due: Sequence[Due], state: State, now_ms: int
    ) -> Iterable[Output]:
        """No timers are set by this stage."""
        return ()

    def _admit(self, intent: Intent, now_ms: int) -> Iterable[Output]:
        topic, place = self.topics.candidates, self.router.partition
        value = encode_ask(ask_of(intent, now_ms))
        for customer in intent.customer_ids:
            key = customer_key(intent.enterprise_id, customer)
            yield topic, place(key), key, value
