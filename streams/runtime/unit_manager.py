"""All units of a worker, and their traffic with Faust's consumer.

In a rebalance every worker first gives up all its units, then gets its new assignment:
- All units are revoked, which finishes their open transactions.
- Units that stay are granted again and keep their state; units that went are closed; new units are
  fenced and restored.

Between rebalances, the manager warms up the units that are to move to this worker, and asks for a
rebalance as soon as they may move.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition

from streams.runtime.restore import Restore
from streams.runtime.snapshot import snapshot_of
from streams.runtime.unit import Unit
from streams.runtime.warmups import WarmupReplicas

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from streams.runtime.assignor import StickyUnits
    from streams.runtime.context import SourceReader, UnitContext
    from streams.runtime.faust_adapter import AppConsumer, AppTransport
    from streams.runtime.snapshot import StageSnapshot
    from streams.runtime.stage import Stage
    from streams.runtime.state import State
    from streams.runtime.units import UnitKey, Units

WATCH_S: Final = 0.1

log = logging.getLogger("decorum.lane")


class UnitManager:
    """The units of one worker, by stage and number."""

    def __init__(self, units: Units, options: Mapping[str, Any], assignor: StickyUnits) -> None:
        """`units`: all units that there are. `attach` must follow."""
        self.client_options = options
        self.assignor = assignor
        self._all = units
        self._here: dict[UnitKey, Unit] = {}
        self._by_source: dict[TopicPartition, Unit] = {}
        self._warmups = WarmupReplicas(self._new_restore)
        self._rebalanced = asyncio.Condition()
        self._revoked_at, self._is_revoked = time.monotonic(), False
        self._pending_positions: set[asyncio.Timeout] = set()
        self._is_closing = False
        self.has_joined = False
        """Whether a first assignment was acted on; before that, a snapshot is empty."""

    def attach(self, transport: AppTransport, context: UnitContext) -> None:
        """Name the transport whose consumer feeds the units."""
        self._transport, self._context = transport, context

    # Called by Faust's classes (`faust_group.FetchHandler`).

    def owns(self, topic: str) -> bool:
        """Whether the topic belongs to a stage."""
        return self._all.owns(topic)

    def wants(self, topic: str, partition: int) -> bool:
        """Whether a unit takes more records of a topic's partition now."""
        unit = self._by_source.get(TopicPartition(topic, partition))
        return unit is not None and unit.wants(topic, partition)

    def offer(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Pass fetched records on. Records of no unit are dropped: whoever opens their partition
        next reads them again.
        """
        unit = self._by_source.get(TopicPartition(tp.topic, tp.partition))
        if unit is not None and records:
            unit.offer(tp, records)

    # Called by units (`context.Source`).

    async def open(self, unit: SourceReader) -> bool:
        """Put the fetcher at the unit's checkpoints and let records in."""
        consumer = self._consumer
        async with consumer.quiet:
            if not unit.is_granted or not await consumer.seek_all(unit.sources):
                return False
            unit.accept()
            return True

    async def positions(self, unit: SourceReader) -> Mapping[TopicPartition, int]:
        """The fetcher's positions for this unit's sources; empty once a rebalance began.

        Deadlock guard: a rebalance waits for the unit, the unit for the fetch lock, and a fetch
        that holds the lock for the rebalance. So a rebalance ends the wait for the lock at once.
        """
        consumer = self._consumer
        if self._is_revoked:
            return {}
        try:
            async with asyncio.timeout(None) as patience:
                self._pending_positions.add(patience)
                async with consumer.quiet:
                    return await consumer.positions(list(unit.sources)) if unit.is_accepting else {}
        except TimeoutError:
            return {}
        finally:
            self._pending_positions.discard(patience)

    async def is_member(self) -> bool:
        """Whether the group still counts this worker in."""
        return await self._consumer.is_member()

    # Called by the app.

    async def watch(self) -> None:
        """Ask for a rebalance when something may move. Raise what the group refuses for good:
        aiokafka would log it and stay outside the group.
        """
        while True:
            if self._transport.consumer is not None:
                await self._transport.consumer.check_membership()
                self.assignor.warm = self._all.partitions(self._warmups.warm)
                if self.assignor.needs_rebalance:
                    await self._transport.consumer.rejoin()
            await asyncio.sleep(WATCH_S)

    async def hand_over(self) -> None:
        """Announce that this worker leaves; returns when other workers have its units, or at once
        if there are no others.
        """
        if not self._here or not self.assignor.has_successors:
            return
        self.assignor.leaving = True
        async with self._rebalanced:
            await self._rebalanced.wait_for(lambda: self.assignor.may_leave)

    async def close(self) -> None:
        """Finish open transactions and give up all units."""
        self._is_closing = True
        await self._warmups.set_units(())
        await self._drop(list(self._here))

    async def leave(self) -> None:
        """Leave the group, if this worker has a consumer yet. Raises KafkaError."""
        if self._transport.consumer is not None:
            await self._transport.consumer.leave()

    def snapshot(self) -> dict[str, StageSnapshot]:
        """The state of each stage on this worker, by its name."""
        return {stage.name: self._snapshot(stage) for stage in self._all.stages}

    def state(self, stage: str, number: int) -> State | None:
        """A partition's state; None if not here or not restored yet."""
        unit = self._here.get(self._all.key(stage, number))
        partition = unit.partitions.get(number) if unit else None
        return partition.state if partition else None

    # Called by Faust.

    async def on_revoked(self, *_: Any, **__: Any) -> None:
        """Before a rebalance: returns when no transaction is open or in doubt."""
        self._revoked_at, self._is_revoked = time.monotonic(), True
        for patience in self._pending_positions:
            if not patience.expired():
                patience.reschedule(asyncio.get_running_loop().time())
        await asyncio.gather(*[unit.revoke() for unit in self._here.values()])

    async def on_assigned(self, *arguments: Iterable[TopicPartition], **_: Any) -> None:
        """After a rebalance: take over what this worker decides from now on."""
        if self._is_closing:
            return
        _app, assigned = arguments
        self._is_revoked = False
        wanted = self._all.whole(assigned)
        for key in sorted(wanted):
            if key not in self._here:
                self._add(key)
            self._here[key].grant()
        await self._drop([key for key in self._here if key not in wanted])
        await self._warmups.set_units(self._all.keys(self.assignor.to_warm))
        self.has_joined = True
        seconds, warming = time.monotonic() - self._revoked_at, len(self._warmups.keys)
        log.info("rebalanced in %.2f s: %d units here, %d to come", seconds, len(wanted), warming)
        async with self._rebalanced:
            self._rebalanced.notify_all()

    @property
    def _consumer(self) -> AppConsumer:
        if self._transport.consumer is None:
            raise RuntimeError("Faust assigned partitions before it made a consumer")
        return self._transport.consumer

    def _snapshot(self, stage: Stage) -> StageSnapshot:
        units = [unit for unit in self._here.values() if unit.stage is stage]
        warming = self._all.partitions(key for key in self._warmups.keys if key[0] == stage.name)
        return snapshot_of(units, {number for _, number in warming}, time.monotonic())

    def _new_restore(self, key: UnitKey) -> Restore:
        name, number = key
        count, group = self._all.partition_count(name), self._context.group
        return Restore(self._all.stage(name), number, count, self.client_options, group)

    def _add(self, key: UnitKey) -> None:
        unit = self._here[key] = Unit(self._warmups.take(key), self._context)
        self._by_source |= dict.fromkeys(self._all.sources(key), unit)

    async def _drop(self, keys: Sequence[UnitKey]) -> None:
        gone = [self._here.pop(key) for key in keys]
        self._by_source = {tp: unit for tp, unit in self._by_source.items() if unit not in gone}
        await asyncio.gather(*[unit.close() for unit in gone])
