"""A unit's writing on a real Kafka, and a way to it on which requests and answers get lost."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.transaction import EndTxnRequest

from streams.runtime.checkpoint import Checkpoint
from streams.runtime.commits import Commits
from streams.runtime.context import UnitContext
from streams.runtime.restore import Restore
from streams.runtime.state import CHECKPOINT_KEY
from tests.support import records
from tests.unit.runtime.toy import Count

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from streams.runtime.batch import Writes
    from tests.integration.kafka.runtime_rig import Rig

FENCED_CODE = 47  # INVALID_PRODUCER_EPOCH

Request = Any
SEND = AIOKafkaClient.send


class Way:
    """The way from all clients to the broker, on which one request after another may get lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: Counter[type] = Counter()
        self.loses: type | None = None
        """The next one of this kind never arrives, or only its answer, if it `arrives`."""
        self.arrives = False
        self.ghosts: list[tuple[int, Request]] = []
        self.before_end: list[tuple[int, Request]] = []
        """Delivered while the next transaction is open."""
        self.answers: list[int] = []
        way = self

        async def send(client: AIOKafkaClient, node: int, request: Request, **more: Any) -> Any:
            return await way.carry(client, node, request, **more)

        monkeypatch.setattr(AIOKafkaClient, "send", send)

    async def carry(self, client: AIOKafkaClient, node: int, request: Request, **more: Any) -> Any:
        kind = type(request)
        self.sent[kind] += 1
        if kind is EndTxnRequest:
            while self.before_end:
                self.answers.append(await deliver(client, *self.before_end.pop()))
        if kind is not self.loses:
            return await SEND(client, node, request, **more)
        self.loses = None
        if self.arrives:
            await SEND(client, node, request, **more)
        else:
            self.ghosts.append((node, request))
        raise KafkaConnectionError("reset by a proxy")


async def deliver(client: AIOKafkaClient, node: int, request: Request) -> int:
    """Deliver a request late, as the bytes that they were; the code of the broker's answer."""
    answer = await SEND(client, node, request)
    if hasattr(answer, "error_code"):
        return int(answer.error_code)
    topics = answer.topics if hasattr(answer, "topics") else answer.errors
    ((_, (first, *_)),) = topics[:1]
    return int(first[1])


class Members:
    """Source and observer: a group that still has this member."""

    def __init__(self) -> None:
        self.doubts: list[bool] = []

    async def is_member(self) -> bool:
        return True

    def was_in_doubt(self, _: str, *, committed: bool) -> None:
        self.doubts.append(committed)


class Writer:
    """A unit's writing, without what it decides."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.members = rig, Members()
        self.mark = Checkpoint(writer="me")
        stage = Count(changelog=rig.prefix + "count-state")
        around: Any = (rig.options, rig.prefix, self.members, self.members, {}, None, 0.0)
        recovery = Restore(stage, 0, 1, rig.options, rig.prefix)
        self.commits = Commits(recovery, UnitContext(*around))

    async def write(self, value: bytes) -> None:
        self.mark.next_offset["in"] = self.mark.next_offset.get("in", 0) + 1
        writes: Writes = {
            (self.rig.prefix + "out", 0): [(b"k", value)],
            (self.rig.prefix + "count-state", 0): [(CHECKPOINT_KEY, self.mark.next_value())],
        }
        await self.commits.write(writes, {TopicPartition(self.rig.prefix + "in", 0): 1})


async def committed(rig: Rig) -> list[bytes]:
    """What a reader of the output sees."""
    found: list[bytes] = []
    out = [TopicPartition(rig.prefix + "out", 0)]
    async with records.reader(rig.options, out) as consumer:
        ends = await consumer.end_offsets(out)
        await records.read_to_end(consumer, ends, lambda one: found.append(one.value))
    return found


@asynccontextmanager
async def writing(rig: Rig) -> AsyncIterator[Writer]:
    await rig.create({"in": 1, "out": 1, "count-state": 1})
    writer = Writer(rig)
    await writer.commits.fence()
    try:
        await writer.write(b"0")
        yield writer
    finally:
        await writer.commits.close()
