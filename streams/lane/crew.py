"""All units that a worker has, and their traffic with Faust's consumer.

A rebalance takes everything from everybody before it is handed out anew: units are revoked,
which ends their open transactions, then those that stay are granted again and keep their state,
those that went are closed, and new ones fence and recover.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka import TopicPartition

from streams.lane.unit import Unit
from streams.lane.units import members, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from streams.lane.assignor import StickyUnits
    from streams.lane.faust_room import LaneConsumer, LaneTransport
    from streams.lane.stage import Stage
    from streams.lane.state import State
    from streams.lane.unit import Surroundings


MEMBERSHIP_CHECK_S: Final = 0.5


class StageSnapshot(NamedTuple):
    """How a stage stands on this worker."""

    assigned: tuple[int, ...]
    accepting: tuple[int, ...]
    waiting_records: int
    state_keys: int
    timers: int
    recovery_seconds: float
    """The longest recovery among the units held."""
    progress_age_seconds: float
    """Since the unit that is furthest behind last committed, or last found nothing to do."""
    waiting_age_seconds: float
    """Since the oldest record that waits was written, by its time; 0 when none waits."""


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
        self._counts = partitions
        self._units: dict[tuple[str, int], Unit] = {}
        self._route: dict[TopicPartition, Unit] = {}
        self._closing = False

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
        """Where the fetcher stands with this unit's sources."""
        consumer = self._consumer
        async with consumer.quiet:
            if not unit.accepting:
                return {}
            return await consumer.positions(list(unit.sources))

    async def watch(self) -> None:
        """Raise what the group has refused for good: aiokafka would log it and stay outside."""
        while True:
            if self._transport.consumer is not None:
                await self._transport.consumer.check_membership()
            await asyncio.sleep(MEMBERSHIP_CHECK_S)

    # What Faust tells.

    async def on_revoked(self, *_: Any, **__: Any) -> None:
        """Before a rebalance: returns when no transaction is open."""
        await asyncio.gather(*[unit.revoke() for unit in self._units.values()])

    async def on_assigned(self, *told: Iterable[TopicPartition], **_: Any) -> None:
        """After a rebalance: what this worker decides from now on."""
        if self._closing:
            return
        _app, assigned = told
        wanted = self._whole_units(assigned)
        await self._drop([key for key in self._units if key not in wanted])
        for (name, number), stage in sorted(wanted.items(), key=lambda item: item[0]):
            unit = self._units.get((name, number))
            if unit is None:
                unit = Unit(stage, number, self._counts[name], self._around)
                self._units[name, number] = unit
                self._route |= dict.fromkeys(_sources(stage, unit.numbers), unit)
            unit.grant()

    async def close(self) -> None:
        """Finish open transactions and give everything up."""
        self._closing = True
        await self._drop(list(self._units))

    def snapshot(self) -> dict[str, StageSnapshot]:
        """How each stage stands, by its name."""
        now = time.monotonic()
        return {
            stage.name: _snapshot([u for u in self._units.values() if u.stage is stage], now)
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

    def _whole_units(self, assigned: Iterable[TopicPartition]) -> dict[tuple[str, int], Stage]:
        """Whole units only: a part of one would decide with half of its records."""
        got = {tp for tp in assigned if tp.topic in self._stage_of}
        units: dict[tuple[str, int], Stage] = {}
        needed: set[TopicPartition] = set()
        for stage in {tp.topic: self._stage_of[tp.topic] for tp in got}.values():
            count = self._counts[stage.name]
            for number in {unit_of(tp.partition, count) for tp in got if tp.topic in stage.sources}:
                units[stage.name, number] = stage
                needed |= _sources(stage, members(number, count))
        if got != needed:
            raise RuntimeError(f"units were assigned in part: {sorted(got ^ needed)} differ")
        return units

    async def _drop(self, keys: Sequence[tuple[str, int]]) -> None:
        gone = [self._units.pop(key) for key in keys]
        self._route = {tp: unit for tp, unit in self._route.items() if unit not in gone}
        await asyncio.gather(*[unit.close() for unit in gone])


def _sources(stage: Stage, numbers: Iterable[int]) -> set[TopicPartition]:
    return {TopicPartition(topic, number) for topic in stage.sources for number in numbers}


def _snapshot(units: Sequence[Unit], now: float) -> StageSnapshot:
    partitions = [partition for unit in units for partition in unit.partitions.values()]
    states = [partition.state for partition in partitions]
    written_ms = [p.inbox.oldest_ms for p in partitions if p.inbox.oldest_ms is not None]
    wall_ms = time.time() * 1000
    return StageSnapshot(
        assigned=tuple(sorted(n for unit in units for n in unit.numbers)),
        accepting=tuple(sorted(n for unit in units if unit.accepting for n in unit.numbers)),
        waiting_records=sum(unit.waiting for unit in units),
        state_keys=sum(map(len, states)),
        timers=sum(state.timers for state in states),
        recovery_seconds=max((unit.recovery_seconds or 0.0 for unit in units), default=0.0),
        progress_age_seconds=now - min((unit.progress_at for unit in units), default=now),
        waiting_age_seconds=max(0.0, wall_ms - min(written_ms, default=wall_ms)) / 1000,
    )
