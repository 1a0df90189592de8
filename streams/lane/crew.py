"""All partitions that a worker has, and their traffic with Faust's consumer.

A rebalance takes everything from everybody before it is handed out anew: partitions are revoked,
which ends their open transactions, then those that stay are granted again and keep their state,
those that went are closed, and new ones fence and recover.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import TopicPartition

from streams.lane.partition import Partition, Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from streams.lane.assignor import StickyUnits
    from streams.lane.faust_room import LaneConsumer, LaneTransport
    from streams.lane.stage import Stage
    from streams.lane.state import State


class StageSnapshot(NamedTuple):
    """How a stage stands on this worker."""

    assigned: tuple[int, ...]
    accepting: tuple[int, ...]
    waiting_records: int
    state_keys: int
    timers: int
    recovery_seconds: float
    """The longest recovery among the partitions held."""
    progress_age_seconds: float
    """Since the partition that is furthest behind last committed, or last found nothing to do."""
    waiting_age_seconds: float
    """Since the oldest record that waits was written, by its time; 0 when none waits."""


class Crew:
    """The partitions of one worker, by stage and number."""

    def __init__(
        self, stages: Sequence[Stage], options: Mapping[str, Any], assignor: StickyUnits
    ) -> None:
        """`attach` must follow before Faust starts."""
        self.client_options = options
        self.assignor = assignor
        self._stages = stages
        self._stage_of = {topic: stage for stage in stages for topic in stage.sources}
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._route: dict[TopicPartition, Partition] = {}
        self._closing = False

    def attach(self, transport: LaneTransport, around: Surroundings) -> None:
        """Name the transport whose consumer feeds the partitions."""
        self._transport, self._around = transport, around

    # What the room asks for.

    def owns(self, topic: str) -> bool:
        """Whether the topic belongs to a stage."""
        return topic in self._stage_of

    def wanted(self, topic: str, partition: int) -> bool:
        """Whether a partition takes more records of a topic now."""
        taker = self._route.get(TopicPartition(topic, partition))
        return taker is not None and taker.wants(topic)

    def take(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Pass fetched records on; without a taker they are read again by whoever opens next."""
        taker = self._route.get(TopicPartition(tp.topic, tp.partition))
        if taker is not None and records:
            taker.offer(tp.topic, records)

    # What partitions ask for.

    async def open(self, partition: Partition) -> bool:
        """Put the fetcher at the partition's watermark and let records in."""
        consumer = self._consumer
        async with consumer.quiet:
            if not partition.granted or not await consumer.seek_all(partition.sources):
                return False
            partition.accept()
            return True

    async def positions(self, partition: Partition) -> Mapping[TopicPartition, int]:
        """Where the fetcher stands with this partition's sources."""
        consumer = self._consumer
        async with consumer.quiet:
            if not partition.accepting:
                return {}
            return await consumer.positions(list(partition.sources))

    # What Faust tells.

    async def on_revoked(self, *_: Any, **__: Any) -> None:
        """Before a rebalance: returns when no transaction is open."""
        await asyncio.gather(*[p.revoke() for p in self._partitions.values()])

    async def on_assigned(self, *told: Iterable[TopicPartition], **_: Any) -> None:
        """After a rebalance: what this worker decides from now on."""
        if self._closing:
            return
        _app, assigned = told
        wanted = self._units(assigned)
        await self._drop([key for key in self._partitions if key not in wanted])
        for (name, number), stage in sorted(wanted.items(), key=lambda item: item[0]):
            partition = self._partitions.get((name, number))
            if partition is None:
                partition = self._partitions[name, number] = Partition(stage, number, self._around)
            for topic in stage.sources:
                self._route[TopicPartition(topic, number)] = partition
            partition.grant()

    async def close(self) -> None:
        """Finish open transactions and give everything up."""
        self._closing = True
        await self._drop(list(self._partitions))

    def snapshot(self) -> dict[str, StageSnapshot]:
        """How each stage stands, by its name."""
        now = time.monotonic()
        return {
            stage.name: _snapshot([p for p in self._partitions.values() if p.stage is stage], now)
            for stage in self._stages
        }

    def state(self, stage: str, number: int) -> State | None:
        """A partition's state; None if not here or recovering."""
        partition = self._partitions.get((stage, number))
        return partition.state if partition else None

    @property
    def _consumer(self) -> LaneConsumer:
        if self._transport.consumer is None:
            raise RuntimeError("Faust assigned partitions before it made a consumer")
        return self._transport.consumer

    def _units(self, assigned: Iterable[TopicPartition]) -> dict[tuple[str, int], Stage]:
        """Whole units only: a part of one would decide with half of its records."""
        got = {(tp.topic, tp.partition) for tp in assigned if tp.topic in self._stage_of}
        units = {(self._stage_of[t].name, n): self._stage_of[t] for t, n in got}
        for (name, number), stage in units.items():
            missing = [topic for topic in stage.sources if (topic, number) not in got]
            if missing:
                raise RuntimeError(f"{name}-{number} was assigned without {missing}")
        return units

    async def _drop(self, keys: Sequence[tuple[str, int]]) -> None:
        gone = [self._partitions.pop(key) for key in keys]
        self._route = {tp: p for tp, p in self._route.items() if p not in gone}
        await asyncio.gather(*[partition.close() for partition in gone])


def _snapshot(partitions: Sequence[Partition], now: float) -> StageSnapshot:
    states = [p.state for p in partitions if p.state is not None]
    written_ms = [p.inbox.oldest_ms for p in partitions if p.inbox.oldest_ms is not None]
    wall_ms = time.time() * 1000
    return StageSnapshot(
        assigned=tuple(sorted(p.number for p in partitions)),
        accepting=tuple(sorted(p.number for p in partitions if p.accepting)),
        waiting_records=sum(p.inbox.waiting for p in partitions),
        state_keys=sum(map(len, states)),
        timers=sum(state.timers for state in states),
        recovery_seconds=max((p.recovery_seconds or 0.0 for p in partitions), default=0.0),
        progress_age_seconds=now - min((p.progress_at for p in partitions), default=now),
        waiting_age_seconds=max(0.0, wall_ms - min(written_ms, default=wall_ms)) / 1000,
    )
