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

from streams.runtime.restore import Recovery
from streams.runtime.snapshot import stands
from streams.runtime.unit import Unit
from streams.runtime.units import members, unit_of
from streams.runtime.warmups import WarmUps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from streams.runtime.assignor import Place, StickyUnits
    from streams.runtime.faust_adapter import LaneConsumer, LaneTransport
    from streams.runtime.snapshot import StageSnapshot
    from streams.runtime.stage import Stage
    from streams.runtime.state import State
    from streams.runtime.unit import Surroundings
    from streams.runtime.warmups import UnitKey


WATCH_S: Final = 0.1

log = logging.getLogger("decorum.lane")


class Crew:
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
        self._stage_of = {topic: stage for stage in stages for topic in stage.sources}
        self._named = {stage.name: stage for stage in stages}
        self._counts = partitions
        self._units: dict[UnitKey, Unit] = {}
        self._warm_ups = WarmUps(self._recovery)
        self._route: dict[TopicPartition, Unit] = {}
        self._rebalanced = asyncio.Condition()
        self._revoked_at, self._revoked = time.monotonic(), False
        self._asking: set[asyncio.Timeout] = set()
        self._closing = False
        self.joined = False
        """Whether a first word of the group has been acted upon: with none, a snapshot is empty."""

    def attach(self, transport: LaneTransport, around: Surroundings) -> None:
        """Name the transport whose consumer feeds the units."""
        self._transport, self._around = transport, around

    # What the room asks for.

    def owns(self, topic: str) -> bool:
        """Whether the topic belongs to a stage."""
        return topic in self._stage_of

    def wanted(self, topic: str, partition: int) -> bool:
        """Whether a unit takes more records of a topic's partition now."""
        taker = self._route.get(TopicPartition(topic, partition))
        return taker is not None and taker.wants(topic, partition)

    def take(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Pass fetched records on; without a taker they are read again by whoever opens next."""
        taker = self._route.get(TopicPartition(tp.topic, tp.partition))
        if taker is not None and records:
            taker.offer(tp, records)

    # What units ask for.

    async def open(self, unit: Unit) -> bool:
        """Put the fetcher at the unit's watermarks and let records in."""
        consumer = self._consumer
        async with consumer.quiet:
            if not unit.granted or not await consumer.seek_all(unit.sources):
                return False
            unit.accept()
            return True

    async def positions(self, unit: Unit) -> Mapping[TopicPartition, int]:
        """Where the fetcher stands with this unit's sources; empty once a rebalance has begun.

        A rebalance waits for the unit that asks, and a fetch that has the fetcher waits for the
        rebalance: whoever asks must not wait for such a fetch.
        """
        consumer = self._consumer
        if self._revoked:
            return {}
        try:
            async with asyncio.timeout(None) as patience:
                self._asking.add(patience)
                async with consumer.quiet:
                    return await consumer.positions(list(unit.sources)) if unit.accepting else {}
        except TimeoutError:
            return {}
        finally:
            self._asking.discard(patience)

    async def holds(self) -> bool:
        """Whether the group still counts this worker in."""
        return await self._consumer.holds()

    async def watch(self) -> None:
        """Ask for a rebalance when something may move; raise what the group has refused for good,
        which aiokafka would log and stay outside.
        """
        while True:
            if self._transport.consumer is not None:
                await self._transport.consumer.check_membership()
                self.assignor.warm = self._places(self._warm_ups.warm)
                if self.assignor.has_news:
                    await self._transport.consumer.rejoin()
            await asyncio.sleep(WATCH_S)

    async def hand_over(self) -> None:
        """Say that this worker leaves; returns when others, if there are any, have what it had."""
        if not self._units or not self.assignor.has_heirs:
            return
        self.assignor.leaving = True
        async with self._rebalanced:
            await self._rebalanced.wait_for(lambda: self.assignor.may_go)

    # What Faust tells.

    async def on_revoked(self, *_: Any, **__: Any) -> None:
        """Before a rebalance: returns when no transaction is open or in doubt."""
        self._revoked_at, self._revoked = time.monotonic(), True
        for patience in self._asking:
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
        await self._warm_ups.keep(self._keys(self.assignor.to_warm))
        self.joined = True
        stood_s, warm = time.monotonic() - self._revoked_at, len(self._warm_ups.keys)
        log.info("rebalanced in %.2f s: %d units here, %d to come", stood_s, len(wanted), warm)
        async with self._rebalanced:
            self._rebalanced.notify_all()

    async def close(self) -> None:
        """Finish open transactions and give everything up."""
        self._closing = True
        await self._warm_ups.keep(())
        await self._drop(list(self._units))

    async def leave(self) -> None:
        """Leave the group, if this worker has come so far. Raises KafkaError."""
        if self._transport.consumer is not None:
            await self._transport.consumer.leave()

    def snapshot(self) -> dict[str, StageSnapshot]:
        """How each stage stands, by its name."""
        now = time.monotonic()
        return {
            stage.name: stands(
                [unit for unit in self._units.values() if unit.stage is stage],
                {n for topic, n in self._places(self._warm_ups.keys) if topic == stage.sources[0]},
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
    def _consumer(self) -> LaneConsumer:
        if self._transport.consumer is None:
            raise RuntimeError("Faust assigned partitions before it made a consumer")
        return self._transport.consumer

    def _whole_units(self, assigned: Iterable[TopicPartition]) -> set[UnitKey]:
        """Whole units only: a part of one would decide with half of its records."""
        got = {tp for tp in assigned if tp.topic in self._stage_of}
        units = self._keys(got)
        needed = {tp for name, number in units for tp in self._sources((name, number))}
        if got != needed:
            raise RuntimeError(f"units were assigned in part: {sorted(got ^ needed)} differ")
        return units

    def _keys(self, places: Iterable[tuple[str, int]]) -> set[UnitKey]:
        """The units that partitions of source topics belong to."""
        stages = [(self._stage_of[topic].name, partition) for topic, partition in places]
        return {(name, unit_of(partition, self._counts[name])) for name, partition in stages}

    def _places(self, keys: Iterable[UnitKey]) -> frozenset[Place]:
        """All partitions of units, each by its stage's first topic."""
        return frozenset(
            (self._named[name].sources[0], partition)
            for name, number in keys
            for partition in members(number, self._counts[name])
        )

    def _sources(self, key: UnitKey) -> set[TopicPartition]:
        name, number = key
        numbers = members(number, self._counts[name])
        return {TopicPartition(topic, n) for topic in self._named[name].sources for n in numbers}

    def _recovery(self, key: UnitKey) -> Recovery:
        name, number = key
        options, group = self.client_options, self._around.group
        return Recovery(self._named[name], number, self._counts[name], options, group)

    def _add(self, key: UnitKey) -> None:
        """Begin with a unit that was not here before."""
        self._units[key] = Unit(self._warm_ups.take(key), self._around)
        self._route |= dict.fromkeys(self._sources(key), self._units[key])

    async def _drop(self, keys: Sequence[UnitKey]) -> None:
        gone = [self._units.pop(key) for key in keys]
        self._route = {tp: unit for tp, unit in self._route.items() if unit not in gone}
        await asyncio.gather(*[unit.close() for unit in gone])
