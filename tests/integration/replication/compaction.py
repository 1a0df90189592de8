"""Compaction racing recovery: workers killed again and again while changelogs are cleaned.

A changelog in production is cleaned now and then; here a segment is closed after a moment and
cleaned in the next, tombstones and markers go seconds later, and every restart reads a log that
changes under it.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from aiokafka.admin import NewTopic

from streams.admin import topics as topics_admin
from streams.local.kafka import LocalKafka
from streams.settings import Settings
from streams.topics import TOPICS, Topics
from tests.integration.kafka.tide import Tide
from tests.integration.replication.segments import Disk
from tests.integration.replication.witness import CHANGELOGS, Witness, differences, recover
from tests.support import topics as corner
from tests.system.chaos.auditor import audit
from tests.system.chaos.crew import Crew
from tests.system.chaos.evidence import read_cluster
from tests.system.chaos.load import POLICY, Load, policy_event
from tests.system.chaos.traffic import Traffic, wall_clock_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.replication.segments import Found, Place
    from tests.system.chaos.crew import Slot
    from tests.system.chaos.report import Report

BROKER: Final = {"log.cleaner.backoff.ms": "200", "log.segment.delete.delay.ms": "100"}
DELETE_RETENTION_MS: Final = 3_000
"""How long tombstones and markers stay when all before them is clean. A reader that is later than
this may miss a deletion: Kafka's default is a day."""
CLEANED: Final = {
    "segment.ms": "500",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "500",
    "delete.retention.ms": str(DELETE_RETENTION_MS),
}
PREFIX: Final = "compacted-"
PATIENCE_S: Final = 90.0
DRAIN_S: Final = 60.0
LOOK_S: Final = 0.3
LONGEST_MS: Final = 15_000


@dataclass(frozen=True)
class Options:
    """What a run is made of. `kills`: of one worker and of all at once, in turns."""

    kills: int = 20
    rate: int = 200
    partitions: int = 8
    customers: int = 100
    seed: int = 1


@dataclass
class Result:
    """What came of it."""

    report: Report
    wrong_exits: list[str]
    differences: list[str]
    """Where a recovered state is not what the witness saw."""
    starts: set[int]
    """Where the changelogs begin."""
    seen: set[Place]
    """Every committed record of the changelogs that the witness was shown …"""
    deleted: set[Place]
    """… the tombstones of these …"""
    disk: Disk
    """… every marker that stood on the disk …"""
    left: Found
    """… and what was left at the end."""
    keys: int
    kills: int
    compared: int
    """How often, under load, what recovery found was compared with what had been written."""

    @property
    def clean(self) -> bool:
        """Whether nothing at all was wrong."""
        wrong = self.wrong_exits or self.differences
        return self.report.clean and not wrong and self.starts == {0}

    @property
    def removed(self) -> int:
        """Committed records that compaction took."""
        return len(self.seen - self.left.records)

    @property
    def tombstones_removed(self) -> int:
        """Deletions that compaction took, with all that they deleted."""
        return len(self.deleted - self.left.records)

    @property
    def aborts_removed(self) -> int:
        """Markers of aborted transactions that are gone."""
        return len(self.disk.aborts - self.left.aborts)


def cleaning_broker(directory: Path) -> LocalKafka:
    """A broker that looks for something to clean five times a second; not started."""
    return LocalKafka(directory, properties=BROKER)


async def run(
    options: Options,
    broker: LocalKafka,
    logs: Path,
    say: Callable[[str], None] = lambda line: None,
) -> Result:
    """Everything from the creation of the topics to the audit's report, on a cleaning broker."""
    settings = Settings(kafka=broker.bootstrap, prefix=PREFIX, partitions=options.partitions)
    await _create(settings)
    names = frozenset(map(Topics(PREFIX).physical, CHANGELOGS))
    disk = Disk(broker.directory / "data", names)
    return await _Run(options, settings, disk, logs, say).whole()


