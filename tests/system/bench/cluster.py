"""Topics of the run's broker: made, filled as fast as it goes, read back and removed.

The decisions' topic is made with the broker's time of arrival, so that a rate is the broker's
word and not the worker's.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from aiokafka.admin import NewTopic

from streams.admin import topics as topics_admin
from streams.runtime.partitioner import partition_for
from streams.topics import DECISIONS, TOPICS, Topics
from tests.support import records, topics
from tests.support.records import read_to_end, reader
from tests.support.topics import partitions_of
from tests.system.bench.report import BenchError

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

    from streams.settings import Settings
    from tests.system.bench.program import Program

ARRIVAL: Final = {"message.timestamp.type": "LogAppendTime"}
BATCH_BYTES: Final = 900_000
BATCH_RECORDS: Final = 5_000
STILL_S: Final = 1.0

Item = tuple[bytes, bytes]


async def make_topics(settings: Settings) -> Topics:
    """All of Decorum's topics under the settings' prefix."""
    names = Topics(settings.prefix)
    decisions = next(topic for topic in TOPICS if topic.name == DECISIONS)
    await make(settings, {names.decisions: decisions.configuration() | ARRIVAL})
    await topics_admin.ensure(settings)
    return names


async def make(settings: Settings, wanted: Mapping[str, dict[str, str]]) -> None:
    """Topics with these configurations, each partition with a leader."""
    new = [
        NewTopic(name, settings.partitions, 1, topic_configs=configuration)
        for name, configuration in wanted.items()
    ]
    await topics.make(settings.client_options(), new)


async def remove_topics(settings: Settings) -> None:
    """Everything under the settings' prefix, so that no bench pays for the one before."""
    async with topics.admin(settings.client_options()) as client:
        names = [name for name in await client.list_topics() if name.startswith(settings.prefix)]
    await topics.remove(settings.client_options(), names)


def producer(settings: Settings, **options: Any) -> AbstractAsyncContextManager[AIOKafkaProducer]:
    """An idempotent producer that fills large batches."""
    return records.producer(settings.client_options(), max_batch_size=BATCH_BYTES, **options)


async def fill(settings: Settings, topic: str, items: Iterable[Item]) -> int:
    """Write items where Java's partitioner puts their keys, in their order; how many."""
    place = lru_cache(200_000)(lambda key: partition_for(key, settings.partitions))
    gathered: dict[int, list[Item]] = {n: [] for n in range(settings.partitions)}
    count = 0
    async with producer(settings) as client:
        sent: list[Future[Any]] = []
        for item in items:
            count += 1
            waiting = gathered[place(item[0])]
            waiting.append(item)
            if len(waiting) == BATCH_RECORDS:
                sent += await _send(client, topic, place(item[0]), waiting)
                waiting.clear()
        for partition, waiting in gathered.items():
            sent += await _send(client, topic, partition, waiting)
        await asyncio.gather(*sent)
    return count


async def _send(
    client: AIOKafkaProducer, topic: str, partition: int, items: list[Item]
) -> list[Future[Any]]:
    sent, batch = [], client.create_batch()
    for key, value in items:
        if batch.append(key=key, value=value, timestamp=None) is None:
            sent.append(await client.send_batch(batch, topic, partition=partition))
            batch = client.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    if batch.record_count():
        sent.append(await client.send_batch(batch, topic, partition=partition))
    return sent


async def committed(
    settings: Settings, topic: str, count: int, program: Program, patience_s: float
) -> None:
    """Wait until `count` committed records stand there and no more come.

    Asks for the last stable offsets only: reading along would take the broker's core. They count
    transactions' markers as well, so the end is when they stand still.
    """
    tps = partitions_of(topic, settings.partitions)
    give_up_at, before, still_since = time.monotonic() + patience_s, -1, time.monotonic()
    async with reader(settings.client_options(), []) as consumer:
        while True:
            program.check()
            ends = sum((await consumer.end_offsets(tps)).values())
            now = time.monotonic()
            if ends != before:
                before, still_since = ends, now
            elif ends >= count and now - still_since > STILL_S:
                return
            if now > give_up_at:
                raise BenchError(f"{topic}: {ends} of {count} after {patience_s:.0f} s")
            await asyncio.sleep(0.2)


async def read(
    settings: Settings, topic: str, see: Callable[[ConsumerRecord[bytes, bytes]], None]
) -> None:
    """Show every committed record, each partition's in its order."""
    tps = partitions_of(topic, settings.partitions)
    async with reader(settings.client_options(), tps) as consumer:
        await read_to_end(consumer, await consumer.end_offsets(tps), see)


@asynccontextmanager
async def fresh_reader(settings: Settings, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of what is committed from now on."""
    tps = partitions_of(topic, settings.partitions)
    async with reader(settings.client_options(), tps) as consumer:
        for tp, end in (await consumer.end_offsets(tps)).items():
            consumer.seek(tp, end)
        yield consumer
