"""Kafka clients as the runtime needs them, each option with its reason.

Rules of this file: clients read only what is committed, and none creates a topic or commits by
itself.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

import streams.runtime.fetch_patches  # noqa: F401 - it unpacks what these clients fetch
from streams.runtime.aiokafka_patches import OnceProducer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

CONNECT_PATIENCE_S: Final = 30.0
CONNECT_PAUSE_S: Final = 0.5
MAX_BATCH_BYTES: Final = 900_000  # below the broker's default limit of 1 MiB
MAX_REQUEST_BYTES: Final = 8 << 20  # above the topics' limit of 4 MiB for one record


class _Client(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


Client = TypeVar("Client", bound=_Client)
Answer = TypeVar("Answer")


async def retry_until_available(
    attempt: Callable[[], Awaitable[Answer]], patience_s: float = CONNECT_PATIENCE_S
) -> Answer:
    """The answer of `attempt`; repeats it for `patience_s` at most while Kafka is unavailable.

    A cluster that is starting, or has just lost a node, may refuse requests for a while. Raises the
    KafkaError of the last try; an error that is not retriable is raised at once.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience_s
    while True:
        try:
            return await attempt()
        except KafkaError as error:
            if not error.retriable or loop.time() > give_up_at:
                raise
        await asyncio.sleep(CONNECT_PAUSE_S)


async def connect(make: Callable[[], Client]) -> Client:
    """A started client; see `retry_until_available`."""

    async def start() -> Client:
        client = make()
        try:
            await client.start()
        except BaseException:
            await client.stop()
            raise
        return client

    return await retry_until_available(start)


async def transactional_producer(options: Mapping[str, Any], transactional_id: str) -> OnceProducer:
    """A producer that has fenced off every earlier one of its id and aborted what it left open."""
    return await connect(
        lambda: OnceProducer(
            **options,
            acks="all",
            transactional_id=transactional_id,
            # The default of 100 ms delays transactions (CONCURRENT_TRANSACTIONS).
            retry_backoff_ms=10,
            # The open transaction of a dead worker blocks every read_committed reader.
            transaction_timeout_ms=15_000,
            # A record above max_batch_size is still sent, alone in its batch.
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
        )
    )


@asynccontextmanager
async def reader(
    options: Mapping[str, Any], partitions: Iterable[TopicPartition]
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of these partitions from their beginning, in no group."""
    consumer = await connect(
        lambda: AIOKafkaConsumer(
            **options,
            enable_auto_commit=False,
            isolation_level="read_committed",
            # Not seek_to_beginning(): it races with the reset, whose default is "latest".
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 << 20,
            fetch_max_wait_ms=100,
        )
    )
    try:
        consumer.assign(list(partitions))
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def offsets_client(
    options: Mapping[str, Any], group: str | None = None
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that asks for offsets, also of a group. It never fetches, so that no answer waits
    behind a long poll on the same connection.
    """
    consumer = await connect(
        lambda: AIOKafkaConsumer(
            **options,
            group_id=group,
            enable_auto_commit=False,
            isolation_level="read_committed",
            retry_backoff_ms=10,  # it delays the first question about each topic
        )
    )
    try:
        yield consumer
    finally:
        await consumer.stop()


async def read_to_end(
    consumer: AIOKafkaConsumer,
    ends: Mapping[TopicPartition, int],
    apply: Callable[[int, bytes, bytes | None], None],
) -> int:
    """Apply (partition, key, value) of every record up to these ends; returns their number.

    It compares positions, not records, because the last entry of a log may be a transaction marker.
    """
    left = [tp for tp, end in ends.items() if await consumer.position(tp) < end]
    count = 0
    while left:
        for tp, records in (await consumer.getmany(*left, timeout_ms=50)).items():
            count += len(records)
            for record in records:
                apply(tp.partition, record.key, record.value)
        left = [tp for tp in left if await consumer.position(tp) < ends[tp]]
    return count


async def partition_counts(options: Mapping[str, Any], topics: Iterable[str]) -> dict[str, int]:
    """How many partitions each of these topics has; missing topics are left out."""
    names = sorted(set(topics))

    async def describe() -> list[dict[str, Any]]:
        admin = AIOKafkaAdminClient(**options)
        try:
            await admin.start()
            described: list[dict[str, Any]] = await admin.describe_topics(names)
        finally:
            await admin.close()
        return described

    found = await retry_until_available(describe)
    return {t["topic"]: len(t["partitions"]) for t in found if t["error_code"] == 0}
