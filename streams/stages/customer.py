"""The customer stage: candidates and interactions in; decisions and approved messages out.

Second of the two stages an intent passes, keyed `enterprise/customer`, and the last word before a
message is approved. Rules of this file: it opens ledgers, asks the core and says what it answered;
no rule lives here. Each ledger is opened once a batch and closed once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.core.kinds import KIND_NAMES
from streams.core.reasons import Outcome, Reason
from streams.events.asks import decode_ask
from streams.events.decode import decode_interaction
from streams.events.envelope import Refused
from streams.events.identity import mark_of
from streams.events.interactions import AccountStatus, Erase
from streams.events.keys import account_key, key_of
from streams.events.sweeps import Sweep
from streams.stages import balance
from streams.stages.books import Books
from streams.stages.letters import dead_letter
from streams.stages.noting import note
from streams.stages.routing import forwarded
from streams.stages.sayings import id_of_ask, saying
from streams.stages.sweeping import TIMER_HEAD, Sweeping, begin, is_sweep, tell_everybody

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.core.customer import Desk, Settled
    from streams.events.interactions import AccountStatusChange, Interaction
    from streams.lane.stage import Due, Output, Record
    from streams.lane.state import State
    from streams.stages.erasure import Erasure
    from streams.stages.routing import Router
    from streams.stages.rules import Rules
    from streams.topics import Topics

NO_SUPPRESSION_KEY: Final = (
    "$.type: erase is not accepted before DECORUM_SUPPRESSION_KEY is set: without it nothing could"
    " keep a forgotten customer from being contacted again"
)


class CustomerStage:
    """`Stage` over the candidates and `interactions`; its state is the customers' ledgers."""

    name = "customer"

    def __init__(self, topics: Topics, router: Router, rules: Rules, erasure: Erasure) -> None:
        self.topics = topics
        self.erasure = erasure
        self.router = router
        self.rules = rules
        self.approved = {kind: topics.approved(kind) for kind in KIND_NAMES}
        self.sweeping = Sweeping()
        self.sources = (topics.candidates, topics.interactions, topics.sweeps)
        self.changelog = topics.customer_state

    def handle(
        self, partition: int, records: Sequence[Record], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Decide candidates and note interactions, in their order."""
        batch = _Batch(self, state, now_ms)
        take = {
            self.topics.candidates: batch.candidate,
            self.topics.interactions: batch.interaction,
            self.topics.sweeps: batch.sweep,
        }
        for record in records:
            take[record.topic](record)
        return batch.close()

    def fire(
        self, partition: int, due: Sequence[Due], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Look again at the held intents whose time has come, or that a sweep comes to."""
        batch = _Batch(self, state, now_ms)
        for timer in due:
            if is_sweep(timer):
                batch.go_on(partition, timer)
            else:
                batch.wake(timer.name[TIMER_HEAD:])
        return batch.close()


class _Batch:
    """The ledgers, outputs and counts of one batch."""

    def __init__(self, stage: CustomerStage, state: State, now_ms: int) -> None:
        self.stage = stage
        self.state = state
        self.now_ms = now_ms
        self.books = Books(stage.rules, stage.erasure, state, now_ms)
        self.outputs: list[Output] = []
        self.settled = 0

    def candidate(self, record: Record) -> None:
        key, value = record.key, record.value
        if key is None or value is None:
            msg = f"a candidate without key or value at {record.topic} {record.offset}"
            raise ValueError(msg)
        ask = decode_ask(value)
        desk = self.books.open(key)
        # Two partitions' clocks may differ by what two machines' do.
        waited_ms = max(0, self.now_ms - ask.accepted_ms)
        self.state.tally["latency_ms", str(waited_ms)] += 1
        self._say(key, desk, desk.judge(ask, mark_of(id_of_ask(desk, ask))))

    def interaction(self, record: Record) -> None:
        event = decode_interaction(record.value)
        if isinstance(event, Refused):
            self._refuse(record, event)
            return
        key = key_of(event)
        if self.stage.router.strays(record, key, self.state):
            self.outputs.append(
                forwarded(self.stage.topics, self.stage.router, record, key, self.state)
            )
            return
        self.state.tally["interactions_total", str(event.__struct_config__.tag)] += 1
        if isinstance(event, Erase):
            self._erase(record, key)
        elif isinstance(event, AccountStatus):
            self._tell_status(event.data)
        else:
            self._note(key, event)

    def sweep(self, record: Record) -> None:
        begin(record.value or b"", record.offset, self.state, self.now_ms)

    def go_on(self, partition: int, timer: Due) -> None:
        known = self.stage.rules.generation
        keys = self.stage.sweeping.go_on(partition, timer, self.state, self.now_ms, known)
        for key in keys:
            desk = self.books.open(key)
            self._say(key, desk, desk.reconsider())

    def wake(self, key: bytes) -> None:
        desk = self.books.open(key)
        self._say(key, desk, desk.wake())

    def close(self) -> list[Output]:
        held = self.books.close()
        balance.add(self.state, settled=self.settled, held=held)
        return self.outputs

    def _tell_status(self, data: AccountStatusChange) -> None:
        sweep = Sweep(
            enterprise=data.enterprise_id,
            account=data.account_id,
            status=data.status,
            status_ms=min(data.occurred_at_ms, self.now_ms),
        )
        stage = self.stage
        self.outputs += tell_everybody(stage.topics, stage.router.partitions, sweep)

    def _note(self, key: bytes, event: Interaction) -> None:
        desk = self.books.open(key)
        self._say(key, desk, note(desk, event))

    def _erase(self, record: Record, key: bytes) -> None:
        mark = self.stage.erasure.mark(key)
        if mark is None:
            self._refuse(record, Refused("invalid", NO_SUPPRESSION_KEY))
            return
        desk = self.books.open(key)
        self._say(key, desk, desk.cancel(Reason.SUPPRESSED))
        self.books.forget(key, mark)

    def _refuse(self, record: Record, refused: Refused) -> None:
        letter = dead_letter(
            self.stage.topics, record, refused.reason, refused.error, self.state, self.now_ms
        )
        self.outputs.append(letter)

    def _say(self, key: bytes, desk: Desk, settled: Iterable[Settled]) -> None:
        topics, place = self.stage.topics, self.stage.router.partition
        for case in settled:
            said = saying(case, desk)
            outcome, kind = case.verdict.outcome, said.kind
            self.state.tally["decisions_total", kind, outcome, case.verdict.reason] += 1
            self.settled += outcome is not Outcome.DEFERRED
            self.outputs.append((topics.decisions, None, key, said.decision()))
            if outcome is Outcome.APPROVED:
                account = account_key(desk.enterprise, case.ask.account_id)
                self.outputs.append(
                    (self.stage.approved[kind], place(account), account, said.approved())
                )
