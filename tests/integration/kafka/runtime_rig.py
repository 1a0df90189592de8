"""What the runtime's tests on a real Kafka share: topics, worker processes, writers and readers."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import NewTopic

from streams.runtime.partitioner import partition_for
from tests.support import records, topics, waiting
from tests.support.paths import ROOT
from tests.support.topics import partitions_of
from tests.unit.runtime.toy import GROUP

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from aiokafka import AIOKafkaProducer, TopicPartition

    from tests.conftest import Cluster

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


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for `condition`, for PATIENCE_S at most."""
    await waiting.until(condition, PATIENCE_S)


class Worker:
    """One worker process and what it has printed."""

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

    @property
    def options(self) -> dict[str, str]:
        """Of any aiokafka client."""
        return {"bootstrap_servers": self.bootstrap}

    async def create(self, wanted: dict[str, int] | None = None) -> None:
        """Create topics and wait until each partition has a leader."""
        counts = TOPICS if wanted is None else wanted
        await topics.make(self.options, [self._topic(name, n) for name, n in counts.items()])

    def _topic(self, name: str, partitions: int) -> NewTopic:
        cleanup = "compact" if name.endswith("-state") else "delete"
        configs = {"cleanup.policy": cleanup, "max.message.bytes": str(4 << 20)}
        return NewTopic(self.prefix + name, partitions, 1, topic_configs=configs)

    async def delete(self, topic: str) -> None:
        await topics.remove(self.options, [self.prefix + topic])

    async def worker(self, instance: str = "-", partitions: int = PARTITIONS) -> Worker:
        """Start a worker; the rig kills it at the end of the test."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.kafka.runtime_worker"),
            *(self.bootstrap, self.prefix, instance, str(partitions)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        worker = Worker(process)
        self.workers.append(worker)
        return worker

    def producer(
        self, transactional_id: str | None = None
    ) -> AbstractAsyncContextManager[AIOKafkaProducer]:
        return records.producer(self.options, transactional_id=transactional_id)

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
        give_up_at, quiet = time.monotonic() + PATIENCE_S, 0
        async with records.reader(self.options, self._partitions(topic)) as consumer:
            while quiet < 3 and time.monotonic() < give_up_at:
                fetched = await consumer.getmany(timeout_ms=200)
                for record in chain.from_iterable(fetched.values()):
                    found[record.key].append(record.value)
                enough = sum(map(len, found.values())) >= count
                quiet = quiet + 1 if enough and not fetched else 0
        return found

    async def written_ms(self, topic: str) -> list[int]:
        """When each committed record of a topic was written, UTC ms by the writer's clock."""
        found: list[int] = []
        parts = self._partitions(topic)
        async with records.reader(self.options, parts) as consumer:
            ends = await consumer.end_offsets(parts)
            await records.read_to_end(consumer, ends, lambda one: found.append(one.timestamp))
        return found

    def _partitions(self, topic: str) -> list[TopicPartition]:
        return partitions_of(self.prefix + topic, TOPICS[topic])

    @asynccontextmanager
    async def stranger(self, topic: str) -> AsyncIterator[None]:
        """A member of the workers' group that shares partitions out in another way."""
        consumer = AIOKafkaConsumer(
            self.prefix + topic,
            **self.options,
            group_id=self.prefix + GROUP,
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            await until(lambda: bool(consumer.assignment()))
            yield
        finally:
            await consumer.stop()

    async def members(self) -> int:
        """How many the group of the workers has."""
        async with topics.admin(self.options) as admin:
            (answer,) = await admin.describe_consumer_groups([self.prefix + GROUP])
            (group,) = answer.groups
            return len(group[5])  # after error, name, state, protocol type and protocol

    async def set_group_offsets(self, topic: str, offset: int) -> None:
        """What an operator may do to a group at rest."""
        parts = self._partitions(topic)
        async with records.reader(self.options, parts, group_id=self.prefix + GROUP) as consumer:
            await consumer.commit(dict.fromkeys(parts, offset))

    async def close(self) -> None:
        for worker in self.workers:
            if worker.process.returncode is None:
                worker.kill()
            await worker.ended()


@asynccontextmanager
async def rig_on(kafka: Cluster, prefix: str) -> AsyncIterator[Rig]:
    """A corner without topics; at the end no worker of it is left."""
    rig = Rig(kafka.bootstrap, prefix)
    try:
        yield rig
    finally:
        await rig.close()


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
