"""One partition of one stage: fence, recover, then batch after batch.

1. Fence: the transactional producer's id names stage and partition, so that a new owner locks the
   old one out for good. Group membership is only a hint; safety rests here.
2. Recover: the changelog to its end gives state, timers and watermark.
3. Gate: wait until the worker knows what this stage's decisions rest on.
4. Open: the fetcher is put at the watermark with no fetch in flight.
5. Loop: waiting records and due timers, decided in one go, written in one transaction.

Any failure ends the process. Revoking waits for the open transaction and drops what was fetched;
a partition granted again keeps its state, because only its fenced producer could have changed it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from aiokafka import TopicPartition

from streams.lane.batch import MAX_RECORDS, Batch, decide_batch, seal_progress
from streams.lane.failure import end_process
from streams.lane.inbox import Inbox
from streams.lane.recovery import Memory, recover
from streams.lane.transaction import Transactions

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from streams.lane.stage import Stage
    from streams.lane.state import State

IDLE_CHECK_S: Final = 1.0
CANCEL_AGAIN_S: Final = 0.1


class Observer(Protocol):
    """Told about every commit, never about a batch that was not committed."""

    def committed(
        self,
        stage: str,
        partition: int,
        tally: Counter[tuple[str, ...]],
        records: int,
        seconds: float,
    ) -> None:
        """A batch is committed; `seconds` from taking its records to the end of its commit."""


class Clock(Protocol):
    """UTC milliseconds; a clock other than the machine's may run at another speed."""

    def __call__(self) -> int:
        """The time now."""

    def seconds_until(self, moment_ms: int) -> float:
        """Real seconds until the clock shows `moment_ms`; negative once it has passed."""


class Source(Protocol):
    """Where a partition's records come from: the fetcher of the worker's group membership."""

    async def open(self, partition: Partition) -> bool:
        """Put the fetcher at the watermark and let records in; False if no longer assigned."""

    async def positions(self, partition: Partition) -> Mapping[TopicPartition, int]:
        """Where the fetcher stands, everything below having been offered; empty if unassigned."""


class Surroundings(NamedTuple):
    """What all partitions of a worker share."""

    options: Mapping[str, Any]
    group: str  # with the prefix: also begins the transactional ids
    source: Source
    observer: Observer
    gates: Mapping[str, Callable[[], Awaitable[None]]]
    clock: Clock
    linger_s: float


