"""How long an intent waits for its decision at a steady rate, and what the worker spends on it.

From the moment before the intent's `send` to the moment a `read_committed` reader has the
decision, through both stages. The first ten seconds are left out: a broker that has just started
needs them to work off what its cold compiler let wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.system.bench import load
from tests.system.bench.cluster import make_topics
from tests.system.bench.report import Row, counted, latencies
from tests.system.bench.steady import Steady
from tests.system.bench.tally import intent_of

if TYPE_CHECKING:
    from streams.settings import Settings
    from tests.system.bench.program import Program
    from tests.system.bench.run import Run

PER_S: Final = 1_000
LEAVE_OUT_S: Final = 10.0


async def run(run: Run) -> list[Row]:
    seconds = run.choose(40, 16)
    async with run.corner("latency") as settings:
        names = await make_topics(settings)
        async with run.worker(settings, load.MORNING_MS) as worker:
            await worker.ready()
            steady = intents_at(settings, names.intents, names.decisions, PER_S, seconds)
            run.say(f"latency: {counted(PER_S)} intents/s for {seconds} s")
            await steady.run()
            how = f"at {counted(PER_S)} intents/s for {seconds} s, {counted(len(steady.sent))} sent"
            waits = latencies(steady.waits_s(LEAVE_OUT_S))
            return [
                Row("latency", "intent to decision, p50 / p95 / p99 / max", waits, how),
                Row("latency", "worker's core at that rate", *spent(worker, steady)),
            ]


def intents_at(settings: Settings, source: str, results: str, per_s: int, seconds: int) -> Steady:
    """Intents of one customer each, as in `drain`."""
    items = [(load.accepted(i[1]).id, i) for i in load.mixed(per_s * seconds, 50_000, seed=11)]
    return Steady(settings, source, results, items, id_of=intent_of, per_s=per_s)


def spent(program: Program, steady: Steady) -> tuple[str, str]:
    """The share of a core that was used, and for each record."""
    since = steady.began + LEAVE_OUT_S
    cpu_s = program.cpu_s(since, steady.ended)
    if cpu_s is None:
        return "not measured", "processor time not known on this system"
    span_s = steady.ended - since
    each_us = cpu_s / (span_s * PER_S) * 1e6
    return f"{cpu_s / span_s:.0%}", f"{each_us:.0f} µs of processor an intent"
