"""The flows' world on a real Kafka: a worker process, and a clock that is a file they share.

Everything is known from the topics (`Tide`), but for one thing: that the worker follows a policy
that was accepted. No topic tells it, so the worker prints it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from streams.admin import topics as topics_admin
from streams.runtime.partitioner import partition_for
from streams.runtime.state import is_reserved
from streams.settings import Settings
from streams.topics import RULES_STATE, TOPICS, Topics
from tests.flows.world import SECRET, START_MS, Placed
from tests.integration.kafka.tide import Tide
from tests.support.paths import ROOT
from tests.support.records import producer
from tests.support.topics import partition_counts
from tests.support.waiting import until
from tests.support.workers import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import TypeVar

    from aiokafka import AIOKafkaProducer

    from streams.runtime.records import Record

    Result = TypeVar("Result")

PATIENCE_S = 60.0


class Transactions(NamedTuple):
    """A transactional producer, for a test that does not await."""

    client: AIOKafkaProducer
    names: Topics
    run: Callable[[Coroutine[Any, Any, Any]], Any]

    def begin(self) -> None:
        self.run(self.client.begin_transaction())

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> None:
        """Returns when it stands in the log."""
        name = self.names.physical(topic)
        self.run(self.client.send_and_wait(name, value, key=key, partition=partition))

    def commit(self) -> None:
        self.run(self.client.commit_transaction())

    def abort(self) -> None:
        self.run(self.client.abort_transaction())


class KafkaWorld:
    """`tests.flows.world.World` on a cluster; a context manager that leaves no process behind."""

    _producer: AIOKafkaProducer

    def __init__(self, bootstrap: str, prefix: str, directory: Path, partitions: int = 4) -> None:
        self.partitions = partitions
        self._settings = Settings(kafka=bootstrap, prefix=prefix, partitions=partitions)
        self._names = Topics(prefix)
        self._counts = partition_counts(partitions)
        self._clock, self._log = directory / "clock", directory / "worker.log"
        self._runner = asyncio.Runner()

    @property
    def now_ms(self) -> int:
        return int.from_bytes(self._clock.read_bytes(), "big")

    def __enter__(self) -> Self:
        self._set_clock(START_MS)
        self._run(self._begin())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            self._worker.kill()
        self._run(self._end())
        self._runner.close()

    def produce(
        self, topic: str, key: bytes | None, value: bytes | None, partition: int | None = None
    ) -> Placed:
        if partition is None:
            partition = partition_for(key, self._counts[topic]) if key is not None else 0
        name = self._names.physical(topic)
        sent = self._run(self._producer.send_and_wait(name, value, key=key, partition=partition))
        return Placed(topic, sent.partition, sent.offset)

    @contextmanager
    def compressing(self, codec: str) -> Iterator[None]:
        """`produce` compresses, in the block."""
        plain, options = self._producer, self._settings.client_options()
        context = producer(options, compression_type=codec)
        self._producer = self._run(context.__aenter__())
        try:
            yield
        finally:
            self._run(context.__aexit__(None, None, None))
            self._producer = plain

    @contextmanager
    def transactions(self, transactional_id: str) -> Iterator[Transactions]:
        """A producer of others, whose records count when it says so."""
        name, options = self.physical(transactional_id), self._settings.client_options()
        context = producer(options, transactional_id=name)
        client = self._run(context.__aenter__())
        try:
            yield Transactions(client, self._names, self._run)
        finally:
            self._run(context.__aexit__(None, None, None))

    def physical(self, logical: str) -> str:
        """A name of this world's on the cluster."""
        return self._names.physical(logical)

    @property
    def bootstrap(self) -> str:
        """Where the cluster is."""
        return self._settings.kafka

    @property
    def is_running(self) -> bool:
        """Whether the worker that was started last is alive."""
        return self._worker.returncode is None

    def stop_worker(self) -> None:
        """kill -9."""
        self._worker.kill()
        self._run(self._worker.wait())

    def start_worker(self) -> None:
        """A new one, where there is none."""
        self._run(self._start_worker())

    def settle(self) -> None:
        self._run(self._settle())

    def look(self) -> None:
        """Read what is committed by now, whether or not anything waits."""
        self._run(self._tide.look_committed())

    def advance(self, to_ms: int) -> None:
        self.settle()
        while (due_ms := self._tide.next_due_ms()) is not None and due_ms <= to_ms:
            self._set_clock(max(self.now_ms, due_ms))
            self.settle()
        self._set_clock(max(self.now_ms, to_ms))
        self.settle()

    def read(self, topic: str) -> Sequence[Record]:
        return self._tide.records[topic]

    def crash(self) -> None:
        """kill -9, and a new worker in its place."""
        self.stop_worker()
        self.start_worker()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(work)

    def _set_clock(self, now_ms: int) -> None:
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(now_ms.to_bytes(8, "big"))

    async def _begin(self) -> None:
        await topics_admin.ensure(self._settings)
        options = self._settings.client_options()
        self._clients = AsyncExitStack()
        self._producer = await self._clients.enter_async_context(producer(options))
        tide = Tide(options, self._settings.prefix, self.partitions, [t.name for t in TOPICS])
        self._tide = await self._clients.enter_async_context(tide)
        await self._start_worker()

    async def _start_worker(self) -> None:
        self._before = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.integration.kafka.flow_worker", str(self._clock)),
                cwd=ROOT,
                env=environment(self._settings, DECORUM_SUPPRESSION_KEY=SECRET.decode()),
                stdout=log,
                stderr=log,
            )

    async def _end(self) -> None:
        await self._worker.wait()
        await self._clients.aclose()

    async def _settle(self) -> None:
        await self._tide.still(self.now_ms, PATIENCE_S)
        try:
            await until(lambda: not self._accepted() - self._followed(), PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"the worker does not follow its rules: {self._tail()}") from error

    def _accepted(self) -> Counter[str]:
        """How often each policy and control was written to the rules' state."""
        records = self._tide.records[RULES_STATE]
        return Counter(r.key.decode() for r in records if not is_reserved(r.key))

    def _followed(self) -> Counter[str]:
        lines = self._log.read_text(encoding="utf-8")[self._before :].splitlines()
        return Counter(line.split()[1] for line in lines if line.startswith("follows "))

    def _tail(self) -> str:
        return self._log.read_text(encoding="utf-8")[-2000:]
