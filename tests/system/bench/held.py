"""A night's campaign: intents that wait for the morning, and the moment at which they may go.

One worker takes the campaign at 03:00, when the policy's quiet hours hold everything; it is
stopped, and another starts with the clock standing two seconds before they end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.system.bench import load
from tests.system.bench.cluster import committed, fill, make_topics, read
from tests.system.bench.report import BenchError, Row, counted
from tests.system.bench.restore import RECOVERY
from tests.system.bench.tally import Tally
from tests.system.bench.throughput import throughput

if TYPE_CHECKING:
    from streams.settings import Settings
    from streams.topics import Topics
    from tests.system.bench.run import Run

BEFORE_MS: Final = 2_000
EACH: Final = 100
PATIENCE_S: Final = 900.0


async def run(run: Run) -> list[Row]:
    count = 1_000_000 if run.long else run.choose(100_000, 10_000)
    async with run.corner("held") as settings:
        names = await make_topics(settings)
        empty_bytes = await _empty(run, settings)
        await fill(settings, names.intents, load.campaign(count, EACH))
        holding_bytes = await _hold(run, settings, names, count)
        run.say(f"held: {counted(count)} intents wait for the morning")
        rows = await _open(run, settings, names, count, empty_bytes)
    grown = f"{(holding_bytes - empty_bytes) / 2**20:.0f} MiB"
    how = f"{counted(count)} held, one a customer; with its buffers under full load"
    return [*rows, Row("held", "growth of the worker that took them in", grown, how)]


async def _empty(run: Run, settings: Settings) -> int:
    async with run.worker(settings, load.NIGHT_MS) as worker:
        await worker.ready()
        return worker.resident_bytes()


async def _hold(run: Run, settings: Settings, names: Topics, count: int) -> int:
    async with run.worker(settings, load.NIGHT_MS) as worker:
        await committed(settings, names.decisions, count, worker, PATIENCE_S)
        return worker.resident_bytes()


async def _open(
    run: Run, settings: Settings, names: Topics, count: int, empty_bytes: int
) -> list[Row]:
    at_ms = load.OPENING_MS - BEFORE_MS
    async with run.worker(settings, at_ms, stands_still=True) as worker:
        ready_s = await worker.ready()
        recovery_s = worker.metric(RECOVERY)
        each = (worker.resident_bytes() - empty_bytes) / count
        opened_ms = worker.begin() + BEFORE_MS
        await committed(settings, names.decisions, 2 * count, worker, PATIENCE_S)
    counters = Tally()
    await read(settings, names.decisions, counters.see)
    counters.must_be(2 * count)
    if counters.outcomes != {"deferred": count, "approved": count}:
        raise BenchError(f"held intents ended otherwise: {counters.mix()}")
    went_ms = [at for at in counters.arrived_ms if at >= opened_ms]
    rate = throughput(went_ms, worker)
    took_s = (max(went_ms) - opened_ms) / 1_000
    return [
        Row(
            "held",
            "memory each, after a restart",
            f"{each:.0f} B",
            f"{counted(count)} held, one a customer: ledger, key and timer",
        ),
        Row(
            "held",
            "process start to ready",
            f"{ready_s:.1f} s",
            f"the slowest of 8 partitions took {recovery_s:.1f} s",
        ),
        Row("held", "the opening hour to the last approval", f"{took_s:.1f} s"),
        Row("held", "approvals from the opening hour on", rate.result(), rate.cost()),
    ]
