"""How long customers wait when one of two workers is killed.

Two workers share a core under a steady load; one gets SIGKILL. What is told is the longest time in
which some partition of `decisions` got no decision, and the longest wait of any intent.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Final

from tests.bench.cluster import make_topics
from tests.bench.latency import intents_at
from tests.bench.load import MORNING_MS
from tests.bench.report import BenchError, Row

if TYPE_CHECKING:
    from streams.settings import Settings
    from tests.bench.program import Worker
    from tests.bench.run import Run
    from tests.bench.steady import Steady

PER_S: Final = 400
BEFORE_S: Final = 5
AFTER_S: Final = 20


async def run(run: Run) -> list[Row]:
    rounds = run.choose(3, 1)
    rows: list[Row] = []
    for static in (False, True):
        found = [await _round(run, static=static) for _ in range(rounds)]
        rows += _rows(found, static=static)
    return rows


def _rows(found: list[tuple[float, float]], *, static: bool) -> list[Row]:
    name = "static, restarted at once" if static else "the other worker takes over"
    times = f"{len(found)} kills at {PER_S} intents/s" if len(found) > 1 else "one kill"
    gaps, waits = zip(*found, strict=True)
    said = [f"{statistics.median(x):.1f} s (worst {max(x):.1f})" for x in (gaps, waits)]
    return [
        Row("takeover", f"{name}: longest gap of a partition", said[0], f"median of {times}"),
        Row("takeover", f"{name}: longest wait of an intent", said[1], "the same kills"),
    ]


async def _round(run: Run, *, static: bool) -> tuple[float, float]:
    async with run.corner("takeover") as settings:
        names = await make_topics(settings)
        kept, killed = (_member(run, settings, name, static=static) for name in ("a", "b"))
        async with kept, killed:
            await asyncio.gather(kept.ready(), killed.ready())
            steady = intents_at(settings, names.intents, names.decisions, PER_S, BEFORE_S + AFTER_S)
            loading = asyncio.create_task(steady.run())
            await asyncio.sleep(BEFORE_S)
            return await _kill(run, settings, killed, steady, loading, static=static)


async def _kill(
    run: Run,
    settings: Settings,
    killed: Worker,
    steady: Steady,
    loading: asyncio.Task[None],
    *,
    static: bool,
) -> tuple[float, float]:
    if loading.done():
        loading.result()
        raise BenchError("the load ended before the kill")
    killed_at = time.time()
    killed.kill()
    run.say(f"takeover: killed one of two workers{', and started it again' if static else ''}")
    again = _member(run, settings, "b", static=True) if static else None
    try:
        await loading
    finally:
        if again:
            await again.stop()
    return steady.longest_gap_s(killed_at), max(steady.waits_s(0))


def _member(run: Run, settings: Settings, name: str, *, static: bool) -> Worker:
    instance = name if static else None
    return run.worker(settings.model_copy(update={"instance": instance}), MORNING_MS)
