"""What a rolling restart costs: three workers under a steady load, each replaced once.

As an upgrade does it: SIGTERM, wait for the end, start anew under the same lasting name, wait until
it is ready, then the next one. What is told is how long intents waited over the whole time: with
hardly anything to remember, and with so many customers that reading them takes seconds.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from tests.system.bench.cluster import make_topics
from tests.system.bench.history import ledgers
from tests.system.bench.latency import LEAVE_OUT_S, intents_at
from tests.system.bench.load import MORNING_MS
from tests.system.bench.report import BenchError, Row, counted, latencies
from tests.system.bench.restore import remember

if TYPE_CHECKING:
    from streams.settings import Settings
    from tests.system.bench.program import Worker
    from tests.system.bench.run import Run

PER_S: Final = 200
NAMES: Final = ("a", "b", "c")
BEFORE_S: Final = 5
PAUSE_S: Final = 20


async def run(run: Run) -> list[Row]:
    customers, sample = run.choose(500_000, 20_000), run.choose(10_000, 1_000)
    return [await _rolled(run, [], 0), await _rolled(run, ledgers(sample), customers)]


async def _rolled(run: Run, values: list[bytes], customers: int) -> Row:
    seconds = run.choose(120, 60)
    async with run.corner("rolling") as settings, AsyncExitStack() as stack:
        names = await make_topics(settings)
        if customers:
            await remember(settings, names, values, customers)
        workers = [await stack.enter_async_context(_worker(run, settings, n)) for n in NAMES]
        await asyncio.gather(*(worker.ready() for worker in workers))
        steady = intents_at(settings, names.intents, names.decisions, PER_S, seconds)
        loading = asyncio.create_task(steady.run())
        await asyncio.sleep(BEFORE_S)
        for name, worker in zip(NAMES, workers, strict=True):
            run.say(f"rolling: replacing worker {name}")
            await worker.stop()
            await (await stack.enter_async_context(_worker(run, settings, name))).ready()
            await asyncio.sleep(run.choose(PAUSE_S, 3))
        if loading.done():
            loading.result()
            raise BenchError("the load ended before the last worker was replaced")
        await loading
        how = f"3 workers, each replaced once, at {PER_S} intents/s for {seconds} s"
        what = f"intent to decision, {counted(customers)} customers in the state"
        waits = latencies(steady.waits_s(LEAVE_OUT_S))
        return Row("rolling", f"{what}, p50 / p95 / p99 / max", waits, how)


def _worker(run: Run, settings: Settings, name: str) -> Worker:
    """Three workers and a broker on two cores: none has one of its own."""
    member = settings.model_copy(update={"instance": name})
    return run.worker(member, MORNING_MS, anywhere=True)
