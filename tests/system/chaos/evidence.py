"""What an audit looks at: the records of all topics, and nothing else.

It comes from a cluster (`read_cluster`: committed records, and how many of the outputs' records
were aborted), or from the broker-less driver. Nothing is asked of a worker.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.runtime.fetch_patches import KEEP_UNREADABLE
from streams.runtime.records import Unreadable
from streams.topics import TOPICS, Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streams.runtime.records import Record
    from tests.system.chaos.wire import Transaction

Position = tuple[str, int, int]
"""Topic, partition and offset."""


class Seen(NamedTuple):
    """A record that an audit keeps."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass
class Evidence:
    """Committed records by logical topic, each partition's in the order of its offsets."""

    partitions: int
    topics: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    aborted: int = 0
    """Records of output topics that were written and never committed."""
    broken: dict[Position, bytes] = field(default_factory=dict)
    """Batches of which nobody can read all records, by the first of those; whole, as they stand."""
    spoilt: set[bytes] = field(default_factory=set)
    """What stood behind the headers of those that were thrown there (`noise`)."""
    transactions: list[Transaction] = field(default_factory=list)
    """What each wrote, as far as the wire showed it (`wire`); topics by their logical names."""

    def add(self, topic: str, records: Iterable[Record]) -> None:
        """Keep records of a topic, read in order."""
        for record in records:
            if isinstance(record, Unreadable):
                place = topic, record.partition, record.first_offset
                self.broken[place] = record.value
            else:
                self.topics[topic].append(_seen(record))


async def read_cluster(options: Mapping[str, Any], prefix: str, partitions: int) -> Evidence:
    """Everything that is on the topics now. `options`: of any aiokafka client."""
    names, evidence = Topics(prefix), Evidence(partitions)
    for topic in TOPICS:
        count = topic.partition_count(partitions)
        parts = [TopicPartition(names.physical(topic.name), number) for number in range(count)]
        kept: list[Record] = []
        await _read(options, parts, "read_committed", kept.append)
        evidence.add(topic.name, kept)
        if topic.direction != "in":
            written = await _count(options, parts)
            evidence.aborted += written - len(kept)
    return evidence


def _seen(record: Record) -> Seen:
    return Seen(record.partition, record.offset, record.timestamp, record.key, record.value)


async def _count(options: Mapping[str, Any], parts: list[TopicPartition]) -> int:
    written: list[None] = []
    await _read(options, parts, "read_uncommitted", lambda _: written.append(None))
    return len(written)


async def _read(
    options: Mapping[str, Any],
    parts: list[TopicPartition],
    isolation: str,
    on: Callable[[Record], None],
) -> None:
    consumer = AIOKafkaConsumer(
        **options,
        isolation_level=isolation,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 << 20,
        check_crcs=KEEP_UNREADABLE,
    )
    await consumer.start()
    try:
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        left = {part for part in parts if ends[part] > 0}
        while left:
            fetched = await consumer.getmany(*left, timeout_ms=500)
            for records in fetched.values():
                for record in records:
                    on(record)
            left = {part for part in left if await consumer.position(part) < ends[part]}
    finally:
        await consumer.stop()
