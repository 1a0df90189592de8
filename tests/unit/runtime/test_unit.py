"""A unit with its Kafka taken away: what it writes, for whom it waits, and what it tells."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from streams.core.account.turns import QUANTUM
from streams.policy.files import packaged
from streams.runtime import commits
from streams.runtime.budget import MOST_OUTPUT
from streams.runtime.partitioner import partition_for
from streams.stages.account.stage import AccountStage
from streams.stages.routing import Router
from streams.stages.rules import Rules
from streams.topics import Topics
from tests.flows import events
from tests.unit.runtime.toy import Alarm, Count, arrived
from tests.unit.runtime.unit_rig import (
    NUMBERS,
    PARTITIONS,
    Broker,
    World,
    checkpoints_in,
    offer,
    running,
    until,
)

if TYPE_CHECKING:
    import pytest

    from streams.runtime.batch import Writes


async def test_what_waits_in_several_partitions_is_one_transaction(kafka: Broker) -> None:
    world = World()
    async with running(Count(), world) as unit:
        offer(unit, "in", NUMBERS[0], b"x", b"y")
        offer(unit, "in", NUMBERS[2], b"z")
        await until(lambda: bool(world.committed_batches))
        (writes,) = kafka.written
        assert writes["out", NUMBERS[0]] == [(b"k", b"1:x"), (b"k", b"2:y")]
        assert writes["out", NUMBERS[2]] == [(b"k", b"1:z")]
        found = {
            n: checkpoint.next_offset
            for n, checkpoint in checkpoints_in(writes, "count-state").items()
        }
        assert found == {NUMBERS[0]: {"in": 2}, NUMBERS[2]: {"in": 1}}
        assert world.committed_batches == [("count", NUMBERS[0], 2), ("count", NUMBERS[2], 1)]


async def test_great_intents_in_all_partitions_are_small_transactions(kafka: Broker) -> None:
    topics, world = Topics(), World()
    stage = AccountStage(topics, Router(PARTITIONS), Rules(packaged()[1]))
    customers = [f"c{number}" for number in range(1_000)]
    attributes = {f"{number:x>64}": "y" * 256 for number in range(16)}
    async with running(stage, world) as unit:
        for number in NUMBERS:
            name = account_in(number)
            value = events.intent("i", "acme", name, customers, "direct", attributes=attributes)
            record = arrived(topics.intents, 0, partition=number, value=value, size=len(value))
            record = replace(record, key=events.key("acme", name))
            unit.offer(TopicPartition(topics.intents, number), [record])
        await until(lambda: sum(records for *_, records in world.committed_batches) == len(NUMBERS))
    candidates = [
        w.get((topics.candidates, n), ()) for w in kafka.written for n in range(PARTITIONS)
    ]
    assert sum(map(len, candidates)) == len(NUMBERS) * len(customers)
    sizes = [size_of(writes) for writes in kafka.written]
    assert sum(sizes) > 2 * MOST_OUTPUT
    assert max(sizes) < MOST_OUTPUT + len(NUMBERS) * QUANTUM * 6_000


async def test_the_groups_offsets_are_told_for_all_partitions(kafka: Broker) -> None:
    async with running(Count(), World()) as unit:
        offer(unit, "in", NUMBERS[1], b"x")
        await until(lambda: bool(kafka.written))
        assert kafka.positions == {
            TopicPartition("in", n): int(n == NUMBERS[1]) for n in unit.numbers
        }


async def test_an_idle_unit_writes_the_groups_offsets_that_it_owes_and_nothing_else(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a lag monitor would see a unit at rest behind its end for ever."""
    async with running(Count(), World()) as unit:
        await asyncio.sleep(0)
        assert kafka.written == []
        offer(unit, "in", NUMBERS[0], b"x")
        await until(lambda: len(kafka.written) == 1)
        offer(unit, "in", NUMBERS[0], b"x", b"y")
        await until(lambda: len(kafka.written) == 2)
        here = TopicPartition("in", NUMBERS[0])
        assert kafka.positions[here] == 1
        monkeypatch.setattr(commits, "OFFSETS_EVERY_S", 0.0)
        await until(lambda: len(kafka.written) == 3)
        assert kafka.positions[here] == 2
        assert sorted(checkpoints_in(kafka.written[2], "count-state")) == NUMBERS
        assert all(topic == "count-state" for topic, _ in kafka.written[2])


