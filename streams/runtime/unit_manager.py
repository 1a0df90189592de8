"""All units that a worker has, and their traffic with Faust's consumer.

A rebalance takes everything from everybody before it is handed out anew: units are revoked,
which ends their open transactions, then those that stay are granted again and keep their state,
those that went are closed, and new ones fence and recover. Between rebalances, what is to move here
is read ahead, and a rebalance is asked for when it may move.
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
from streams.runtime.units import members, unit_of
from streams.runtime.warmups import WarmupReplicas

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from streams.runtime.assignor import StagePartition, StickyUnits
    from streams.runtime.context import SourceReader, UnitContext
    from streams.runtime.faust_adapter import AppConsumer, AppTransport
    from streams.runtime.snapshot import StageSnapshot
    from streams.runtime.stage import Stage
    from streams.runtime.state import State
    from streams.runtime.warmups import UnitKey


WATCH_S: Final = 0.1

log = logging.getLogger("decorum.lane")


class UnitManager:
    """The units of one worker, by stage and number."""

    def __init__(
        self,
        stages: Sequence[Stage],
        options: Mapping[str, Any],
        assignor: StickyUnits,
        partitions: Mapping[str, int],
    ) -> None:
        """`partitions`: how many each stage has, by its name. `attach` must follow."""
        self.client_options = options
        self.assignor = assignor
        self._stages = stages
        self._stage_by_topic = {topic: stage for stage in stages for topic in stage.sources}
        self._stage_by_name = {stage.name: stage for stage in stages}
        self._counts = partitions
        self._units: dict[UnitKey, Unit] = {}
        self._warmups = WarmupReplicas(self._recovery)
        self._unit_by_partition: dict[TopicPartition, Unit] = {}
        self._rebalanced = asyncio.Condition()
        self._revoked_at, self._revoked = time.monotonic(), False
        self._pending_positions: set[asyncio.Timeout] = set()
        self._closing = False
        self.has_joined = False
        """Whether a first word of the group has been acted upon: with none, a snapshot is empty."""

    def attach(self, transport: AppTransport, context: UnitContext) -> None:
        """Name the transport whose consumer feeds the units."""
        self._transport, self._context = transport, context

    # What the room asks for.

    def owns(self, topic: str) -> bool:
        """Whether the topic belongs to a stage."""
        return topic in self._stage_by_topic

    def wants(self, topic: str, partition: int) -> bool:
        """Whether a unit takes more records of a topic's partition now."""
        taker = self._unit_by_partition.get(TopicPartition(topic, partition))
        return taker is not None and taker.wants(topic, partition)

    def offer(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Pass fetched records on; without a taker they are read again by whoever opens next."""
        taker = self._unit_by_partition.get(TopicPartition(tp.topic, tp.partition))
        if taker is not None and records:
            taker.offer(tp, records)

    # What units ask for.

    async def open(self, unit: SourceReader) -> bool:
        """Put the fetcher at the unit's watermarks and let records in."""
        consumer = self._consumer
        async with consumer.quiet:
            if not unit.is_granted or not await consumer.seek_all(unit.sources):
                return False
            unit.accept()
            return True

    async def positions(self, unit: SourceReader) -> Mapping[TopicPartition, int]:
        """Where the fetcher stands with this unit's sources; empty once a rebalance has begun.

        A rebalance waits for the unit that asks, and a fetch that has the fetcher waits for the
        rebalance: whoever asks must not wait for such a fetch.
        """
        consumer = self._consumer
        if self._revoked:
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

    async def watch(self) -> None:
        """Ask for a rebalance when something may move; raise what the group has refused for good,
        which aiokafka would log and stay outside.
        """
        while True:
            if self._transport.consumer is not None:
                await self._transport.consumer.check_membership()
                self.assignor.warm = self._warm_partitions(self._warmups.warm)
                if self.assignor.needs_rebalance:
                    await self._transport.consumer.rejoin()
            await asyncio.sleep(WATCH_S)

    async def hand_over(self) -> None:
        """Say that this worker leaves; returns when others, if there are any, have what it had."""
        if not self._units or not self.assignor.has_successors:
            return
        self.assignor.leaving = True
        async with self._rebalanced:
            await self._rebalanced.wait_for(lambda: self.assignor.may_leave)

    # What Faust tells.

    async def on_revoked(self, *_: Any, **__: Any) -> None:
        """Before a rebalance: returns when no transaction is open or in doubt."""
        self._revoked_at, self._revoked = time.monotonic(), True
        for patience in self._pending_positions:
            if not patience.expired():
                patience.reschedule(asyncio.get_running_loop().time())
        await asyncio.gather(*[unit.revoke() for unit in self._units.values()])

    async def on_assigned(self, *told: Iterable[TopicPartition], **_: Any) -> None:
        """After a rebalance: what this worker decides from now on."""
        if self._closing:
            return
        _app, assigned = told
        self._revoked = False
        wanted = self._whole_units(assigned)
        for key in sorted(wanted):
            if key not in self._units:
                self._add(key)
            self._units[key].grant()
        await self._drop([key for key in self._units if key not in wanted])
        await self._warmups.set_units(self._keys(self.assignor.to_warm))
        self.has_joined = True
        stood_s, warm = time.monotonic() - self._revoked_at, len(self._warmups.keys)
        log.info("rebalanced in %.2f s: %d units here, %d to come", stood_s, len(wanted), warm)
        async with self._rebalanced:
            self._rebalanced.notify_all()

    async def close(self) -> None:
        """Finish open transactions and give everything up."""
        self._closing = True
        await self._warmups.set_units(())
        await self._drop(list(self._units))

    async def leave(self) -> None:
        """Leave the group, if this worker has come so far. Raises KafkaError."""
        if self._transport.consumer is not None:
            await self._transport.consumer.leave()

    def snapshot(self) -> dict[str, StageSnapshot]:
        """How each stage stands, by its name."""
        now = time.monotonic()
        return {
            stage.name: snapshot_of(
                [unit for unit in self._units.values() if unit.stage is stage],
                {
                    n
                    for topic, n in self._warm_partitions(self._warmups.keys)
                    if topic == stage.sources[0]
                },
                now,
            )
            for stage in self._stages
        }

    def state(self, stage: str, number: int) -> State | None:
        """A partition's state; None if not here or recovering."""
        unit = self._units.get((stage, unit_of(number, self._counts[stage])))
        partition = unit.partitions.get(number) if unit else None
        return partition.state if partition else None

    @property
    def _consumer(self) -> AppConsumer:
        if self._transport.consumer is None:
            raise RuntimeError("Faust assigned partitions before it made a consumer")
        return self._transport.consumer

    def _whole_units(self, assigned: Iterable[TopicPartition]) -> set[UnitKey]:
        """Whole units only: a part of one would decide with half of its records."""
        got = {tp for tp in assigned if tp.topic in self._stage_by_topic}
        units = self._keys(got)
        needed = {tp for name, number in units for tp in self._sources((name, number))}
        if got != needed:
            raise RuntimeError(f"units were assigned in part: {sorted(got ^ needed)} differ")
        return units

    def _keys(self, places: Iterable[tuple[str, int]]) -> set[UnitKey]:
        """The units that partitions of source topics belong to."""
        stages = [(self._stage_by_topic[topic].name, partition) for topic, partition in places]
        return {(name, unit_of(partition, self._counts[name])) for name, partition in stages}

    def _warm_partitions(self, keys: Iterable[UnitKey]) -> frozenset[StagePartition]:
        """All partitions of units, each by its stage's first topic."""
        return frozenset(
            (self._stage_by_name[name].sources[0], partition)
            for name, number in keys
            for partition in members(number, self._counts[name])
        )

    def _sources(self, key: UnitKey) -> set[TopicPartition]:
        name, number = key
        numbers = members(number, self._counts[name])
        return {
            TopicPartition(topic, n) for topic in self._stage_by_name[name].sources for n in numbers
        }

    def _recovery(self, key: UnitKey) -> Restore:
        name, number = key
        options, group = self.client_options, self._context.group
        return Restore(self._stage_by_name[name], number, self._counts[name], options, group)

    def _add(self, key: UnitKey) -> None:
        """Begin with a unit that was not here before."""
        self._units[key] = Unit(self._warmups.take(key), self._context)
        self._unit_by_partition |= dict.fromkeys(self._sources(key), self._units[key])

    async def _drop(self, keys: Sequence[UnitKey]) -> None:
        gone = [self._units.pop(key) for key in keys]
        self._unit_by_partition = {
            tp: unit for tp, unit in self._unit_by_partition.items() if unit not in gone
        }
        await asyncio.gather(*[unit.close() for unit in gone])
