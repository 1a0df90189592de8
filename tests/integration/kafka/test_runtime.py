"""The runtime's promises on a real Kafka, with real processes that are really killed."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from streams.runtime.batch import MAX_RECORDS
from tests.integration.kafka.runtime_rig import ALL, Rig, expected, text_of, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


KEYS = 37
EXIT_FAILED = 70
ALARMS = 10 * MAX_RECORDS


class Load:
    """Texts at a steady rate, all under one sender's key, so that their order is known."""

    def __init__(self) -> None:
        self.sent = 0


@asynccontextmanager
async def load(rig: Rig, rate: int = 300) -> AsyncIterator[Load]:
    """Produce to the first stage while the block runs."""
    told, stop = Load(), asyncio.Event()

    async def produce() -> None:
        async with rig.producer() as producer:
            began = time.monotonic()
            while not stop.is_set():
                while told.sent < (time.monotonic() - began) * rate:
                    await rig.send(producer, "first", b"sender", text_of(KEYS, told.sent))
                    told.sent += 1
                await asyncio.sleep(0.01)

    task = asyncio.create_task(produce())
    try:
        yield told
    finally:
        stop.set()
        await task


async def test_exactly_once_through_two_stages_when_workers_are_killed(rig: Rig) -> None:
    await rig.create()
    first = await rig.worker("one")
    await first.accepts(ALL)
    async with load(rig) as told:
        for _ in range(3):
            await asyncio.sleep(1.0)
            first.kill()
            assert await first.ended() == -signal.SIGKILL
            first = await rig.worker("one")
            await first.accepts(ALL)
    assert await rig.read("out", told.sent) == expected(KEYS, told.sent)


async def test_a_worker_that_slept_through_its_replacement_cannot_commit(rig: Rig) -> None:
    await rig.create()
    sleeper = await rig.worker()
    await sleeper.accepts(ALL)
    async with load(rig) as told:
        await asyncio.sleep(1.0)
        sleeper.send(signal.SIGSTOP)
        successor = await rig.worker()
        await successor.accepts(ALL)
        sleeper.send(signal.SIGCONT)
        await asyncio.sleep(2.0)
    assert await rig.read("out", told.sent) == expected(KEYS, told.sent)


async def test_sigterm_hands_over_at_once_and_loses_nothing(rig: Rig) -> None:
    await rig.create()
    leaver = await rig.worker()
    await leaver.accepts(ALL)
    async with load(rig) as told:
        stayer = await rig.worker()
        await until(lambda: bool(stayer.accepting) and leaver.accepting | stayer.accepting == ALL)
        asked = time.monotonic()
        leaver.send(signal.SIGTERM)
        assert await leaver.ended() == 0, leaver.errors
        assert time.monotonic() - asked < 5.0
        await stayer.accepts(ALL)
        assert time.monotonic() - asked < 5.0  # less than the session: it has left the group
    assert await rig.read("out", told.sent) == expected(KEYS, told.sent)


@pytest.mark.parametrize("instance", ["-", "lasting"])
async def test_who_leaves_decides_on_until_its_successor_has_read_everything_ahead(
    rig: Rig, instance: str
) -> None:
    """With a lasting name as well, for which nobody would take over before the session ends."""
    await rig.create()
    await rig.produce("in", [(b"k%d" % n, b"x") for n in range(20_000)])
    leaver = await rig.worker(instance)
    await leaver.accepts(ALL)
    await rig.read("out", 20_000)
    stayer = await rig.worker()
    await until(lambda: bool(stayer.accepting) and leaver.accepting | stayer.accepting == ALL)
    leaver.send(signal.SIGTERM)
    assert await leaver.ended() == 0, leaver.errors
    assert await rig.members() == 1
    await stayer.accepts(ALL)
    for unit in ("count-0-of-2", "count-1-of-2"):
        told = re.search(rf"{unit}: restored in .* from (\d+) records, (\d+) of", stayer.errors)
        assert told, stayer.errors
        read, ahead = map(int, told.groups())
        assert ahead >= 9_000
        assert read - ahead < 100
    assert sum(map(len, (await rig.read("out", 20_000)).values())) == 20_000


async def test_a_failing_handler_ends_the_process_and_nothing_of_its_batch_is_seen(
    rig: Rig,
) -> None:
    await rig.create()
    await rig.produce("in", [(b"k0", b"fine"), (b"k0", b"break")])
    worker = await rig.worker()
    assert await worker.ended() == EXIT_FAILED
    assert "told to break" in worker.errors
    assert await rig.read("out", 0) == {}


async def test_a_gated_stage_decides_nothing_before_its_gate_opens(rig: Rig) -> None:
    """`count` waits for `alarm`, which has many batches before it."""
    await rig.create()
    await rig.produce("in", [(b"k%d" % n, b"x") for n in range(20)])
    far_ms = time.time_ns() // 1_000_000 + 3_600_000
    await rig.produce("alarms", [(b"k", b"%d a%d" % (far_ms, n)) for n in range(ALARMS)])
    await rig.worker()
    await rig.read("out", 20)
    alarms_ms, counts_ms = await rig.written_ms("rung"), await rig.written_ms("out")
    assert (len(alarms_ms), len(counts_ms)) == (ALARMS, 20)
    assert max(alarms_ms) <= min(counts_ms)


async def test_a_gate_that_never_opens_lets_nothing_through(rig: Rig) -> None:
    await rig.create()
    await rig.produce("in", [(b"k%d" % n, b"x") for n in range(20)])
    await rig.produce("alarms", [(b"k", b"no-due-time-so-the-stage-breaks")])
    worker = await rig.worker()
    assert await worker.ended() == EXIT_FAILED
    assert "alarm-0-of-1 failed" in worker.errors
    assert await rig.read("out", 0) == {}


async def test_sigterm_while_no_broker_answers_ends_at_once(prefix: str) -> None:
    nowhere = Rig("127.0.0.1:1", prefix)
    worker = await nowhere.worker()
    await until(lambda: "Unable connect" in worker.errors)
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0, worker.errors


async def test_records_of_a_megabyte_and_tombstones_pass(rig: Rig) -> None:
    await rig.create()
    big = bytes(1_400_000)
    worker = await rig.worker()
    await worker.accepts(ALL)
    await rig.produce("in", [(b"k0", big), (b"k0", None), (b"k0", b"small"), (b"k0", big)])
    assert await rig.read("out", 4) == {
        b"k0": [b"1:" + big, b"2:tombstone", b"3:small", b"4:" + big]
    }


async def test_timers_fire_without_records_and_after_a_kill(rig: Rig) -> None:
    await rig.create()
    worker = await rig.worker("one")
    await worker.accepts(ALL)
    now_ms = time.time_ns() // 1_000_000
    soon_ms, later_ms = now_ms + 500, now_ms + 3_000
    await rig.produce("alarms", [(b"k", b"%d soon" % soon_ms), (b"k", b"%d later" % later_ms)])
    rung = await rig.read("rung", 3)
    assert rung[b"soon"][1].startswith(b"due %d fired " % soon_ms)
    worker.kill()
    await worker.ended()
    await rig.worker("one")
    fired = (await rig.read("rung", 4))[b"later"][1]
    assert fired.startswith(b"due %d fired " % later_ms)
    assert int(fired.split()[-1]) >= later_ms
