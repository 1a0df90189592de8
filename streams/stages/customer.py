"""The customer stage: candidates and interactions in; decisions and approved messages out.

Second of the two stages an intent passes, keyed `enterprise/customer`, and the last word before a
message is approved. Rules of this file: it opens ledgers, asks the core and says what it answered;
no rule lives here. Each ledger is opened once a batch and closed once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.customer import Desk, next_wake
from streams.core.kinds import KIND_NAMES
from streams.core.ledger import dump, load
from streams.core.reasons import Outcome, Reason
from streams.events.asks import decode_ask
from streams.events.decode import decode_interaction
from streams.events.envelope import Refused
from streams.events.identity import mark_of
from streams.events.interactions import AccountStatus, Erase
from streams.events.keys import account_key, key_of, parts_of
from streams.events.sweeps import Sweep, encode_sweep
from streams.stages import balance
from streams.stages.letters import dead_letter
from streams.stages.noting import note
from streams.stages.orders import PartitionOrders
from streams.stages.sayings import id_of_ask, saying
from streams.stages.sweeping import TIMER_HEAD, Sweeping, begin, is_sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.core.customer import Settled, Wake
    from streams.core.law import Law
    from streams.core.ledger import Ledger
    from streams.core.orders import Orders
    from streams.events.interactions import AccountStatusChange, Interaction
    from streams.lane.stage import Due, Output, Record
    from streams.lane.state import State
    from streams.stages.erasure import Erasure
    from streams.stages.routing import Router
    from streams.stages.rules import Rules
    from streams.topics import Topics

MOST_URGENT: Final = 100
"""The highest priority of the contract."""

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


class _Opened(msgspec.Struct, frozen=True, gc=False):
    """A ledger in work, and how it stood before."""

    desk: Desk
    value: bytes | None
    wake: Wake | None
    held: int


class _Batch:
    """The ledgers, outputs and counts of one batch."""

    def __init__(self, stage: CustomerStage, state: State, now_ms: int) -> None:
        self.stage = stage
        self.state = state
        self.now_ms = now_ms
        self.opened: dict[bytes, _Opened] = {}
        self.ruled: dict[str, tuple[tuple[Law, ...], Orders]] = {}
        self.outputs: list[Output] = []
        self.settled = 0
        self.held = 0

    def candidate(self, record: Record) -> None:
        key, value = record.key, record.value
        if key is None or value is None:
            msg = f"a candidate without key or value at {record.topic} {record.offset}"
            raise ValueError(msg)
        ask = decode_ask(value)
        opened = self._open(key)
        # Two partitions' clocks may differ by what two machines' do.
        waited_ms = max(0, self.now_ms - ask.accepted_ms)
        self.state.tally["latency_ms", str(waited_ms)] += 1
        self._say(key, opened, opened.desk.judge(ask, mark_of(id_of_ask(opened.desk, ask))))

    def interaction(self, record: Record) -> None:
        event = decode_interaction(record.value)
        if isinstance(event, Refused):
            self._refuse(record, event)
            return
        key = key_of(event)
        if self.stage.router.strays(record, key, self.state):
            self._forward(record, key)
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
            opened = self._open(key)
            self._say(key, opened, opened.desk.reconsider())

    def wake(self, key: bytes) -> None:
        opened = self._open(key)
        self._say(key, opened, opened.desk.wake())

    def close(self) -> list[Output]:
        for key, opened in self.opened.items():
            self._close(key, opened)
        balance.add(self.state, settled=self.settled, held=self.held)
        return self.outputs

    def _tell_status(self, data: AccountStatusChange) -> None:
        """Every partition holds intents of every account, so every one is told."""
        value = encode_sweep(
            Sweep(
                enterprise=data.enterprise_id,
                account=data.account_id,
                status=data.status,
                status_ms=min(data.occurred_at_ms, self.now_ms),
            )
        )
        for partition in range(self.stage.router.partitions):
            self.outputs.append((self.stage.topics.sweeps, partition, None, value))

    def _note(self, key: bytes, event: Interaction) -> None:
        opened = self._open(key)
        self._say(key, opened, note(opened.desk, event))

    def _erase(self, record: Record, key: bytes) -> None:
        mark = self.stage.erasure.mark(key)
        if mark is None:
            self._refuse(record, Refused("invalid", NO_SUPPRESSION_KEY))
            return
        opened = self._open(key)
        self._say(key, opened, opened.desk.cancel(Reason.SUPPRESSED))
        self._close(key, opened)
        self.state.delete(key)
        self.state.put(mark, b"1")
        del self.opened[key]

    def _refuse(self, record: Record, refused: Refused) -> None:
        letter = dead_letter(
            self.stage.topics, record, refused.reason, refused.error, self.state, self.now_ms
        )
        self.outputs.append(letter)

    def _forward(self, record: Record, key: bytes) -> None:
        self.state.tally["rerouted_total", self.stage.topics.logical(record.topic)] += 1
        place = self.stage.router.partition(key)
        self.outputs.append((record.topic, place, key, record.value))

    def _open(self, key: bytes) -> _Opened:
        opened = self.opened.get(key)
        if opened is None:
            opened = self.opened[key] = self._load(key)
            opened.desk.tidy()
        return opened

    def _load(self, key: bytes) -> _Opened:
        value = self.state.get(key)
        ledger = load(value)
        if value is None and self.stage.erasure.is_marked(key, self.state):
            ledger.erased = True
        enterprise, customer = parts_of(key)
        laws, orders = self.ruled.get(enterprise) or self._rule(enterprise)
        desk = Desk(ledger, enterprise, customer, laws, self.now_ms, orders)
        return _Opened(desk, value, next_wake(ledger), len(ledger.held))

    def _rule(self, enterprise: str) -> tuple[tuple[Law, ...], Orders]:
        """What the enterprise is under in this batch; it stays so to the batch's end."""
        rules = self.stage.rules
        ruled = (
            rules.laws(enterprise, self.now_ms),
            PartitionOrders(rules.controls, self.state, enterprise),
        )
        self.ruled[enterprise] = ruled
        return ruled

    def _close(self, key: bytes, opened: _Opened) -> None:
        ledger: Ledger = opened.desk.ledger
        self.held += len(ledger.held) - opened.held
        wake = next_wake(ledger) if ledger.held else None
        if wake != opened.wake:
            if opened.wake is not None:
                self.state.cancel_timer(opened.wake.due_ms, _timer_name(opened.wake, key))
            if wake is not None:
                self.state.set_timer(wake.due_ms, _timer_name(wake, key))
        value = dump(ledger)
        if value is None:
            self.state.delete(key)
        elif value != opened.value:
            self.state.put(key, value)

    def _say(self, key: bytes, opened: _Opened, settled: Iterable[Settled]) -> None:
        topics, place = self.stage.topics, self.stage.router.partition
        for case in settled:
            said = saying(case, opened.desk)
            outcome, kind = case.verdict.outcome, said.kind
            self.state.tally["decisions_total", kind, outcome, case.verdict.reason] += 1
            self.settled += outcome is not Outcome.DEFERRED
            self.outputs.append((topics.decisions, None, key, said.decision()))
            if outcome is Outcome.APPROVED:
                account = account_key(opened.desk.enterprise, case.ask.account_id)
                self.outputs.append(
                    (self.stage.approved[kind], place(account), account, said.approved())
                )


def _timer_name(wake: Wake, key: bytes) -> bytes:
    """Timers due in the same millisecond fire in the order of their names: urgency, then age."""
    return bytes((MOST_URGENT - wake.priority,)) + wake.accepted_ms.to_bytes(8, "big") + key
