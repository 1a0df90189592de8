"""Three real Kafka nodes on this machine, each broker and controller, that replicate each other.

Replication as it should be in production: every record three times, and a write is acknowledged by
two at least. Only sessions and elections are shorter than Kafka's defaults. A node can be killed,
started again, and lose its disk.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import KafkaError

from streams.local.jars import find_java, jars_directory
from streams.local.kafka import LocalKafka, cluster_id, free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path
    from types import TracebackType

Answer = TypeVar("Answer")

NODES: Final = 3
LOOK_S: Final = 0.2
HEALTH_S: Final = 90.0
"""For a node to catch up with everything it has missed, on a machine that is slow and shared."""
REPLICATION: Final = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # Leaders go home soon after their node is back: a change of leaders in good order, of which
    # every kill is then followed by one.
    "leader.imbalance.check.interval.seconds": "5",
}


class Node(LocalKafka):
    """One of three; they share a machine."""

    jvm = ("-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

    def lose_disk(self) -> None:
        """Everything the node ever wrote is gone; `start` begins with an empty disk."""
        shutil.rmtree(self._data)


class Cluster:
    """The nodes 1 to 3; an async context manager that leaves no process behind."""

    def __init__(self, directory: Path) -> None:
        controllers = [free_port() for _ in range(NODES)]
        voters = (f"{n}@127.0.0.1:{port}" for n, port in enumerate(controllers, 1))
        common = REPLICATION | {"controller.quorum.voters": ",".join(voters)}
        shared = cluster_id()
        self.nodes = {
            number: Node(
                directory / f"node-{number}",
                cluster=shared,
                properties=common | _own(number, port),
            )
            for number, port in enumerate(controllers, 1)
        }

    @property
    def bootstrap(self) -> str:
        """All nodes, as a client's `bootstrap_servers`."""
        return ",".join(node.bootstrap for node in self.nodes.values())

    async def __aenter__(self) -> Self:
        try:
            # None is ready before two are there.
            await asyncio.gather(*(asyncio.to_thread(n.start) for n in self.nodes.values()))
            await self.healthy()
        except BaseException:
            self._kill()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._kill()

    async def healthy(self) -> None:
        """Wait until every partition has all its replicas in sync and a leader."""
        give_up_at = time.monotonic() + HEALTH_S
        while faults := await self._ill():
            if time.monotonic() > give_up_at:
                raise AssertionError(f"not in sync after {HEALTH_S} s: {faults[:5]}")
            await asyncio.sleep(LOOK_S)

    async def replicas(self, topics: Iterable[str]) -> dict[str, set[int]]:
        """How many replicas the partitions of these topics have."""
        wanted = set(topics)
        return {
            topic["topic"]: {len(part["replicas"]) for part in topic["partitions"]}
            for topic in await self._described()
            if topic["topic"] in wanted
        }

    async def leading(self, prefix: str) -> dict[int, int]:
        """How many partitions of the topics with a prefix each node leads."""
        led = dict.fromkeys(self.nodes, 0)
        for topic in await self._described():
            for part in topic["partitions"] if topic["topic"].startswith(prefix) else ():
                led[part["leader"]] += 1
        return led

    async def group_coordinator(self, group: str) -> int:
        """The node that coordinates a group."""
        return await self._persist(lambda: self._coordinator(CoordinationType.GROUP, group))

    async def transaction_coordinator(self, transactional_id: str) -> int:
        """The node that coordinates the transactions of an id."""
        kind = CoordinationType.TRANSACTION
        return await self._persist(lambda: self._coordinator(kind, transactional_id))

    async def controller(self) -> int:
        """The node that is the active controller."""
        said = await asyncio.to_thread(self._quorum_status)
        line = next(line for line in said.splitlines() if line.startswith("LeaderId:"))
        return int(line.split()[1])

    def _quorum_status(self) -> str:
        command = [find_java(), "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp"]
        command += [f"{jars_directory()}/*", "org.apache.kafka.tools.MetadataQuorumCommand"]
        command += ["--bootstrap-server", self.bootstrap, "describe", "--status"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def _kill(self) -> None:
        for node in self.nodes.values():
            node.kill()

    async def _ill(self) -> list[str]:
        return [
            f"{topic['topic']}-{part['partition']}: {part['isr']} of {part['replicas']}"
            for topic in await self._described()
            for part in topic["partitions"]
            if len(part["isr"]) < NODES or part["leader"] < 0
        ]

    async def _described(self) -> list[dict[str, Any]]:
        return await self._persist(self._describe)

    async def _persist(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask until somebody answers: a client asks any node, the dead one as well."""
        give_up_at = time.monotonic() + HEALTH_S
        while True:
            try:
                return await ask()
            except KafkaError:
                if time.monotonic() > give_up_at:
                    raise
            await asyncio.sleep(LOOK_S)

    async def _coordinator(self, kind: CoordinationType, name: str) -> int:
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap)
        try:
            await client.bootstrap()
            found: int = await client.coordinator_lookup(kind, name)
        finally:
            await client.close()
        return found

    async def _describe(self) -> list[dict[str, Any]]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            await admin.start()
            topics: list[dict[str, Any]] = await admin.describe_topics()
        finally:
            await admin.close()
        return topics


def _own(number: int, controller_port: int) -> dict[str, str]:
    listeners = f"PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:{controller_port}"
    return {"node.id": str(number), "listeners": listeners}
