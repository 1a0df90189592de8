"""The load on a real Kafka: written by an idempotent producer, fed by what is approved."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.topics import TOPICS, Topics
from tests.system.chaos.inputs import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.system.chaos.load import Load, Put

TICK_S: Final = 0.02
IN_FLIGHT: Final = 20_000
"""Records that may wait for a broker that is away; beyond that the load waits too."""


def wall_clock_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


class Traffic:
    """Writes a load at a rate for as long as it is told to; `run` ends after `stop`."""

    def __init__(self, options: Mapping[str, Any], prefix: str, load: Load, rate: int) -> None:
        self._options, self._names = options, Topics(prefix)
        self._load, self._rate = load, rate
        self._over = asyncio.Event()
        self._flying: set[asyncio.Future[Any]] = set()
        self.sent = 0
        self.unacknowledged = 0

    def stop(self) -> None:
        """Make no more records; those on their way are still written."""
        self._over.set()

    async def run(self) -> None:
        """Write and listen until told to stop. A producer that lost its broker for good is
        replaced; what it had not been acknowledged may or may not be on the topics.
        """
        listening = asyncio.create_task(self._listen())
        try:
            while not self._over.is_set():
                try:
                    await self._write()
                except KafkaError:
                    self.unacknowledged += len(self._flying)
                    self._flying.clear()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def put(self, put: Put) -> None:
        """Write one record that does not belong to the load."""
        async with AIOKafkaProducer(**self._options, enable_idempotence=True) as producer:
            await (await self._send(producer, put))

    async def _write(self) -> None:
        async with AIOKafkaProducer(
            **self._options, enable_idempotence=True, linger_ms=5, retry_backoff_ms=50
        ) as producer:
            began, made = time.monotonic(), 0
            while not self._over.is_set():
                due = int((time.monotonic() - began) * self._rate) - made
                for _ in range(min(due, self._rate)):
                    self._watch(await self._send(producer, self._load.next(wall_clock_ms())))
                made += due
                self._raise_failed()
                await asyncio.sleep(TICK_S)
                if len(self._flying) > IN_FLIGHT:
                    await asyncio.wait(self._flying)
            await asyncio.gather(*self._flying)
            self._flying.clear()

    async def _send(self, producer: AIOKafkaProducer, put: Put) -> asyncio.Future[Any]:
        partition = put.partition
        if partition is None:
            counts = {t.name: t.partition_count(self._load.partitions) for t in TOPICS}
            partition = place_of(put.key or b"", counts[put.topic])
        topic = self._names.physical(put.topic)
        future: asyncio.Future[Any] = await producer.send(
            topic, put.value, key=put.key, partition=partition
        )
        return future

    def _watch(self, future: asyncio.Future[Any]) -> None:
        self.sent += 1
        self._flying.add(future)

    def _raise_failed(self) -> None:
        done = {future for future in self._flying if future.done()}
        self._flying -= done
        for future in done:
            future.result()

    async def _listen(self) -> None:
        topics = [self._names.physical(t.name) for t in TOPICS if t.name.startswith("approved.")]
        async with AIOKafkaConsumer(
            *topics,
            **self._options,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        ) as consumer:
            async for record in consumer:
                self._load.approved(record.value, wall_clock_ms())
