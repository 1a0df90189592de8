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

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams import topics_admin
from streams.lane.clients import reader
from streams.lane.partitioner import partition_for
from streams.topics import DECISIONS, TOPICS, Topics
from tests.bench.report import BenchError

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from aiokafka import ConsumerRecord

    from streams.settings import Settings
    from tests.bench.program import Program

ARRIVAL: Final = {"message.timestamp.type": "LogAppendTime"}
REQUEST_BYTES: Final = 8 << 20
BATCH_BYTES: Final = 900_000
BATCH_RECORDS: Final = 5_000
STILL_S: Final = 1.0

Item = tuple[bytes, bytes]


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**settings.client_options())
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def make_topics(settings: Settings) -> Topics:
    """All of Decorum's topics under the settings' prefix."""
    names = Topics(settings.prefix)
    decisions = next(topic for topic in TOPICS if topic.name == DECISIONS)
    await make(settings, {names.decisions: decisions.configuration() | ARRIVAL})
    await topics_admin.ensure(settings)
    return names


async def make(settings: Settings, topics: Mapping[str, dict[str, str]]) -> None:
    """Topics with these configurations, each partition with a leader."""
    async with admin(settings) as client:
        new = [
            NewTopic(name, settings.partitions, 1, topic_configs=configuration)
            for name, configuration in topics.items()
        ]
        await client.create_topics(new)
        async with asyncio.timeout(30):
            while not await _led(client, list(topics)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def _led(client: AIOKafkaAdminClient, names: list[str]) -> bool:
    described = await client.describe_topics(names)
    return all(
        topic["error_code"] == 0 and all(part["leader"] >= 0 for part in topic["partitions"])
        for topic in described
    )


async def remove_topics(settings: Settings) -> None:
    """Everything under the settings' prefix, so that no bench pays for the one before."""
    async with admin(settings) as client:
        names = [name for name in await client.list_topics() if name.startswith(settings.prefix)]
        await client.delete_topics(names)


@asynccontextmanager
async def producer(settings: Settings, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """Idempotent, so that nothing is lost, doubled or out of order."""
    client = AIOKafkaProducer(
        **settings.client_options(),
        enable_idempotence=True,
        max_request_size=REQUEST_BYTES,
        max_batch_size=BATCH_BYTES,
        **options,
    )
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


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


def partitions_of(settings: Settings, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(settings.partitions)]


async def committed(
    settings: Settings, topic: str, count: int, program: Program, patience_s: float
) -> None:
    """Wait until `count` committed records stand there and no more come.

    Asks for the last stable offsets only: reading along would take the broker's core. They count
    transactions' markers as well, so the end is when they stand still.
    """
    tps = partitions_of(settings, topic)
    give_up_at, before, still_since = time.monotonic() + patience_s, -1, time.monotonic()
    async with reader(settings.client_options(), tps) as consumer:
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
    tps = partitions_of(settings, topic)
    async with reader(settings.client_options(), tps) as consumer:
        ends = await consumer.end_offsets(tps)
        left = await _left(consumer, ends)
        while left:
            for records in (await consumer.getmany(*left, timeout_ms=50)).values():
                for record in records:
                    see(record)
            left = await _left(consumer, ends)


async def _left(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> list[TopicPartition]:
    return [tp for tp, end in ends.items() if await consumer.position(tp) < end]


@asynccontextmanager
async def fresh_reader(settings: Settings, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of what is committed from now on, with the short waits of one in a hurry."""
    tps = partitions_of(settings, topic)
    consumer = AIOKafkaConsumer(
        **settings.client_options(),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        for tp, end in (await consumer.end_offsets(tps)).items():
            consumer.seek(tp, end)
        yield consumer
    finally:
        await consumer.stop()
