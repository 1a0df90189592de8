"""A unit without Kafka: a broker of one transactional id, and everything else around the unit."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, ProducerFenced

from streams.runtime.aiokafka_patches import InDoubtError
from streams.runtime.checkpoint import Checkpoint
from streams.runtime.context import UnitContext
from streams.runtime.restore import Restore, RestoredPartition
from streams.runtime.state import CHECKPOINT_KEY, State
from streams.runtime.unit import Unit
from streams.runtime.units import UNIT_SIZE
from tests.unit.runtime.toy import arrived

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator, Callable, Mapping

    from streams.runtime.batch import Writes
    from streams.runtime.context import SourceReader
    from streams.runtime.stage import Stage

PARTITIONS = 2 * UNIT_SIZE
NUMBERS = list(range(0, PARTITIONS, 2))
"""Of unit 0, out of two."""

LOST = "the request arrives, its answer does not"
NEVER = "the request never arrives"
FENCED = "a late request for a fence arrives before it"


class Broker:
    """What is committed under one transactional id, by the owner of its last epoch.

    A write lasts until it is let through; `weather` says what becomes of the next ones.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.written: list[Writes] = []
        self.positions: Mapping[TopicPartition, int] = {}
        self.weather: list[str | Exception] = []
        self.checkpoints: dict[TopicPartition, bytes] = {}
        self.open = asyncio.Event()
        self.open.set()
        self.begun = asyncio.Event()

    @property
    def epoch(self) -> int:
        return len(self.ids)

    async def fence(self, _: Any, transactional_id: str, __: str) -> Producer:
        self.ids.append(transactional_id)
        await asyncio.sleep(0)
        return Producer(self)

    def commit(self, writes: Writes) -> None:
        self.written.append(writes)
        for (topic, number), items in writes.items():
            for key, value in items:
                if key == CHECKPOINT_KEY and value is not None:
                    self.checkpoints[TopicPartition(topic, number)] = value

    async def last_checkpoints(self, *_: object) -> dict[TopicPartition, bytes]:
        return dict(self.checkpoints)


class Producer:
    """In the place of `Transactions`."""

    def __init__(self, broker: Broker) -> None:
        self.broker, self.epoch, self.given_up = broker, broker.epoch, False

    async def write(
        self, writes: Writes, positions: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        broker = self.broker
        broker.begun.set()
        await broker.open.wait()
        weather = broker.weather.pop(0) if broker.weather else ""
        if weather == FENCED:
            broker.ids.append("a ghost")
        if isinstance(weather, Exception):
            raise weather
        if self.epoch != broker.epoch:
            raise ProducerFenced
        if weather == NEVER:
            raise InDoubtError(weather)
        broker.commit(writes)
        broker.positions = positions or broker.positions
        if weather == LOST:
            raise InDoubtError(weather)
        return {TopicPartition(*target): 0 for target in writes}

    def cause_of(self, error: BaseException) -> BaseException:
        return error

    async def give_up(self) -> None:
        self.given_up = True

    async def close(self) -> None:
        pass


class World:
    """Source, observer and clock of one unit."""

    def __init__(self) -> None:
        self.fetcher: dict[TopicPartition, int] = {}
        self.committed_batches: list[tuple[str, int, int]] = []
        self.doubts: list[bool] = []
        self.member = True
        self.outage = 0
        """How often nobody answers before somebody does."""
        self.now_ms = 0

    async def open(self, unit: SourceReader) -> bool:
        unit.accept()
        return True

    async def positions(self, _: SourceReader) -> Mapping[TopicPartition, int]:
        return self.fetcher

    async def is_member(self) -> bool:
        if self.outage:
            self.outage -= 1
            raise KafkaConnectionError("nobody is there")
        return self.member

    def was_in_doubt(self, _: str, *, committed: bool) -> None:
        self.doubts.append(committed)

    def committed(
        self,
        stage: str,
        partition: int,
        counters: Counter[tuple[str, ...]],
        records: int,
        seconds: float,
    ) -> None:
        del counters, seconds
        self.committed_batches.append((stage, partition, records))

    def __call__(self) -> int:
        return self.now_ms

    def seconds_until(self, moment_ms: int) -> float:
        return (moment_ms - self.now_ms) / 1000


class Blank(Restore):
    """Of a stage that has never decided anything."""

    async def finish(self) -> dict[int, RestoredPartition]:
        offsets = dict.fromkeys(self.stage.sources, 0)
        return {
            n: RestoredPartition(State(), Checkpoint(0, dict(offsets))) for n in self.partitions
        }


@asynccontextmanager
async def running(stage: Stage, world: World) -> AsyncIterator[Unit]:
    context = UnitContext({}, "p-group", world, world, {}, world, 0.0)
    unit = Unit(Blank(stage, 0, PARTITIONS, {}, "p-group"), context)
    unit.grant()
    async with asyncio.timeout(10):
        await until(lambda: unit.is_accepting)
        yield unit
        await unit.close()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


def offer(unit: Unit, topic: str, number: int, *values: bytes) -> None:
    unit.offer(
        TopicPartition(topic, number),
        [
            arrived(topic, n, partition=number, value=value, size=len(value))
            for n, value in enumerate(values)
        ],
    )


def checkpoints_in(writes: Writes, changelog: str) -> dict[int, Checkpoint]:
    """The checkpoint of each partition in one transaction."""
    return {
        number: Checkpoint.decode(value)
        for (topic, number), items in writes.items()
        if topic == changelog
        for key, value in items
        if key == CHECKPOINT_KEY and value is not None
    }
