"""One to three real Kafka nodes on this machine, each broker and controller, that replicate each
other.

Every node has every record, and a write is acknowledged by all nodes but one: three nodes are what
production should have. Only sessions and elections are shorter than Kafka's defaults. A node can
be killed, started again, and lose its disk; and it can have listeners of its own for visitors.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import KafkaError

from streams.local.jars import find_java, jars_directory
from streams.local.kafka import HOST, JVM, LocalKafka, cluster_id, free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

Answer = TypeVar("Answer")

NODES: Final = 3
LOOK_S: Final = 0.2
HEALTH_S: Final = 90.0
"""For a node to catch up with everything it has missed, on a machine that is slow and shared."""
# Leaders go home soon after their node is back: a change of leaders in good order, of which every
# kill is then followed by one.
REBALANCE: Final = {"leader.imbalance.check.interval.seconds": "5"}
SHARED_JVM: Final = ("-Xmx384m", *JVM[1:])


class Door(NamedTuple):
    """A listener at a node for one visitor: its port, and the address that its clients are told."""

    port: int
    told: str


class Node(LocalKafka):
    """One of a cluster."""

    def lose_disk(self) -> None:
        """Everything the node ever wrote is gone; `start` begins with an empty disk."""
        shutil.rmtree(self._data)


class Cluster:
    """The nodes 1 to `count`; an async context manager that leaves no process behind."""

    def __init__(
        self, directory: Path, count: int = NODES, visitors: Sequence[Sequence[Door]] = ()
    ) -> None:
        """`visitors`: the doors of each, one at every node."""
        controllers = [free_port() for _ in range(count)]
        voters = (f"{n}@{HOST}:{port}" for n, port in enumerate(controllers, 1))
        common = _kept(count) | {"controller.quorum.voters": ",".join(voters)}
        shared = cluster_id()
        self.nodes: dict[int, Node] = {}
        for number, port in enumerate(controllers, 1):
            own = _own(number, port, [doors[number - 1] for doors in visitors])
            home = directory / f"node-{number}"
            self.nodes[number] = Node(home, cluster=shared, properties=common | own)
            self.nodes[number].jvm = JVM if count == 1 else SHARED_JVM

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
            if len(part["isr"]) < len(self.nodes) or part["leader"] < 0
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


def _kept(count: int) -> dict[str, str]:
    """How often everything is kept, and how many nodes must have what is written."""
    everywhere, most = str(count), str(max(1, count - 1))
    factors = ("default", "offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    return (
        REBALANCE
        | {f"{name}.replication.factor": everywhere for name in factors}
        | {f"{name}.min.isr": most for name in factors[2:]}
        | {"min.insync.replicas": most}
    )


def _own(number: int, controller_port: int, doors: Sequence[Door]) -> dict[str, str]:
    usual = f"PLAINTEXT://{HOST}:$port"
    own = [f"VISITOR{n}://{HOST}:{door.port}" for n, door in enumerate(doors)]
    told = [f"VISITOR{n}://{door.told}" for n, door in enumerate(doors)]
    names = ["PLAINTEXT", "CONTROLLER", *(f"VISITOR{n}" for n in range(len(doors)))]
    return {
        "node.id": str(number),
        "listeners": ",".join([usual, f"CONTROLLER://{HOST}:{controller_port}", *own]),
        "advertised.listeners": ",".join([usual, *told]),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names),
    }
