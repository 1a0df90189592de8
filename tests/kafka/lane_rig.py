"""What the lane's tests on a real Kafka share: topics, worker processes, writers and readers."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.lane.partitioner import partition_for

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

ROOT = Path(__file__).parents[2]
PARTITIONS = 8  # two units a stage, so that two workers share each
PATIENCE_S = 40.0
TOPICS = {
    "first": PARTITIONS,
    "in": PARTITIONS,
    "out": PARTITIONS,
    "relay-state": PARTITIONS,
    "count-state": PARTITIONS,
    "alarms": 1,
    "rung": 1,
    "alarm-state": 1,
}
ALL = {f"{stage}-{n}" for stage in ("relay", "count") for n in range(PARTITIONS)} | {"alarm-0"}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that tells nobody when it happens."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


class Worker:
    """One worker process and what it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.accepting: set[str] = set()
        self.errors = ""
        self._changed = asyncio.Event()
        self._readers = [
            asyncio.create_task(self._read_out()),
            asyncio.create_task(self._read_err()),
        ]

    async def _read_out(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            text = line.decode().removeprefix("accepting ").strip()
            self.accepting = set(text.split(",")) - {""}
            self._changed.set()

    async def _read_err(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:
            self.errors += line.decode()

    async def accepts(self, units: set[str]) -> None:
        """Wait until it accepts exactly these partitions."""
        async with asyncio.timeout(PATIENCE_S):
            while self.accepting != units:
                if self.process.returncode is not None:
                    raise AssertionError(f"worker ended: {self.errors}")
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.2):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    def kill(self) -> None:
        self.process.kill()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            code = await self.process.wait()
            await asyncio.gather(*self._readers)
        return code


@dataclass
class Rig:
    """One test's corner of the cluster."""

    bootstrap: str
    prefix: str
    workers: list[Worker] = field(default_factory=list)

    async def create(self, topics: dict[str, int] | None = None) -> None:
        """Create topics and wait until each partition has a leader."""
        wanted = TOPICS if topics is None else topics
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([self._topic(name, n) for name, n in wanted.items()])
            await until(lambda: self._led(admin, wanted))
        finally:
            await admin.close()

    def _topic(self, name: str, partitions: int) -> NewTopic:
        cleanup = "compact" if name.endswith("-state") else "delete"
        configs = {"cleanup.policy": cleanup, "max.message.bytes": str(4 << 20)}
        return NewTopic(self.prefix + name, partitions, 1, topic_configs=configs)

    async def _led(self, admin: AIOKafkaAdminClient, wanted: dict[str, int]) -> bool:
        described = await admin.describe_topics([self.prefix + name for name in wanted])
        return all(
            topic["error_code"] == 0 and all(p["leader"] >= 0 for p in topic["partitions"])
            for topic in described
        )

    async def _gone(self, admin: AIOKafkaAdminClient, topic: str) -> bool:
        return self.prefix + topic not in await admin.list_topics()

    async def delete(self, topic: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([self.prefix + topic])
            await until(lambda: self._gone(admin, topic))
        finally:
            await admin.close()

    async def worker(self, instance: str = "-") -> Worker:
        """Start a worker; the rig kills it at the end of the test."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.kafka.lane_worker"),
            *(self.bootstrap, self.prefix, instance, str(PARTITIONS)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        worker = Worker(process)
        self.workers.append(worker)
        return worker

    @asynccontextmanager
    async def producer(
        self, transactional_id: str | None = None
    ) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            enable_idempotence=True,
            transactional_id=transactional_id,
            max_request_size=8 << 20,
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def produce(self, topic: str, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        async with self.producer() as producer:
            for key, value in items:
                await self.send(producer, topic, key, value)

    async def send(
        self, producer: AIOKafkaProducer, topic: str, key: bytes, value: bytes | None
    ) -> None:
        partition = partition_for(key, TOPICS[topic])
        await producer.send(self.prefix + topic, value, key=key, partition=partition)

    async def read(self, topic: str, count: int) -> dict[bytes, list[bytes]]:
        """The committed values of each key, once there are `count` of them and no more."""
        found: dict[bytes, list[bytes]] = defaultdict(list)
        partitions = [TopicPartition(self.prefix + topic, n) for n in range(TOPICS[topic])]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            consumer.assign(partitions)
            give_up_at = time.monotonic() + PATIENCE_S
            quiet = 0
            while quiet < 3 and time.monotonic() < give_up_at:
                fetched = await consumer.getmany(timeout_ms=200)
                for records in fetched.values():
                    for record in records:
                        found[record.key].append(record.value)
                enough = sum(map(len, found.values())) >= count
                quiet = quiet + 1 if enough and not fetched else 0
        finally:
            await consumer.stop()
        return found

    @asynccontextmanager
    async def stranger(self, topic: str) -> AsyncIterator[None]:
        """A member of the workers' group that shares partitions out in another way."""
        consumer = AIOKafkaConsumer(
            self.prefix + topic,
            bootstrap_servers=self.bootstrap,
            group_id=self.prefix + "lane",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            await until(lambda: _joined(consumer))
            yield
        finally:
            await consumer.stop()

    async def set_group_offsets(self, topic: str, offset: int) -> None:
        """What an operator may do to a group at rest."""
        partitions = [TopicPartition(self.prefix + topic, n) for n in range(TOPICS[topic])]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=self.prefix + "lane",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            consumer.assign(partitions)
            await consumer.commit(dict.fromkeys(partitions, offset))
        finally:
            await consumer.stop()

    async def close(self) -> None:
        for worker in self.workers:
            if worker.process.returncode is None:
                worker.kill()
            await worker.ended()


async def _joined(consumer: AIOKafkaConsumer) -> bool:
    return bool(consumer.assignment())


def text_of(keys: int, number: int) -> bytes:
    """What `Relay` sends on under the key `k<n>`, each number once."""
    return b"k%d %d" % (number % keys, number)


def expected(keys: int, count: int) -> dict[bytes, list[bytes]]:
    """What `Count` must have said about texts 0 to count: in order, without a gap or a repeat."""
    found: dict[bytes, list[bytes]] = defaultdict(list)
    for number in range(count):
        text = text_of(keys, number)
        said = found[text.split(b" ")[0]]
        said.append(b"%d:%b" % (len(said) + 1, text))
    return dict(found)
