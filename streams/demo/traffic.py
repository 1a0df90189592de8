"""The demo's traffic on Kafka: producers, the sender, and a reader of everything.

These are the programs around the engine, all in one event loop, as any client would write them:
plain producers, and consumers with `read_committed`. It must never talk to the worker.
"""

from __future__ import annotations

import asyncio
import heapq
from contextlib import AsyncExitStack
from itertools import count
from typing import TYPE_CHECKING, Final, Self

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.core.kinds import KIND_NAMES
from streams.demo.account_side import TOPICS_READ
from streams.demo.evidence import Evidence
from streams.runtime.clock import real_ms
from streams.runtime.partitioner import partition_for
from streams.topics import (
    ACCOUNT_LIMITS,
    CANDIDATES,
    DEAD_LETTERS,
    DECISIONS,
    INTENTS,
    INTERACTIONS,
    TOPICS,
    Topics,
    approved,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.demo.day import Event
    from streams.demo.sender import Sender
    from streams.runtime.clock import FastClock
    from streams.settings import Settings

TICK_S: Final = 0.02
POLL_MS: Final = 200
APPROVED: Final = [approved(kind) for kind in KIND_NAMES]
WATCHED: Final = [INTENTS, INTERACTIONS, DECISIONS, DEAD_LETTERS, *TOPICS_READ]
EVIDENCE: Final = [*WATCHED, *APPROVED, CANDIDATES]


class Traffic:
    """Everything outside the engine, while the day lasts; an asynchronous context manager."""

    def __init__(
        self, settings: Settings, clock: FastClock, events: Iterable[Event], sender: Sender
    ) -> None:
        self.settings, self.clock, self.sender = settings, clock, sender
        self.topics = Topics(settings.prefix)
        self.intents = 0
        """Records produced to `outbound-intents`."""
        self.seen = Evidence(settings.partitions)
        """What has been committed so far, for the progress lines."""
        self._order = count()
        self._waiting = [(event.at_ms, next(self._order), event) for event in events]
        heapq.heapify(self._waiting)
        self._clients = AsyncExitStack()

    async def __aenter__(self) -> Self:
        options = self.settings.client_options()
        self._producer = AIOKafkaProducer(
            **options, acks="all", enable_idempotence=True, linger_ms=5
        )
        await self._producer.start()
        self._clients.push_async_callback(self._producer.stop)
        self._approved = await self._consumer(APPROVED)
        self._everything = await self._consumer(WATCHED)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._clients.aclose()

    async def produce(self) -> None:
        """Produce what is due, until cancelled: producers' wishes, receipts and reactions."""
        while True:
            while self._waiting and self._waiting[0][0] <= self.clock():
                await self._send(heapq.heappop(self._waiting)[2])
            await asyncio.sleep(TICK_S)

    async def deliver(self) -> None:
        """Be the sender, until cancelled."""
        while True:
            batches = await self._approved.getmany(timeout_ms=POLL_MS)
            for records in batches.values():
                for record in records:
                    message = orjson.loads(record.value)["data"]
                    for event in self.sender.send(message, self.clock()):
                        heapq.heappush(self._waiting, (event.at_ms, next(self._order), event))

    async def watch(self) -> None:
        """Follow what was asked, decided and limited, until cancelled."""
        read_ms = self.seen.accounts.read_ms
        while True:
            batches = await self._everything.getmany(timeout_ms=POLL_MS)
            now_ms = real_ms()
            for tp, records in batches.items():
                topic = self.topics.logical(tp.topic)
                for record in records:
                    self.seen.add(topic, record)
                    if topic == ACCOUNT_LIMITS:
                        read_ms[record.partition, record.offset] = now_ms

    async def flush(self) -> None:
        """Return when everything produced is on the topics."""
        await self._producer.flush()

    async def _send(self, event: Event) -> None:
        topic, partition = self.topics.physical(event.topic), event.partition
        if partition is None:
            partition = partition_for(event.key or b"", self.settings.partitions)
        await self._producer.send(topic, event.value, key=event.key, partition=partition)
        self.intents += event.topic == INTENTS

    async def _consumer(self, names: Sequence[str]) -> AIOKafkaConsumer:
        consumer = await _reader(self.settings, names)
        self._clients.push_async_callback(consumer.stop)
        return consumer


async def read_evidence(settings: Settings) -> Evidence:
    """Everything that is committed, read anew from the beginning to the present end."""
    topics, evidence = Topics(settings.prefix), Evidence(settings.partitions)
    partitions = _partitions(settings, EVIDENCE)
    consumer = await _reader(settings, EVIDENCE)
    try:
        ends = await consumer.end_offsets(partitions)
        while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
            for tp, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                for record in records:
                    evidence.add(topics.logical(tp.topic), record)
    finally:
        await consumer.stop()
    return evidence


async def delete_topics(settings: Settings) -> None:
    """Delete every topic of this prefix. Only for a prefix that the demo made up itself."""
    topics = Topics(settings.prefix)
    admin = AIOKafkaAdminClient(**settings.client_options())
    try:
        await admin.start()
        await admin.delete_topics([topics.physical(topic.name) for topic in TOPICS])
    finally:
        await admin.close()


async def _reader(settings: Settings, names: Sequence[str]) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        **settings.client_options(),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    consumer.assign(_partitions(settings, names))
    return consumer


def _partitions(settings: Settings, names: Iterable[str]) -> list[TopicPartition]:
    topics = Topics(settings.prefix)
    return [
        TopicPartition(topics.physical(name), number)
        for name in names
        for number in range(settings.partitions)
    ]
