"""Commits in doubt: an answer that is lost, a fence that comes late, an owner that is another."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import RecordListTooLargeError

from streams.runtime import clients, commits
from streams.runtime import unit as units
from streams.runtime.commits import LostUnitError, was_committed
from tests.unit.runtime.toy import Alarm, Count
from tests.unit.runtime.unit_rig import (
    FENCED,
    LOST,
    NEVER,
    NUMBERS,
    Broker,
    World,
    checkpoints_in,
    offer,
    running,
    until,
)

A, B = TopicPartition("log", 0), TopicPartition("log", 2)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    causes: list[BaseException] = []

    def end(_: str, cause: BaseException) -> NoReturn:
        causes.append(cause)
        raise asyncio.CancelledError

    monkeypatch.setattr(units, "end_process", end)
    return causes


@pytest.mark.parametrize(
    ("weather", "found"),
    [
        ([LOST], [True]),
        ([NEVER], [False]),
        ([FENCED], [False]),
        ([NEVER, NEVER, LOST], [False, False, True]),
        ([NEVER, FENCED], [False, False]),
    ],
)
async def test_a_batch_in_doubt_is_committed_once(
    kafka: Broker, weather: list[str | Exception], found: list[bool]
) -> None:
    world = World()
    async with running(Count(), world) as unit:
        kafka.weather = weather
        offer(unit, "in", NUMBERS[0], b"x", b"y")
        offer(unit, "in", NUMBERS[1], b"z")
        await until(lambda: len(world.committed_batches) == 2)
        offer(unit, "in", NUMBERS[0], b"x", b"y", b"after")
        await until(lambda: len(world.committed_batches) == 3)
    assert world.doubts == found
    assert [one.get(("out", NUMBERS[0])) for one in kafka.written] == [
        [(b"k", b"1:x"), (b"k", b"2:y")],
        [(b"k", b"3:after")],
    ]


async def test_what_is_written_again_is_the_very_same(kafka: Broker) -> None:
    """Also where the clock has gone on: nothing is decided anew."""
    world = World()
    async with running(Alarm(), world) as unit:
        world.now_ms = 70
        kafka.weather = [NEVER]
        kafka.open.clear()
        offer(unit, "alarms", NUMBERS[0], b"999 a")
        await kafka.begun.wait()
        world.now_ms = 90
        kafka.open.set()
        await until(lambda: bool(world.committed_batches))
        assert kafka.written[0]["rung", NUMBERS[0]] == [(b"a", b"handled at 70")]


async def test_each_checkpoint_is_another_though_nothing_moves(kafka: Broker) -> None:
    """Timers move no offset, and the clock may stand still: only so the log can tell them apart."""
    world = World()
    async with running(Alarm(repeat_ms=0), world) as unit:
        offer(unit, "alarms", NUMBERS[0], b"0 a")
        await until(lambda: len(kafka.written) == 2)
        one, two = (checkpoints_in(w, "alarm-state")[NUMBERS[0]] for w in kafka.written)
        assert (one.clock_ms, one.next_offset) == (two.clock_ms, two.next_offset)
        assert one != two


async def test_a_revocation_waits_until_the_doubt_is_settled(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, answer = World(), asyncio.Event()

    async def slow(*_: object) -> dict[TopicPartition, bytes]:
        await answer.wait()
        return await kafka.last_checkpoints()

    monkeypatch.setattr(commits, "last_checkpoints", slow)
    async with running(Count(), world) as unit:
        kafka.weather = [LOST]
        offer(unit, "in", NUMBERS[0], b"x")
        await until(lambda: bool(kafka.written))
        revoking = asyncio.create_task(unit.revoke())
        await asyncio.sleep(0.01)
        assert not revoking.done()
        answer.set()
        await revoking
        assert world.committed_batches == [("count", NUMBERS[0], 1)]


async def test_who_is_fenced_off_and_no_member_ends_and_fences_nobody(
    kafka: Broker, ends: list[BaseException]
) -> None:
    world = World()
    async with running(Count(), world) as unit:
        kafka.weather, world.member = [FENCED], False
        offer(unit, "in", NUMBERS[0], b"x")
        await until(lambda: bool(ends))
    assert isinstance(ends[0], LostUnitError)
    assert kafka.ids == ["p-group-count-0-of-2", "a ghost"]
    assert kafka.written == []


async def test_where_another_has_decided_the_process_ends_and_nothing_is_written(
    kafka: Broker, ends: list[BaseException]
) -> None:
    """A member, too: it may have been away, and come back, between two of its batches."""
    async with running(Count(), World()) as unit:
        kafka.checkpoints[TopicPartition("count-state", NUMBERS[1])] = b"another's"
        kafka.weather = [FENCED]
        offer(unit, "in", NUMBERS[0], b"x")
        await until(lambda: bool(ends))
    assert isinstance(ends[0], LostUnitError)
    assert kafka.written == []


async def test_what_no_fence_mends_ends_the_process(
    kafka: Broker, ends: list[BaseException]
) -> None:
    refused = RecordListTooLargeError()
    async with running(Count(), World()) as unit:
        kafka.weather = [refused]
        offer(unit, "in", NUMBERS[0], b"x")
        await until(lambda: bool(ends))
    assert ends == [refused]
    assert kafka.epoch == 1


async def test_it_is_not_tried_for_ever(kafka: Broker, ends: list[BaseException]) -> None:
    async with running(Count(), World()) as unit:
        kafka.weather = [NEVER] * commits.TRIES
        offer(unit, "in", NUMBERS[0], b"x")
        await until(lambda: bool(ends))
    assert f"{commits.TRIES} tries" in str(ends[0])
    assert kafka.written == []


async def test_an_outage_is_waited_for_however_long(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "CONNECT_PAUSE_S", 0.001)
    monkeypatch.setattr(commits, "PATIENCE_S", 0.01)
    world = World()
    async with running(Count(), world) as unit:
        kafka.weather, world.outage = [LOST], 100
        offer(unit, "in", NUMBERS[0], b"x")
        await until(lambda: bool(world.committed_batches))
    assert (world.outage, world.doubts) == (0, [True])


async def test_a_doubt_that_is_never_settled_ends_the_process(
    kafka: Broker, ends: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(commits, "PATIENCE_S", 0.01)
    monkeypatch.setattr(commits, "last_checkpoints", never)
    async with running(Count(), World()) as unit:
        kafka.weather = [NEVER]
        offer(unit, "in", NUMBERS[0], b"x")
        await until(lambda: bool(ends))
    assert "still in doubt" in str(ends[0])


@pytest.mark.parametrize(
    ("found", "committed"),
    [
        ({}, False),
        ({A: b"a1", B: b"b1"}, False),
        ({A: b"a2", B: b"b2"}, True),
    ],
)
@pytest.mark.rule("R1.14")
def test_the_log_says_which(found: dict[TopicPartition, bytes], *, committed: bool) -> None:
    mine, known = {A: b"a2", B: b"b2"}, {A: b"a1", B: b"b1"}
    assert was_committed(mine, known, found) is committed


@pytest.mark.parametrize(
    "found", [{A: b"a2", B: b"b1"}, {A: b"a2"}, {A: b"a9", B: b"b2"}, {B: b"b0"}]
)
def test_a_log_that_says_anything_else_is_refused(found: dict[TopicPartition, bytes]) -> None:
    with pytest.raises(LostUnitError):
        was_committed({A: b"a2", B: b"b2"}, {A: b"a1", B: b"b1"}, found)
