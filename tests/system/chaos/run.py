"""One run: a crew under load and under fire, drained, and audited by its topics alone."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from statistics import quantiles
from typing import TYPE_CHECKING, Final

from streams.admin import topics as topics_admin
from streams.settings import Settings
from streams.topics import Topics
from tests.integration.kafka.tide import Tide
from tests.system.chaos.auditor import audit
from tests.system.chaos.crew import Crew
from tests.system.chaos.evidence import read_cluster
from tests.system.chaos.faults import PATIENCE_S, Counts, Lasting, Saboteur, plan, unexplained
from tests.system.chaos.load import LOOSER, POLICY, Load, policy_event
from tests.system.chaos.noise import Noise
from tests.system.chaos.silences import Silences
from tests.system.chaos.traffic import Traffic, wall_clock_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.system.chaos.ghosts import Haunting
    from tests.system.chaos.report import Report
    from tests.system.chaos.silences import Gap
    from tests.system.chaos.site import Site

DRAIN_S: Final = 180.0
LOOSER_AFTER_S: Final = 20.0
LONGEST_MS: Final = 15_000
"""Everything held meets its deadline sooner; accounts look at their days and weeks for ever."""


@dataclass(frozen=True)
class Options:
    """What a run is made of. `seconds`: the least that the load goes on."""

    counts: Counts
    noise: int = 0
    ghosts: int = 0
    ghost_every_s: float = 0.4
    brokers: int = 1
    workers: int = 2
    rate: int = 500
    seconds: float = 0.0
    partitions: int = 8
    customers: int = 300
    lasting: Lasting = Lasting()  # noqa: RUF009 - a tuple of numbers
    static: str = "some"
    seed: int = 1

    @property
    def ahead_ms(self) -> int:
        """How far clocks are set ahead in the end: those that were ahead stand still until then,
        and with them all that waits.
        """
        return int(self.lasting.step_s * 1_000) if self.counts.ahead else 0


@dataclass
class Result:
    """What came of it."""

    options: Options
    report: Report
    crew: Crew
    sent: int
    unacknowledged: int
    recoveries_s: list[tuple[float, str]]
    gap: Gap
    drained_s: float
    haunting: Haunting
    noise: Noise
    unexplained: list[str]
    """Workers that ended by themselves, and no fault but ghosts was there to end them."""
    took_s: dict[str, float] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing at all was wrong."""
        return self.report.clean and not self.crew.wrong and not self.unexplained

    def recovery_s(self, share: float) -> float:
        """A percentile of the recoveries; 0 when no partition was ever alone."""
        times = [time_s for time_s, _ in self.recoveries_s]
        if len(times) < 2:
            return times[0] if times else 0.0
        return quantiles(times, n=100, method="inclusive")[round(share * 100) - 1]


async def run(
    options: Options,
    site: Site,
    prefix: str,
    logs: Path,
    say: Callable[[str], None] = lambda line: None,
) -> Result:
    """Everything from the creation of the topics to the audit's report."""
    bootstrap = site.cluster.bootstrap
    settings = Settings(kafka=bootstrap, prefix=prefix, partitions=options.partitions)
    client, random = settings.client_options(), Random(options.seed)
    await topics_admin.ensure(settings)
    load = Load(random, options.partitions, customers=options.customers)
    names = Topics(prefix)
    noise = Noise(site.cluster, names.physical, load, random)
    traffic = Traffic(client, prefix, load, options.rate)
    await traffic.put(policy_event(1, POLICY))
    environment = {
        "DECORUM_KAFKA": bootstrap,
        "DECORUM_PREFIX": prefix,
        "DECORUM_PARTITIONS": str(options.partitions),
    }
    crew = Crew(
        environment,
        options.workers,
        logs,
        options.static,
        partitions=options.partitions,
        ways=site.ways,
    )
    async with AsyncExitStack() as stack:
        for way in site.ways:
            await stack.enter_async_context(way)
        await stack.enter_async_context(crew)
        await crew.whole(PATIENCE_S)
        say("all partitions are at work")
        later = datetime.fromtimestamp(time.time() + LOOSER_AFTER_S, UTC)
        await traffic.put(policy_event(2, LOOSER, later.isoformat()))
        faults = plan(Random(options.seed), options.counts, options.workers)
        began = time.monotonic()
        writing = asyncio.create_task(traffic.run())
        async with asyncio.TaskGroup() as group:
            if options.ghosts:
                group.create_task(site.haunting.run(options.ghosts, options.ghost_every_s))
            group.create_task(noise.run(options.noise))
            saboteur = Saboteur(crew, site.cluster, options.lasting, say)
            striking = group.create_task(saboteur.run(faults))
        struck = striking.result()
        await asyncio.sleep(max(0.0, options.seconds - (time.monotonic() - began)))
        traffic.stop()
        await writing
        ended = time.monotonic()
        say(f"{traffic.sent} records written, all faults survived; draining")
        ahead_ms = options.ahead_ms
        for slot in crew.slots:
            slot.set_clock(ahead_ms)
        async with Tide(client, prefix, options.partitions) as tide:
            for longest_ms in (0, LONGEST_MS):  # what waited to be read waits on from then
                now_ms = wall_clock_ms() + ahead_ms
                await tide.still(now_ms + longest_ms, DRAIN_S, upkeep_ms=now_ms)
        drained = time.monotonic()
        await crew.dismiss()
    say("auditing")
    evidence = await read_cluster(client, prefix, options.partitions)
    for way in site.ways:
        evidence.transactions += way.wire.named(names.logical)
    evidence.spoilt = noise.spoilt
    read = time.monotonic()
    report = audit(evidence)
    silences = Silences(evidence, began_s=time.time() - (time.monotonic() - began))
    return Result(
        options=options,
        report=report,
        crew=crew,
        sent=traffic.sent,
        unacknowledged=traffic.unacknowledged,
        recoveries_s=silences.recoveries_s(struck),
        gap=silences.longest,
        drained_s=drained - ended,
        haunting=site.haunting,
        noise=noise,
        unexplained=unexplained(crew.fell, struck),
        took_s={
            "load": ended - began,
            "drain": drained - ended,
            "reading": read - drained,
            "audit": time.monotonic() - read,
        },
    )
