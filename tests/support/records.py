"""Writing and reading records, with clients of the tests' own.

Rules of this file: nothing of `streams.runtime` reads or writes here, so that what a test sees on a
topic is not what the code under test believes to stand there. Options are those of any aiokafka
client.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from aiokafka import ConsumerRecord, TopicPartition

REQUEST_BYTES: Final = 8 << 20
"""Above the topics' limit of 4 MiB a record."""
POLL_MS: Final = 20


@asynccontextmanager
async def producer(options: Mapping[str, Any], **more: Any) -> AsyncIterator[AIOKafkaProducer]:
    """Idempotent, so that nothing is lost, doubled or out of order; `more`: its other options."""
    client = AIOKafkaProducer(
        **options, enable_idempotence=True, max_request_size=REQUEST_BYTES, **more
    )
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


@asynccontextmanager
async def reader(
    options: Mapping[str, Any], partitions: Iterable[TopicPartition], **more: Any
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of what is committed in these partitions, from their beginning, in no group's
    assignment, with the short waits of one in a hurry; `more` are further options, or other ones.
    """
    ours = {
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "fetch_max_wait_ms": POLL_MS,
        "max_partition_fetch_bytes": REQUEST_BYTES,
    }
    consumer = AIOKafkaConsumer(**ours | {**options, **more})
    await consumer.start()
    try:
        consumer.assign(list(partitions))
        yield consumer
    finally:
        await consumer.stop()


async def read_to_end(
    consumer: AIOKafkaConsumer,
    ends: Mapping[TopicPartition, int],
    see: Callable[[ConsumerRecord[bytes, bytes]], None],
) -> None:
    """Show every record before these offsets, each partition's in its order.

    Positions decide and not records: before an end may stand a transaction's marker alone.
    """
    left = await _short_of(consumer, ends)
    while left:
        for records in (await consumer.getmany(*left, timeout_ms=POLL_MS)).values():
            for record in records:
                see(record)
        left = await _short_of(consumer, {tp: ends[tp] for tp in left})


async def _short_of(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> list[TopicPartition]:
    return [tp for tp, end in ends.items() if await consumer.position(tp) < end]


async def first(
    options: Mapping[str, Any], partition: TopicPartition
) -> ConsumerRecord[bytes, bytes]:
    """The first record that is committed there, once there is one."""
    async with reader(options, [partition]) as consumer:
        return await consumer.getone()
