"""Decisions per second of one worker that finds its topic full.

Through both stages, through the customer stage alone (its candidates written beforehand), and with
intents of 100 customers each, where the account stage weighs little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from streams.topics import CANDIDATES, INTENTS
from tests.system.bench import load
from tests.system.bench.cluster import committed, fill, make_topics, read
from tests.system.bench.report import Row, counted
from tests.system.bench.tally import Tally
from tests.system.bench.throughput import Throughput, throughput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.system.bench.cluster import Item
    from tests.system.bench.run import Run

PATIENCE_S: Final = 600.0


class Drained(NamedTuple):
    """One topic worked off."""

    rate: Throughput
    outcomes: str
    memory_bytes: int


async def run(run: Run) -> list[Row]:
    count, customers = run.choose(300_000, 20_000), run.choose(100_000, 10_000)
    named = f"{counted(count)} intents, {counted(customers)} customers, {load.ACCOUNTS} accounts"
    both = await both_stages(run, count, customers)
    alone = await customer_stage(run, count, customers)
    hundred = await _drained(run, INTENTS, load.campaign(count, each=100), count)
    return [
        _row("both stages", both, f"{named}; {both.outcomes}"),
        _row("both stages, 100 customers an intent", hundred, hundred.outcomes),
        _row("customer stage alone", alone, alone.outcomes),
    ]


def _row(measured: str, drained: Drained, what: str) -> Row:
    memory = f"{drained.memory_bytes / 2**20:.0f} MiB"
    how = f"{drained.rate.cost()}; {memory} after it; {what}"
    return Row("drain", measured, drained.rate.result(), how)


async def both_stages(run: Run, count: int, customers: int) -> Drained:
    return await _drained(run, INTENTS, load.mixed(count, customers), count)


async def customer_stage(run: Run, count: int, customers: int) -> Drained:
    """The account stage runs as well, and has nothing to do."""
    items = load.candidates(load.mixed(count, customers), load.MORNING_MS)
    return await _drained(run, CANDIDATES, items, count)


async def _drained(run: Run, topic: str, items: Iterable[Item], count: int) -> Drained:
    async with run.corner("drain") as settings:
        names = await make_topics(settings)
        await fill(settings, names.physical(topic), items)
        run.say(f"drain: {counted(count)} decisions wait")
        async with run.worker(settings, load.MORNING_MS) as worker:
            await committed(settings, names.decisions, count, worker, PATIENCE_S)
            memory_bytes = worker.resident_bytes()
        counters = Tally()
        await read(settings, names.decisions, counters.see)
        counters.must_answer(count)
        return Drained(throughput(counters.firsts_ms, worker), counters.mix(), memory_bytes)
