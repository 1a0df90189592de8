"""Global tables on a real Kafka: what they apply, and when they report it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from streams.runtime.failure import StartRefusedError
from streams.runtime.global_table import GlobalTable
from tests.integration.kafka.runtime_rig import ALL, Rig, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiokafka import TopicPartition


@pytest.fixture
async def rig(rig: Rig) -> Rig:
    await rig.create()
    return rig


class Seen:
    def __init__(self) -> None:
        self.values: dict[bytes, bytes | None] = {}

    def apply(self, key: bytes, value: bytes | None) -> None:
        self.values[key] = value


@asynccontextmanager
async def following(rig: Rig, seen: Seen) -> AsyncIterator[GlobalTable]:
    table = GlobalTable(rig.prefix + "count-state", seen.apply)
    task = asyncio.create_task(table.run({"bootstrap_servers": rig.bootstrap}))
    try:
        yield table
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_sees_the_stages_keys_alone_and_goes_on_following(rig: Rig) -> None:
    worker = await rig.worker()
    await rig.produce("in", [(b"a", b"x"), (b"b", b"x")])
    await rig.read("out", 2)
    seen = Seen()
    async with following(rig, seen) as table, asyncio.timeout(20):
        await table.ready()
        assert seen.values == {b"a": b"1", b"b": b"1"}
        await worker.accepts(ALL)
        await rig.produce("in", [(b"a", b"x")])
        await until(lambda: seen.values[b"a"] == b"2")


async def test_is_caught_up_only_when_the_stage_has_decided_what_stood_there(rig: Rig) -> None:
    await rig.produce("in", [(b"%d" % n, b"x") for n in range(20)])
    seen = Seen()
    async with following(rig, seen) as table, asyncio.timeout(30):
        await table.ready()
        assert seen.values == {}
        caught_up = asyncio.create_task(table.caught_up_with(rig.prefix + "in"))
        _, waiting = await asyncio.wait([caught_up], timeout=0.5)
        assert waiting
        await rig.worker()
        await caught_up
        assert len(seen.values) == 20


async def test_nothing_in_the_sources_is_covered_at_once(rig: Rig) -> None:
    async with following(rig, Seen()) as table, asyncio.timeout(10):
        await table.caught_up_with(rig.prefix + "in", rig.prefix + "first")


async def test_a_transactions_marker_at_the_end_of_a_source_is_covered_too(rig: Rig) -> None:
    async with rig.producer(f"{rig.prefix}writer") as producer, producer.transaction():
        await rig.send(producer, "in", b"a", b"x")
    (tp,) = await ends_above(rig, 1)
    async with following(rig, Seen()) as table, asyncio.timeout(20):
        await rig.worker()
        await table.wait_until_applied(tp.topic, tp.partition, 2)


async def ends_above(rig: Rig, offset: int) -> list[TopicPartition]:
    table = GlobalTable(rig.prefix + "count-state", Seen().apply)
    table._options = {"bootstrap_servers": rig.bootstrap}
    ends = await table._ends(rig.prefix + "in")
    return [tp for tp, end in ends.items() if end > offset]


async def test_without_its_topic_it_refuses(rig: Rig) -> None:
    table = GlobalTable(rig.prefix + "no-such-topic", Seen().apply)
    with pytest.raises(StartRefusedError, match="run `decorum topics`"):
        await table.run({"bootstrap_servers": rig.bootstrap})


async def test_what_apply_raises_ends_following(rig: Rig) -> None:
    await rig.worker()
    await rig.produce("in", [(b"a", b"x")])
    await rig.read("out", 1)

    def apply(key: bytes, value: bytes | None) -> None:
        raise ValueError("broken document")

    table = GlobalTable(rig.prefix + "count-state", apply)
    with pytest.raises(ValueError, match="broken document"):
        await table.run({"bootstrap_servers": rig.bootstrap})
