"""One unit of one stage: several partitions behind one producer.

1. Fence. The id of the transactional producer names stage and unit, so that a new owner locks the
   old one out for good. Group membership is only a hint; exactness rests on the fence.
2. Restore. Reading the partitions' changelogs to their ends gives state, timers and checkpoints.
   Most of it may be read ahead, while an earlier owner still decides.
3. Wait for the start condition: the worker must know what this stage's decisions rest on.
4. Open. The fetcher is put at the checkpoints, with no fetch in flight.
5. Loop. The waiting records and due timers of all partitions are decided at one reading of the
   clock, and written in one transaction.

Rules of this file: any failure ends the process, except a commit in doubt, which `commits` settles.
Revoking waits for the open transaction and drops what was fetched. A unit that is granted again
keeps its state, because only its own fenced producer can have changed it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from streams.runtime.batch import MAX_RECORDS, MAX_TIMERS, Batch, Share, merge_writes
from streams.runtime.budget import MOST_OUTPUT
from streams.runtime.commits import Commits
from streams.runtime.failure import end_process
from streams.runtime.inbox import take_together
from streams.runtime.partition import Partition
from streams.runtime.tasks import cancel_and_wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import ConsumerRecord, TopicPartition

    from streams.runtime.context import UnitContext
    from streams.runtime.restore import Restore

IDLE_CHECK_S: Final = 1.0

log = logging.getLogger("decorum.lane")


class Unit:
    """A unit assigned to this worker, from fence to close."""

    def __init__(self, restore: Restore, context: UnitContext) -> None:
        """Fence and restore at once; records are let in after `grant`."""
        self.stage, self.numbers = restore.stage, restore.partitions
        self.partitions: dict[int, Partition] = {}
        """By number; empty during restore."""
        self.is_accepting = False
        self.restore_seconds: float | None = None
        self.progress_at = time.monotonic()
        self._restore = restore
        self._context = context
        self._granted = asyncio.Event()
        self._wake = asyncio.Event()
        self._step_lock = asyncio.Lock()
        self._commits = Commits(restore, context)
        self._task = asyncio.create_task(self._run(), name=str(self))

    def __str__(self) -> str:
        """The unit's name in logs: stage, number and count of units."""
        return self._restore.name

    @property
    def is_granted(self) -> bool:
        """Whether the group assigns this unit to this worker now."""
        return self._granted.is_set()

    @property
    def sources(self) -> dict[TopicPartition, int]:
        """The next offset to decide of each source partition; empty during restore."""
        return {tp: offset for p in self.partitions.values() for tp, offset in p.sources.items()}

    @property
    def waiting(self) -> int:
        """How many records wait in all partitions."""
        return sum(p.inbox.waiting for p in self.partitions.values())

    def wants(self, topic: str, number: int) -> bool:
        """Whether the fetcher may hand over more of this topic's partition."""
        return self.is_accepting and self.partitions[number].inbox.has_room(topic)

    def offer(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Queue records in offset order. Dropped if closed: after opening they are read again."""
        if self.is_accepting:
            self.partitions[tp.partition].inbox.add(tp.topic, records)
            self._wake.set()

    def grant(self) -> None:
        """The group has assigned this unit: open as soon as it is restored."""
        self._granted.set()

    def accept(self) -> None:
        """Let records in. Only `Source.open` calls this, with no fetch in flight."""
        for partition in self.partitions.values():
            partition.restart()
        self.is_accepting = self.is_granted
        self.progress_at = time.monotonic()

    async def revoke(self) -> None:
        """Take no more records; returns when no transaction is open or in doubt."""
        self._granted.clear()
        self.is_accepting = False
        self._wake.set()
        async with self._step_lock:
            for partition in self.partitions.values():
                partition.inbox.clear()

    async def close(self) -> None:
        """Revoke, and give up the producer."""
        await self.revoke()
        await cancel_and_wait(self._task)
        await self._restore.close()
        await self._commits.close()

    async def _run(self) -> None:
        try:
            await self._fence_and_restore()
            while True:
                await self._granted.wait()
                await self._open()
                while self.is_accepting:
                    await self._wait()
                    async with self._step_lock:
                        if self.is_accepting:
                            await self._run_batch()
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # noqa: BLE001
            end_process(str(self), exc)

    async def _fence_and_restore(self) -> None:
        restore, began = self._restore, time.monotonic()
        await self._commits.fence()
        restored = await restore.finish()
        self.partitions = {n: Partition(self.stage, n, part) for n, part in restored.items()}
        self.restore_seconds = time.monotonic() - began
        counts = (restore.read, restore.read_ahead)
        text = "%s: restored in %.2f s from %d records, %d of them read ahead"
        log.info(text, self, self.restore_seconds, *counts)

    async def _open(self) -> None:
        start_condition = self._context.start_conditions.get(self.stage.name)
        if start_condition:
            await start_condition()
        if self.is_granted and not await self._context.source.open(self):
            self._granted.clear()  # a rebalance has begun; its assignment grants again

    async def _wait(self) -> None:
        """Wait until a batch is worth a transaction, a timer is due or IDLE_CHECK_S has passed."""
        if not self.waiting:
            self._wake.clear()
            try:
                async with asyncio.timeout(self._idle_seconds()):
                    await self._wake.wait()
            except TimeoutError:
                return
        if self.waiting < MAX_RECORDS:
            await asyncio.sleep(self._context.linger_s)

    def _idle_seconds(self) -> float:
        due = [p.state.next_due_ms() for p in self.partitions.values()]
        due_ms = min((ms for ms in due if ms is not None), default=None)
        if due_ms is None:
            return IDLE_CHECK_S
        return min(IDLE_CHECK_S, max(0.0, self._context.clock.seconds_until(due_ms)))

    async def _run_batch(self) -> None:
        began = time.monotonic()
        decided = self._decide() or await self._idle_progress()
        if decided:
            await self._commits.write(merge_writes(decided.values()), self.sources)
            seconds = time.monotonic() - began
            for number, batch in decided.items():
                self._context.observer.committed(
                    self.stage.name, number, batch.counters, batch.records, seconds
                )
        self.progress_at = time.monotonic()

    def _decide(self) -> dict[int, Batch]:
        """The batch of each partition that had something to decide, by number."""
        wall_ms, count = self._context.clock(), len(self.partitions)
        output_left = MOST_OUTPUT
        decided: dict[int, Batch] = {}
        taken = take_together({n: p.inbox for n, p in self.partitions.items()})
        # Partitions with little to do go first and leave more output to the others.
        ordered = sorted(self.partitions.items(), key=lambda item: len(taken[item[0]]))
        for left, (number, partition) in zip(range(count, 0, -1), ordered, strict=True):
            share = Share(MAX_TIMERS // count, output_left // left)
            batch = partition.decide(taken[number], wall_ms, share)
            if batch:
                decided[number] = batch
                output_left = max(0, output_left - batch.weight)
        return dict(sorted(decided.items()))

    async def _idle_progress(self) -> dict[int, Batch]:
        """While idle, move checkpoints past markers and deleted records, so that global tables can
        report them applied. Also write group offsets that are behind: lag monitors must see an idle
        unit at its end.
        """
        positions = await self._context.source.positions(self)
        moved = [p for p in self.partitions.values() if p.advance_to(positions)]
        if not moved and self._commits.offsets_behind:
            moved = list(self.partitions.values())
        return {p.number: p.checkpoint_batch() for p in moved}
