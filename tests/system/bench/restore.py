"""How soon a worker that starts is ready, with a million customers to remember.

The changelog is written as the runtime writes it: ledgers of real decisions (`history`) under the
stage's keys, and a checkpoint in each partition. It has no superseded records, as after compaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.events.keys import customer_key
from streams.runtime.checkpoint import Checkpoint
from streams.runtime.state import CHECKPOINT_KEY
from tests.system.bench import load
from tests.system.bench.cluster import fill, make_topics, producer
from tests.system.bench.history import DAYS, ledgers
from tests.system.bench.report import BenchError, Row, counted, quantile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.settings import Settings
    from streams.topics import Topics
    from tests.system.bench.cluster import Item
    from tests.system.bench.run import Run

RECOVERY: Final = 'decorum_recovery_seconds{stage="customer"}'
KEYS: Final = 'decorum_state_keys{stage="customer"}'


async def run(run: Run) -> list[Row]:
    customers, sample = run.choose(1_000_000, 20_000), run.choose(10_000, 1_000)
    values = ledgers(sample)
    run.say(f"restore: {counted(len(values))} ledgers lived through {DAYS} days")
    empty_s, empty_bytes, _ = await _start(run, [], 0)
    full_s, full_bytes, recovery_s = await _start(run, values, customers)
    each = (full_bytes - empty_bytes) / customers
    named = f"{counted(customers)} customers"
    return [
        Row("restore", "process start to ready", f"{full_s:.1f} s", named),
        Row("restore", "the same with nothing to restore", f"{empty_s:.1f} s"),
        Row(
            "restore",
            "changelog records",
            f"{counted(customers / recovery_s)}/s",
            f"the slowest of 8 partitions took {recovery_s:.1f} s",
        ),
        Row("restore", "memory a customer", f"{each:.0f} B", f"key and ledger; {named}"),
        _sizes(values),
    ]


def _sizes(values: list[bytes]) -> Row:
    sizes = sorted(map(len, values))
    points = " / ".join(f"{quantile(sizes, share):.0f}" for share in (0.5, 0.99, 1))
    return Row(
        "restore",
        "ledger, mean; p50 / p99 / max",
        f"{sum(sizes) / len(sizes):.0f}; {points} B",
        f"{counted(len(sizes))} ledgers after {DAYS} days of real decisions",
    )


async def _start(run: Run, values: list[bytes], customers: int) -> tuple[float, int, float]:
    """Seconds to ready, resident bytes then, and seconds of the longest recovery."""
    async with run.corner("restore") as settings:
        names = await make_topics(settings)
        if customers:
            await remember(settings, names, values, customers)
        async with run.worker(settings, load.MORNING_MS) as worker:
            ready_s = await worker.ready()
            resident = worker.resident_bytes()
            recovery_s = worker.metric(RECOVERY)
            keys = worker.metric(KEYS)
            if keys != customers:
                raise BenchError(f"{keys:.0f} of {customers} ledgers were restored")
            return ready_s, resident, recovery_s


async def remember(settings: Settings, names: Topics, values: list[bytes], customers: int) -> None:
    """Write what a customer stage would know of so many customers."""
    await fill(settings, names.customer_state, _changelog(values, customers))
    await _checkpoints(settings, names)


def _changelog(values: list[bytes], customers: int) -> Iterator[Item]:
    for number in range(customers):
        key = customer_key(load.ENTERPRISE, load.customer(number))
        yield key, values[number % len(values)]


async def _checkpoints(settings: Settings, names: Topics) -> None:
    sources = (names.candidates, names.interactions, names.sweeps)
    value = Checkpoint(load.MORNING_MS, dict.fromkeys(sources, 0)).encode()
    async with producer(settings) as client:
        for number in range(settings.partitions):
            await client.send_and_wait(
                names.customer_state, value, key=CHECKPOINT_KEY, partition=number
            )
