"""Global table: every worker follows one stage's changelog and has a copy of its state.

The stage decides what is valid, exactly once and in one place; the table only repeats its state.
It reads the committed records of all partitions, in no consumer group. `ready` waits until
everything that was in the changelog at the start is applied. `caught_up_with` waits until the stage
has also decided everything that was in its source topics, so that no worker decides by rules that
it has not seen yet.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition

from streams.runtime.checkpoint import Checkpoint
from streams.runtime.clients import offsets_client, partition_counts, read_to_end, reader
from streams.runtime.failure import StartRefusedError
from streams.runtime.state import CHECKPOINT_KEY, is_reserved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiokafka import AIOKafkaConsumer

POLL_MS: Final = 100


class GlobalTable:
    """Applies the stage's keys of one changelog from its beginning, as long as `run` runs."""

    def __init__(self, topic: str, apply: Callable[[bytes, bytes | None], None]) -> None:
        """`apply(key, value)` is called in changelog order; None deletes the key."""
        self.topic = topic
        self._apply = apply
        self._next_offsets: dict[TopicPartition, int] = {}
        self._progressed = asyncio.Condition()
        self._ready = asyncio.Event()
        self._options: Mapping[str, Any] = {}
        self._start_offsets: dict[str, dict[TopicPartition, int]] = {}

    async def ready(self) -> None:
        """Wait until everything that was in the changelog at the start is applied."""
        await self._ready.wait()

    async def wait_until_applied(self, source_topic: str, partition: int, end_offset: int) -> None:
        """Wait until everything below `end_offset` is decided by the stage and applied here."""
        source = TopicPartition(source_topic, partition)
        async with self._progressed:
            await self._progressed.wait_for(lambda: self._next_offsets.get(source, 0) >= end_offset)

    async def caught_up_with(self, *source_topics: str) -> None:
        """Wait until everything is applied that was in these topics at the first such call."""
        await self.ready()
        for topic in source_topics:
            if topic not in self._start_offsets:
                self._start_offsets[topic] = await self._ends(topic)
            for source, end in self._start_offsets[topic].items():
                await self.wait_until_applied(source.topic, source.partition, end)

    async def run(self, options: Mapping[str, Any]) -> None:
        """Read to the end, then follow the log. `options`: those of every Kafka client.

        Raises StartRefusedError without the topic, and whatever `apply` raises.
        """
        self._options = options
        partitions = await self._partitions(self.topic)
        async with reader(options, partitions) as consumer:
            await read_to_end(consumer, await consumer.end_offsets(partitions), self._apply_record)
            self._ready.set()
            await self._notify()
            while True:
                await self._poll(consumer)

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        fetched = await consumer.getmany(timeout_ms=POLL_MS)
        for tp, records in fetched.items():
            for record in records:
                self._apply_record(tp.partition, record.key, record.value)
        if fetched:
            await self._notify()

    def _apply_record(self, partition: int, key: bytes, value: bytes | None) -> None:
        if not is_reserved(key):
            self._apply(key, value)
        elif key == CHECKPOINT_KEY and value is not None:
            for topic, offset in Checkpoint.decode(value).next_offset.items():
                self._next_offsets[TopicPartition(topic, partition)] = offset

    async def _notify(self) -> None:
        async with self._progressed:
            self._progressed.notify_all()

    async def _ends(self, topic: str) -> dict[TopicPartition, int]:
        partitions = await self._partitions(topic)
        async with offsets_client(self._options) as consumer:
            return dict(await consumer.end_offsets(partitions))

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        count = (await partition_counts(self._options, [topic])).get(topic)
        if count is None:
            raise StartRefusedError(
                f"topic {topic} is missing, or hidden from this user: run `decorum topics`,"
                " or give it its ACLs (`decorum acls`)"
            )
        return [TopicPartition(topic, number) for number in range(count)]