async def test_the_id_names_stage_and_unit(kafka: Broker) -> None:
    async with running(Count(), World()) as unit:
        assert kafka.ids == ["p-group-count-0-of-2"]
        assert list(unit.numbers) == NUMBERS


async def test_all_partitions_of_a_batch_have_one_time(kafka: Broker) -> None:
    world = World()
    async with running(Alarm(), world) as unit:
        world.now_ms = 70
        offer(unit, "alarms", NUMBERS[0], b"999 a")
        offer(unit, "alarms", NUMBERS[1], b"999 b")
        await until(lambda: bool(kafka.written))
        (writes,) = kafka.written
        assert {
            checkpoint.clock_ms for checkpoint in checkpoints_in(writes, "alarm-state").values()
        } == {70}


async def test_a_timer_of_any_partition_fires_while_nothing_waits(kafka: Broker) -> None:
    world = World()
    async with running(Alarm(), world) as unit:
        offer(unit, "alarms", NUMBERS[3], b"50 soon")
        await until(lambda: len(kafka.written) == 1)
        world.now_ms = 50
        await until(lambda: len(kafka.written) == 2)
        assert kafka.written[1]["rung", NUMBERS[3]] == [(b"soon", b"due 50 fired 50")]


async def test_revoking_waits_for_the_open_transaction_and_drops_what_came_after(
    kafka: Broker,
) -> None:
    world = World()
    async with running(Count(), world) as unit:
        kafka.open.clear()
        offer(unit, "in", NUMBERS[0], b"x")
        await kafka.begun.wait()
        offer(unit, "in", NUMBERS[1], b"late")
        revoking = asyncio.create_task(unit.revoke())
        await asyncio.sleep(0.01)
        assert not revoking.done()
        assert not unit.wants("in", NUMBERS[0])
        kafka.open.set()
        await revoking
        assert world.committed_batches == [("count", NUMBERS[0], 1)]
        assert unit.waiting == 0
        assert unit.sources[TopicPartition("in", NUMBERS[1])] == 0


async def test_a_unit_granted_again_keeps_its_state(kafka: Broker) -> None:
    async with running(Count(), World()) as unit:
        offer(unit, "in", NUMBERS[0], b"x")
        await until(lambda: len(kafka.written) == 1)
        await unit.revoke()
        unit.grant()
        await until(lambda: unit.is_accepting)
        offer(unit, "in", NUMBERS[0], b"x", b"y")
        await until(lambda: len(kafka.written) == 2)
        assert kafka.written[1]["out", NUMBERS[0]] == [(b"k", b"2:y")]
        assert kafka.ids == ["p-group-count-0-of-2"]


async def test_while_idle_each_checkpoint_follows_the_fetcher_past_markers(
    kafka: Broker,
) -> None:
    world = World()
    async with running(Count(), world):
        world.fetcher = {TopicPartition("in", n): 0 for n in NUMBERS}
        world.fetcher[TopicPartition("in", NUMBERS[1])] = 4
        await until(lambda: bool(kafka.written))
        found = {
            n: checkpoint.next_offset
            for n, checkpoint in checkpoints_in(kafka.written[0], "count-state").items()
        }
        assert found == {NUMBERS[1]: {"in": 4}}


def account_in(number: int) -> str:
    """An account whose intents stand in this partition."""
    names = (f"account-{count}" for count in range(1_000))
    return next(
        name for name in names if partition_for(events.key("acme", name), PARTITIONS) == number
    )


def size_of(writes: Writes) -> int:
    """The bytes of one transaction."""
    items = [item for written in writes.values() for item in written]
    return sum(len(key or b"") + len(value or b"") for key, value in items)
