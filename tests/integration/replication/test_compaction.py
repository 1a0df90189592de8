"""Changelogs that are cleaned while they are read: the short form, and the rarest of their ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from aiokafka.admin import NewTopic

from streams.runtime.clients import transactional_producer
from streams.runtime.restore import Restore
from tests.integration.replication.cleaned import cleaned_table
from tests.integration.replication.compaction import CLEANED, Options, cleaning_broker, run
from tests.integration.replication.segments import Disk
from tests.support import topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.local.kafka import LocalKafka
    from streams.runtime.restore import RestoredPartition
    from tests.integration.replication.segments import Found

SHORT = Options(kills=4, rate=120, customers=80, seed=2)
CLOSES_S = 0.6
"""A segment is closed by the first write this long after its own first."""
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def broker(kafka_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    with cleaning_broker(tmp_path_factory.mktemp("cleaning")) as started:
        yield started


@pytest.mark.slow
async def test_a_worker_killed_again_and_again_recovers_what_compaction_has_left(
    broker: LocalKafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = await run(SHORT, broker, tmp_path)
    with capsys.disabled():
        print(f"\n{cleaned_table(result)}")  # noqa: T201
    assert result.clean, cleaned_table(result)
    # Otherwise nothing would have raced.
    assert result.compared > 0
    assert result.removed > len(result.seen) // 2
    assert result.tombstones_removed > 0
    assert result.aborts_removed > 0
    assert result.report.counts["decided"] > 500


@dataclass(frozen=True)
class Log:
    """A stage's changelog of one partition, and how it is written and looked at."""

    options: dict[str, str]
    changelog: str
    disk: Disk
    name: str = "alone"
    sources: tuple[str, ...] = ()

    async def write(self, producer: str, key: bytes, value: bytes | None, *, end: bool) -> None:
        """One record in a transaction, which is left open where the writer dies before its `end`:
        what the next of that name will abort.
        """
        writing = await transactional_producer(self.options, f"{self.changelog}-{producer}")
        await writing.begin_transaction()
        await writing.send_and_wait(self.changelog, value, key=key)
        if end:
            await writing.commit_transaction()
        await writing.client.close()  # stop() would end the transaction in good order
        await writing.stop()

    async def fence(self, producer: str) -> None:
        """Come after one that died: nothing but the marker of its last transaction is written."""
        next_one = await transactional_producer(self.options, f"{self.changelog}-{producer}")
        await next_one.stop()

    async def until(self, true: Callable[[Found], bool], producer: str, *, end: bool) -> Found:
        """Go on writing, each time into a segment of its own, until the disk looks like that."""
        async with asyncio.timeout(PATIENCE_S):
            while not true(found := self.disk.look()):
                await self.write(producer, b"going on", b"1", end=end)
                await asyncio.sleep(CLOSES_S)
                if not end:
                    await self.fence(producer)
                    await asyncio.sleep(CLOSES_S)
        return found

    async def recovered(self) -> RestoredPartition:
        """What a new owner finds."""
        async with asyncio.timeout(PATIENCE_S):
            return (await Restore(self, 0, 1, self.options, self.changelog).finish())[0]

    def on_records(self, *_: object) -> tuple[()]:
        return ()

    on_timers = on_records


@pytest.fixture
async def log(broker: LocalKafka, prefix: str) -> Log:
    options, name = {"bootstrap_servers": broker.bootstrap}, f"{prefix}state"
    configuration = CLEANED | {"cleanup.policy": "compact", "delete.retention.ms": "1000"}
    await topics.make(options, [NewTopic(name, 1, 1, topic_configs=configuration)])
    return Log(options, name, Disk(broker.directory / "data", frozenset({name})))


async def test_a_log_of_which_only_the_marker_of_an_aborted_transaction_is_left_is_an_empty_state(
    log: Log,
) -> None:
    await log.write("unit", b"a", b"1", end=True)
    await log.write("unit", b"a", None, end=True)

    found = await log.until(
        lambda now: bool(now.aborts) and not now.records and not now.commits, "unit", end=False
    )

    assert found.last in found.aborts
    assert len(found.aborts) < len(log.disk.aborts)
    assert found.last.offset > 10
    memory = await log.recovered()
    assert (len(memory.state), memory.state.timers) == (0, 0)


async def test_a_state_is_found_before_a_long_row_of_aborted_and_removed_transactions(
    log: Log,
) -> None:
    await log.write("unit", b"gone", b"1", end=True)
    await log.write("unit", b"kept", b"1", end=True)
    await log.write("unit", b"kept", b"2", end=True)
    await log.write("unit", b"gone", None, end=True)

    found = await log.until(
        lambda now: len(now.records) == len(now.commits) == 1, "unit", end=False
    )

    assert found.last in found.aborts
    memory = await log.recovered()
    assert {key: memory.state.get(key) for key in memory.state} == {b"kept": b"2"}


async def test_a_log_is_read_past_a_marker_that_compaction_has_emptied(log: Log) -> None:
    """It stays for its producer's epoch, where another producer has written since."""
    await log.write("unit", b"lost", b"1", end=False)
    await log.fence("unit")
    assert len((await log.recovered()).state) == 0
    await asyncio.sleep(CLOSES_S)

    await log.until(lambda now: bool(now.emptied_markers), "successor", end=True)

    memory = await log.recovered()
    assert memory.state.get(b"going on") == b"1"
    assert memory.state.get(b"lost") is None
