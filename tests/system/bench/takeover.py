"""How long customers wait when one of two workers is killed.

Two workers share a core under a steady load; one gets SIGKILL. What is told is the longest wait of
any intent.
"""

from __future__ import annotations

import asyncio
import statistics
from typing import TYPE_CHECKING, Final

from tests.system.bench.cluster import make_topics
from tests.system.bench.latency import intents_at
from tests.system.bench.load import MORNING_MS
from tests.system.bench.report import BenchError, Row

if TYPE_CHECKING:
    from streams.settings import Settings
    from tests.system.bench.program import Worker
    from tests.system.bench.run import Run
    from tests.system.bench.steady import Steady

PER_S: Final = 400
BEFORE_S: Final = 5
AFTER_S: Final = 20


async def run(run: Run) -> list[Row]:
    rounds = run.choose(3, 1)
    rows: list[Row] = []
    for static in (False, True):
        waits = [await _round(run, static=static) for _ in range(rounds)]
        rows.append(_row(waits, static=static))
    return rows


def _row(waits: list[float], *, static: bool) -> Row:
    name = "static, restarted at once" if static else "the other worker takes over"
    times = f"{len(waits)} kills at {PER_S} intents/s" if len(waits) > 1 else "one kill"
    said = f"{statistics.median(waits):.1f} s (worst {max(waits):.1f})"
    return Row("takeover", f"{name}: longest wait of an intent", said, f"median of {times}")


async def _round(run: Run, *, static: bool) -> float:
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
) -> float:
    if loading.done():
        loading.result()
        raise BenchError("the load ended before the kill")
    killed.kill()
    run.say(f"takeover: killed one of two workers{', and started it again' if static else ''}")
    again = _member(run, settings, "b", static=True) if static else None
    try:
        await loading
    finally:
        if again:
            await again.stop()
    return max(steady.waits_s(0))


def _member(run: Run, settings: Settings, name: str, *, static: bool) -> Worker:
    instance = name if static else None
    return run.worker(settings.model_copy(update={"instance": instance}), MORNING_MS)
