"""Look-ups through two real workers: who owns a customer answers, the other one redirects."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from streams.admin import topics
from streams.local.kafka import free_port
from streams.runtime.partitioner import partition_for
from streams.settings import PREFIX, Settings
from streams.topics import Topics
from tests.flows import events
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from tests.conftest import Cluster

PARTITIONS = 8
PATIENCE_S = 40.0
CUSTOMERS = [f"c{number}" for number in range(8)]
LISTENING = "0A"  # a state of /proc/net/tcp


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]
    headers: Any


class Worker:
    """A worker process, and its HTTP side."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address

    async def get(self, path: str) -> Answer | None:
        """None when nobody listens."""
        try:
            async with (
                aiohttp.ClientSession(f"http://{self.address}") as http,
                http.get(path, allow_redirects=False) as response,
            ):
                body = {} if response.status == 307 else await response.json()
                return Answer(response.status, body, response.headers)
        except aiohttp.ClientConnectionError:
            return None

    async def look(self, customer: str) -> Answer:
        answer = await self.get(f"/v1/customers/acme/{customer}")
        assert answer is not None
        return answer

    async def is_ready(self) -> bool:
        answer = await self.get("/readyz")
        return answer is not None and answer.status == 200

    def listening(self) -> list[int]:
        """The TCP ports that the process listens on."""
        inodes = set(self._sockets())
        rows = [
            line.split()
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        ]
        mine = [row for row in rows if row[9] in inodes and row[3] == LISTENING]
        return [int(row[1].rpartition(":")[2], 16) for row in mine]

    def _sockets(self) -> Iterator[str]:
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                yield str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]")


class Rig:
    """One test's corner of the cluster."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.settings = Settings(kafka=bootstrap, prefix=prefix, partitions=PARTITIONS)
        self.workers: list[Worker] = []

    async def start(self) -> Worker:
        address = f"127.0.0.1:{free_port()}"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)} | {
            "DECORUM_KAFKA": self.settings.kafka,
            "DECORUM_PREFIX": self.settings.prefix,
            "DECORUM_PARTITIONS": str(PARTITIONS),
            "DECORUM_HTTP": address,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streams", "worker"), cwd=ROOT, env=environment
        )
        worker = Worker(process, address)
        self.workers.append(worker)
        return worker

    async def ask(self) -> None:
        """A message for every customer, of a kind that is approved at any time of day."""
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka, enable_idempotence=True)
        await producer.start()
        try:
            value = events.intent("1", "acme", "xiaoer", CUSTOMERS, "transactional")
            key = events.key("acme", "xiaoer")
            await producer.send_and_wait(
                Topics(self.settings.prefix).intents,
                value,
                key=key,
                partition=partition_for(key, PARTITIONS),
            )
        finally:
            await producer.stop()

    async def close(self) -> None:
        for worker in self.workers:
            if worker.process.returncode is None:
                worker.process.kill()
            await worker.process.wait()


@asynccontextmanager
async def two_workers(kafka: Cluster, prefix: str) -> AsyncIterator[Rig]:
    rig = Rig(kafka.bootstrap, prefix)
    await topics.ensure(rig.settings)
    try:
        for _ in range(2):
            await rig.start()
        for worker in rig.workers:
            await until(worker.is_ready)
        await until(lambda: shared(rig))
        yield rig
    finally:
        await rig.close()


async def shared(rig: Rig) -> bool:
    """Whether each worker has half of the customer stage, and has it back."""
    answers = [await worker.get("/readyz") for worker in rig.workers]
    return all(
        a and len(a.body["stages"]["customer"]["accepting"]) == PARTITIONS // 2 for a in answers
    )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.fixture
async def rig(kafka: Cluster, prefix: str) -> AsyncIterator[Rig]:
    async with two_workers(kafka, prefix) as rig:
        yield rig


async def owner_of(rig: Rig, customer: str) -> tuple[Worker, Worker]:
    """The worker that answers for a customer, and the other one."""
    first, second = rig.workers
    return (first, second) if (await first.look(customer)).status != 307 else (second, first)


async def test_two_workers_answer_for_all_customers_and_one_that_dies_is_replaced(rig: Rig) -> None:
    assert (await rig.workers[0].look("c0")).status in {307, 404}
    await rig.ask()

    async def all_decided() -> bool:
        found = [(await (await owner_of(rig, c))[0].look(c)).status for c in CUSTOMERS]
        return found == [200] * len(CUSTOMERS)

    await until(all_decided)
    for customer in CUSTOMERS:
        await answered_by_its_owner_alone(rig, customer)
    for worker in rig.workers:
        assert worker.listening() == [int(worker.address.rpartition(":")[2])]
        answer = await worker.get("/livez")
        assert answer is not None
        assert answer.status == 200
    await taken_over(rig, "c0")


async def answered_by_its_owner_alone(rig: Rig, customer: str) -> None:
    owner, other = await owner_of(rig, customer)
    answer, redirect = await owner.look(customer), await other.look(customer)
    [contact] = answer.body["accounts"]["xiaoer"]["contacts"]
    assert (contact["kind"], contact["state"]) == ("transactional", "reserved")
    assert redirect.status == 307
    location = redirect.headers["Location"]
    assert location.startswith(f"http://{owner.address}/v1/customers/acme/{customer}?")
    there = await owner.get(location.removeprefix(f"http://{owner.address}"))
    assert there is not None
    assert there.body | {"at_ms": 0, "now": 0} == answer.body | {"at_ms": 0, "now": 0}
    stranger = await owner.get(location.removeprefix(f"http://{owner.address}") + "0")
    assert stranger is not None
    assert stranger.status == 400  # the redirect's mark is `1` and nothing else


async def taken_over(rig: Rig, customer: str) -> None:
    """Answers are redirects or 503 until the successor knows what the dead worker did."""
    dead, successor = await owner_of(rig, customer)
    before = await dead.look(customer)
    dead.process.kill()
    seen: list[Answer] = []
    give_up_at = time.monotonic() + PATIENCE_S
    while not seen or seen[-1].status in {307, 503}:
        assert time.monotonic() < give_up_at
        seen.append(await successor.look(customer))
        await asyncio.sleep(0.002)
    assert (seen[0].status, seen[-1].status) == (307, 200)
    waits = [answer for answer in seen if answer.status == 503]
    assert any("recovering" in answer.body["error"] for answer in waits)
    assert {answer.headers["Retry-After"] for answer in waits} == {"1"}
    assert seen[-1].body["accounts"] == before.body["accounts"]
