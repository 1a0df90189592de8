"""One run: workers under load while nodes die, drained, and audited by the topics alone."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Final

from streams.admin import topics as topics_admin
from streams.runtime.units import unit_count
from streams.settings import Settings
from streams.topics import TOPICS, Topics
from tests.integration.kafka.tide import Tide
from tests.integration.replication.faults import KINDS, PATIENCE_S, Reaper
from tests.integration.replication.pulse import Pulse
from tests.support.cluster import NODES, Cluster
from tests.system.chaos.auditor import audit
from tests.system.chaos.crew import Crew
from tests.system.chaos.evidence import read_cluster
from tests.system.chaos.load import LOOSER, POLICY, Load, policy_event
from tests.system.chaos.silences import Silences
from tests.system.chaos.traffic import Traffic, wall_clock_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.replication.faults import Death
    from tests.system.chaos.report import Report
    from tests.system.chaos.silences import Gap

DRAIN_S: Final = 180.0
LOOSER_AFTER_S: Final = 20.0
LONGEST_MS: Final = 15_000
"""Everything held meets its deadline sooner; accounts look at their days and weeks for ever."""
PREFIX: Final = "replicated-"


@dataclass(frozen=True)
class Options:
    """What a run is made of."""

    deaths: tuple[str, ...] = tuple(KINDS)
    workers: int = 2
    rate: int = 300
    partitions: int = 8
    customers: int = 300
    seed: int = 1


@dataclass
class Result:
    """What came of it. `replicas`: how many the product's topics have, each partition of them."""

    options: Options
    report: Report
    crew: Crew
    replicas: set[int]
    deaths: list[Death]
    gap: Gap
    sent: int
    unacknowledged: int
    took_s: dict[str, float] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing at all was wrong."""
        return self.report.clean and not self.crew.wrong and self.replicas == {NODES}


async def run(
    options: Options, directory: Path, say: Callable[[str], None] = lambda line: None
) -> Result:
    """Everything from the start of the nodes to the audit's report."""
    async with Cluster(directory / "kafka") as cluster:
        say("three nodes are up")
        settings = Settings(kafka=cluster.bootstrap, prefix=PREFIX, partitions=options.partitions)
        await topics_admin.ensure(settings)
        return await _Run(options, cluster, settings, directory, say).whole()


class _Run:
    def __init__(
        self,
        options: Options,
        cluster: Cluster,
        settings: Settings,
        logs: Path,
        say: Callable[[str], None],
    ) -> None:
        self.options, self.cluster, self.say = options, cluster, say
        self.client, self.partitions = settings.client_options(), options.partitions
        load = Load(Random(options.seed), self.partitions, customers=options.customers)
        self.traffic = Traffic(self.client, PREFIX, load, options.rate)
        environment = {
            "DECORUM_KAFKA": cluster.bootstrap,
            "DECORUM_PREFIX": PREFIX,
            "DECORUM_PARTITIONS": str(self.partitions),
        }
        self.crew = Crew(environment, options.workers, logs, partitions=self.partitions)
        self.took_s: dict[str, float] = {}

    async def whole(self) -> Result:
        replicas = await self.cluster.replicas(Topics(PREFIX).physical(t.name) for t in TOPICS)
        await self.traffic.put(policy_event(1, POLICY))
        async with self.crew:
            await self.crew.whole(PATIENCE_S)
            self.say("all partitions are at work")
            later = datetime.fromtimestamp(time.time() + LOOSER_AFTER_S, UTC)
            await self.traffic.put(policy_event(2, LOOSER, later.isoformat()))
            began_s = time.time()
            deaths = await self._under_fire()
            await self._drain()
            await self.crew.dismiss()
        self.say("auditing")
        evidence = await read_cluster(self.client, PREFIX, self.partitions)
        return Result(
            options=self.options,
            report=audit(evidence),
            crew=self.crew,
            replicas=set().union(*replicas.values()),
            deaths=deaths,
            gap=Silences(evidence, began_s).longest,
            sent=self.traffic.sent,
            unacknowledged=self.traffic.unacknowledged,
            took_s=self.took_s,
        )

    async def _under_fire(self) -> list[Death]:
        began = time.monotonic()
        writing = asyncio.create_task(self.traffic.run())
        async with Pulse(self.client, PREFIX, self.partitions) as pulse:
            await pulse.again(time.time(), PATIENCE_S)
            reaper = Reaper(self.cluster, self.crew, pulse, PREFIX, self._units(), self.say)
            deaths = await reaper.run(self.options.deaths)
        self.traffic.stop()
        await writing
        self.took_s["load"] = time.monotonic() - began
        self.say(f"{self.traffic.sent} records written, all deaths survived; draining")
        return deaths

    async def _drain(self) -> None:
        began = time.monotonic()
        async with Tide(self.client, PREFIX, self.partitions) as tide:
            now_ms = wall_clock_ms()
            await tide.still(now_ms + LONGEST_MS, DRAIN_S, upkeep_ms=now_ms)
        self.took_s["drain"] = time.monotonic() - began

    def _units(self) -> list[str]:
        units = unit_count(self.partitions)
        return [
            f"{PREFIX}decorum-{stage}-{unit}-of-{units}"
            for stage in ("account", "customer")
            for unit in range(units)
        ]