async def _create(settings: Settings) -> None:
    """The changelogs with hasty settings on top of their own; all others as the product does."""
    names = Topics(settings.prefix)
    wanted = [
        NewTopic(
            names.physical(topic.name),
            topic.partition_count(settings.partitions),
            1,
            topic_configs=topic.configuration() | CLEANED,
        )
        for topic in TOPICS
        if topic.name in CHANGELOGS
    ]
    await corner.make(settings.client_options(), wanted)
    await topics_admin.ensure(settings)


class _Run:
    def __init__(
        self,
        options: Options,
        settings: Settings,
        disk: Disk,
        logs: Path,
        say: Callable[[str], None],
    ) -> None:
        self.options, self.settings, self.disk, self.say = options, settings, disk, say
        self.client, self.random = settings.client_options(), Random(options.seed)
        load = Load(self.random, options.partitions, customers=options.customers)
        self.traffic = Traffic(self.client, PREFIX, load, options.rate)
        environment = {
            "DECORUM_KAFKA": settings.kafka,
            "DECORUM_PREFIX": PREFIX,
            "DECORUM_PARTITIONS": str(options.partitions),
        }
        self.compared = 0
        self.differences: list[str] = []
        self.crew = Crew(environment, 2, logs, partitions=options.partitions)

    async def whole(self) -> Result:
        looking = asyncio.create_task(self._keep_looking())
        try:
            async with Witness(self.settings) as witness:
                await self._under_fire(witness)
                self.say("reading what is left, and auditing")
                evidence = await read_cluster(self.client, PREFIX, self.options.partitions)
                await witness.reach(evidence)
                for name in CHANGELOGS:
                    # The audit judges by every checkpoint; whether what is left says the same as
                    # all that was written, `differences` finds out.
                    evidence.topics[name] = []
                    evidence.add(name, witness.records[name])
                starts = await witness.starts()
        finally:
            looking.cancel()
        recovered = await recover(self.settings)
        return Result(
            report=audit(evidence),
            wrong_exits=self.crew.wrong,
            differences=self.differences + differences(witness, recovered),
            starts=starts,
            seen=witness.places(),
            deleted=witness.tombstones(),
            disk=self.disk,
            left=self.disk.look(),
            keys=sum(len(memory.state) for memory in recovered.values()),
            kills=self.options.kills,
            compared=self.compared,
        )

    async def _under_fire(self, witness: Witness) -> None:
        await self.traffic.put(policy_event(1, POLICY))
        async with self.crew:
            await self.crew.whole(PATIENCE_S)
            writing = asyncio.create_task(self.traffic.run())
            for number in range(self.options.kills):
                await (self._kill_all(witness) if number % 2 else self._kill(number))
                self.say(f"kill {number + 1} of {self.options.kills}")
            await self.crew.whole(PATIENCE_S)
            self.traffic.stop()
            await writing
            self.say(f"{self.traffic.sent} records written; draining")
            async with Tide(self.client, PREFIX, self.options.partitions) as tide:
                now_ms = wall_clock_ms()
                await tide.still(now_ms + LONGEST_MS, DRAIN_S, upkeep_ms=now_ms)
            await self.crew.dismiss()

    async def _kill(self, number: int) -> None:
        """One, whatever state the kill before has left things in."""
        await asyncio.sleep(self.random.uniform(0.5, 3.0))
        self._strike(self.crew.slots[number // 2 % len(self.crew.slots)])

    async def _kill_all(self, witness: Witness) -> None:
        """All at once, in the middle of what they do. Until they have started again nobody writes
        to the changelogs, and only the cleaner goes on with them: time to see what is there.
        """
        await self.crew.whole(PATIENCE_S)
        await asyncio.sleep(self.random.uniform(0.5, 3.0))
        for slot in self.crew.slots:
            self._strike(slot)
        found = await witness.compare()
        if found is not None:
            self.compared += 1
            self.differences += found

    def _strike(self, slot: Slot) -> None:
        slot.meant = "killed"
        slot.signal(signal.SIGKILL)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.to_thread(self.disk.look)
            await asyncio.sleep(LOOK_S)