class Partition:
    """A partition that this worker has been assigned, from fence to close."""

    def __init__(self, stage: Stage, number: int, around: Surroundings) -> None:
        """Begin fencing and recovering at once; records are let in after `grant`."""
        self.stage, self.number = stage, number
        self.inbox = Inbox(stage.sources)
        self.accepting = False
        self.recovery_seconds: float | None = None
        self.progress_at = time.monotonic()
        self._around = around
        self._granted = asyncio.Event()
        self._wake = asyncio.Event()
        self._step_lock = asyncio.Lock()
        self._memory: Memory | None = None
        self._transactions: Transactions | None = None
        self._task = asyncio.create_task(self._run(), name=str(self))

    def __str__(self) -> str:
        """As it stands in logs and in the transactional id."""
        return f"{self.stage.name}-{self.number}"

    @property
    def granted(self) -> bool:
        """Whether the group has assigned this partition to this worker now."""
        return self._granted.is_set()

    @property
    def state(self) -> State | None:
        """The state, to look at only; None while recovering. May be one batch ahead."""
        return self._memory.state if self._memory else None

    @property
    def sources(self) -> dict[TopicPartition, int]:
        """The next offset to decide of each source; empty while recovering."""
        if self._memory is None:
            return {}
        next_offset = self._memory.watermark.next_offset
        return {TopicPartition(t, self.number): next_offset[t] for t in self.stage.sources}

    def wants(self, topic: str) -> bool:
        """Whether the fetcher may hand over more of this topic."""
        return self.accepting and self.inbox.has_room(topic)

    def offer(self, topic: str, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Queue records in offset order; dropped if closed, for opening reads them again."""
        if self.accepting:
            self.inbox.add(topic, records)
            self._wake.set()

    def grant(self) -> None:
        """The group has assigned this partition: open as soon as recovered."""
        self._granted.set()

    def accept(self) -> None:
        """Let records in. Only `Source.open` calls this, with no fetch in flight."""
        self.inbox.restart({tp.topic: offset for tp, offset in self.sources.items()})
        self.accepting = self.granted
        self.progress_at = time.monotonic()

    async def revoke(self) -> None:
        """Take no more records; returns when no transaction is open."""
        self._granted.clear()
        self.accepting = False
        self._wake.set()
        async with self._step_lock:
            self.inbox.clear()

    async def close(self) -> None:
        """Revoke for good and give up the producer."""
        await self.revoke()
        while not self._task.done():  # aiokafka swallows a cancellation now and then
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_AGAIN_S)
        if self._transactions:
            await self._transactions.close()

    async def _run(self) -> None:
        try:
            memory = await self._prepare()
            while True:
                await self._granted.wait()
                await self._open()
                while self.accepting:
                    await self._wait(memory)
                    async with self._step_lock:
                        if self.accepting:
                            await self._step(memory)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # noqa: BLE001
            end_process(str(self), exc)

    async def _prepare(self) -> Memory:
        around, began = self._around, time.monotonic()
        transactional_id = f"{around.group}-{self}"
        self._transactions = await Transactions.fence(
            around.options, transactional_id, around.group
        )
        memory = await recover(self.stage, self.number, around.options, around.group)
        self.recovery_seconds = time.monotonic() - began
        self._memory = memory
        return memory

    async def _open(self) -> None:
        gate = self._around.gates.get(self.stage.name)
        if gate:
            await gate()
        if self.granted and not await self._around.source.open(self):
            self._granted.clear()  # the assignment has changed; the next one grants again

    async def _wait(self, memory: Memory) -> None:
        """Until a batch is worth its transaction, or something has to be looked after."""
        if not self.inbox.waiting:
            self._wake.clear()
            try:
                async with asyncio.timeout(self._idle_seconds(memory)):
                    await self._wake.wait()
            except TimeoutError:
                return
        if self.inbox.waiting < MAX_RECORDS:
            await asyncio.sleep(self._around.linger_s)

    def _idle_seconds(self, memory: Memory) -> float:
        due_ms = memory.state.next_due_ms()
        if due_ms is None:
            return IDLE_CHECK_S
        return min(IDLE_CHECK_S, max(0.0, self._around.clock.seconds_until(due_ms)))

    async def _step(self, memory: Memory) -> None:
        began = time.monotonic()
        batch = decide_batch(
            self.stage,
            self.number,
            memory.state,
            memory.watermark,
            self.inbox.take(),
            self._around.clock(),
        )
        batch = batch or await self._progress(memory)
        if batch:
            await self._commit(batch, began)
        self.progress_at = time.monotonic()

    async def _progress(self, memory: Memory) -> Batch | None:
        """While idle: follow the fetcher past markers and deleted records, so that `covers` can be
        true, and settle what is owed to lag monitors.
        """
        passed = False
        for tp, position in (await self._around.source.positions(self)).items():
            if not self.inbox.waiting and position > memory.watermark.next_offset[tp.topic]:
                memory.watermark.next_offset[tp.topic] = position
                passed = True
        if not passed and not self._owes_offsets():
            return None
        return seal_progress(self.stage, self.number, memory.state, memory.watermark)

    def _owes_offsets(self) -> bool:
        """A lag monitor must see an idle partition at its end."""
        return self._transactions is not None and self._transactions.owes_offsets

    async def _commit(self, batch: Batch, began: float) -> None:
        if self._transactions is None:
            raise RuntimeError(f"{self} writes before its fence")
        await self._transactions.write(batch.writes, self.sources)
        seconds = time.monotonic() - began
        self._around.observer.committed(
            self.stage.name, self.number, batch.tally, batch.records, seconds
        )
