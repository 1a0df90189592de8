"""The runtime without a broker, for tests of whole flows: same state, same batches, no waiting.

It behaves like a worker that is always fast enough. The clock moves only when the test moves it;
`run` decides until nothing waits and nothing is due; `advance` stops at every due time on the way.
Each batch is written to a changelog, and `crash` rebuilds every state from it; this exposes a
stage that keeps anything outside its state. Not simulated: retention, compaction, rebalances.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.runtime.batch import MAX_RECORDS, WHOLE, Batch, Share, decide_batch
from streams.runtime.checkpoint import Checkpoint
from streams.runtime.partitioner import partition_for
from streams.runtime.records import Unreadable
from streams.runtime.state import CHECKPOINT_KEY, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.runtime.stage import Stage


MAX_ROUNDS: Final = 10_000


class DriverRecord(NamedTuple):
    """A record of the driver's topics; `timestamp` is the driver's clock when it was written."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    sequence: int = 0
    """Its position among the records of all topics."""


@dataclass(frozen=True, kw_only=True)
class _Unreadable(Unreadable):
    """As a worker's consumer gives it, with its position among the driver's records."""

    sequence: int


class _Partition:
    """One partition of one stage, with its state and checkpoint."""

    def __init__(self, stage: Stage, number: int) -> None:
        self.stage, self.number = stage, number
        self.state, self.checkpoint = State(), Checkpoint()

    def rebuild(self, changelog: Sequence[DriverRecord | _Unreadable]) -> None:
        self.state, self.checkpoint = State(), Checkpoint()
        for record in changelog:
            if record.key == CHECKPOINT_KEY and record.value is not None:
                self.checkpoint = Checkpoint.decode(record.value)
            elif record.key is not None:
                self.state.load(record.key, record.value)
        self.state.finish_loading()


class StageTestDriver:
    """Topics and stages in memory. `counters`: the sum over committed batches."""

    def __init__(
        self,
        stages: Sequence[Stage],
        partitions: int | dict[str, int] = 8,
        clock: int = 0,
        observe: Callable[[Stage, int, Batch], None] | None = None,
        share: Share = WHOLE,
    ) -> None:
        """`partitions`: of every topic, or by topic name (others have one); `clock`: UTC ms;
        `observe`: called for each committed batch; `share`: what one batch may do.

        Set `ahead_ms[stage, partition]` to let a partition's clock run ahead of the driver's
        (negative: behind), as the clock of another machine may.
        """
        self.now_ms = clock
        self.ahead_ms: dict[tuple[str, int], int] = {}
        self.counters: Counter[tuple[str, ...]] = Counter()
        self._partition_counts = partitions
        self._logs: dict[tuple[str, int], list[DriverRecord | _Unreadable]] = defaultdict(list)
        self._order: list[DriverRecord | _Unreadable] = []
        self._observe = observe
        self._share = share
        self._partitions = [
            _Partition(stage, number)
            for stage in stages
            for number in range(self.partitions_of(stage.sources[0]))
        ]

    def partitions_of(self, topic: str) -> int:
        """How many partitions a topic has."""
        counts = self._partition_counts
        return counts if isinstance(counts, int) else counts.get(topic, 1)

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        *,
        timestamp: int | None = None,
    ) -> DriverRecord:
        """Write a record, by default to the partition of Java's partitioner (no key: partition 0).

        `timestamp`: by default the driver's clock.
        """
        if partition is None:
            partition = partition_for(key, self.partitions_of(topic)) if key is not None else 0
        log = self._logs[topic, partition]
        at_ms = self.now_ms if timestamp is None else timestamp
        record = DriverRecord(topic, partition, len(log), at_ms, key, value, len(self._order))
        log.append(record)
        self._order.append(record)
        return record

    def produce_unreadable(self, topic: str, value: bytes, error: str, partition: int = 0) -> None:
        """Write a batch of one unreadable record; only stages see it, not `read`."""
        log = self._logs[topic, partition]
        offset, sequence = len(log), len(self._order)
        broken = _Unreadable(
            topic=topic,
            partition=partition,
            first_offset=offset,
            offset=offset,
            timestamp=self.now_ms,
            value=value,
            error=error,
            sequence=sequence,
        )
        log.append(broken)
        self._order.append(broken)

    def run(self) -> None:
        """Decide until nothing waits and nothing is due at the present clock.

        A stage's exception is raised; nothing of its batch is committed, and the state is rebuilt
        as after a restart. RuntimeError if stages feed each other without end.
        """
        for _ in range(MAX_ROUNDS):
            worked = [self._step(partition) for partition in self._partitions]
            if not any(worked):
                return
        raise RuntimeError(f"still not idle after {MAX_ROUNDS} rounds: a stage feeds itself")

    def advance(self, to_ms: int) -> None:
        """Move the clock to `to_ms`, and run at each timer's time on the way."""
        self.run()
        while (due_ms := self._next_due_ms()) is not None and due_ms <= to_ms:
            self.now_ms = max(self.now_ms, due_ms)
            self.run()
        self.now_ms = max(self.now_ms, to_ms)
        self.run()

    def read(self, topic: str) -> list[DriverRecord]:
        """All records of a topic, in the order of writing."""
        return [record for record in self.read_all() if record.topic == topic]

    def read_all(self) -> list[DriverRecord]:
        """All records of all topics, in the order of writing."""
        return [record for record in self._order if isinstance(record, DriverRecord)]

    def state(self, stage: str, partition: int) -> State:
        """A partition's state, to look at. KeyError if there is none."""
        for candidate in self._partitions:
            if (candidate.stage.name, candidate.number) == (stage, partition):
                return candidate.state
        raise KeyError((stage, partition))

    def crash(self) -> None:
        """Discard everything in memory and rebuild it from the changelogs."""
        for partition in self._partitions:
            self._rebuild(partition)

    def _step(self, partition: _Partition) -> bool:
        stage, state, checkpoint = partition.stage, partition.state, partition.checkpoint
        records = self._waiting(partition)
        now_ms = self.now_ms + self._ahead_ms(partition)
        try:
            batch = decide_batch(
                stage, partition.number, state, checkpoint, records, now_ms, self._share
            )
        except Exception:
            self._rebuild(partition)
            raise
        if batch is None:
            return False
        self._commit(partition, batch)
        return True

    def _commit(self, partition: _Partition, batch: Batch) -> None:
        for (topic, number), items in batch.writes.items():
            for key, value in items:
                self.produce(topic, key, value, number)
        self.counters += batch.counters
        if self._observe:
            self._observe(partition.stage, partition.number, batch)

    def _waiting(self, partition: _Partition) -> list[DriverRecord | _Unreadable]:
        """The next batch, in the order of production, as a fast worker would see it."""
        next_offset = partition.checkpoint.next_offset
        waiting = [
            record
            for topic in partition.stage.sources
            for record in self._logs[topic, partition.number][next_offset.get(topic, 0) :]
        ]
        waiting.sort(key=lambda record: record.sequence)
        return waiting[:MAX_RECORDS]

    def _next_due_ms(self) -> int | None:
        due = [(p.state.next_due_ms(), self._ahead_ms(p)) for p in self._partitions]
        return min((ms - ahead_ms for ms, ahead_ms in due if ms is not None), default=None)

    def _ahead_ms(self, partition: _Partition) -> int:
        return self.ahead_ms.get((partition.stage.name, partition.number), 0)

    def _rebuild(self, partition: _Partition) -> None:
        partition.rebuild(self._logs[partition.stage.changelog, partition.number])
