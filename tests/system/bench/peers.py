"""Our runtime beside Kafka Streams: the same toy rule, records, broker, cores and minutes.

Kafka Streams runs exactly-once (version 2) with one thread, committing every 100 ms, once with its
default store on disk and once with its store in memory, which is nearer to ours. Every answer of
either is held to the naive model. Then our real stages on their own load, for what the full policy
costs beyond the toy.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.system.bench import drain, toy
from tests.system.bench.cluster import ARRIVAL, committed, fill, make, read
from tests.system.bench.jvm import kstreams_command
from tests.system.bench.latency import LEAVE_OUT_S, PER_S, spent
from tests.system.bench.program import Program
from tests.system.bench.report import BenchError, Row, counted, latencies
from tests.system.bench.steady import Steady
from tests.system.bench.throughput import throughput

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka import ConsumerRecord

    from streams.settings import Settings
    from tests.system.bench.run import Run
    from tests.system.bench.throughput import Throughput

PATIENCE_S: Final = 600.0
OURS: Final = "our runtime, the toy rule"
STREAMS: Final = "Kafka Streams"


class Measured(NamedTuple):
    """One engine on the toy rule."""

    rate: Throughput
    memory_bytes: int
    waits: str
    core: tuple[str, str]


async def run(run: Run) -> list[Row]:
    count, customers = run.choose(500_000, 20_000), run.choose(100_000, 5_000)
    kstreams_command()  # builds it before anything is measured
    ours = await _toy(run, _lane, count, customers)
    disk = await _toy(run, _kstreams(run, "rocksdb"), count, customers)
    memory = await _toy(run, _kstreams(run, "memory"), count, customers)
    stage = await drain.customer_stage(run, count, customers)
    both = await drain.both_stages(run, count, customers)
    rates = {
        f"{STREAMS}, exactly-once, RocksDB": disk.rate,
        f"{STREAMS}, exactly-once, in memory": memory.rate,
        OURS: ours.rate,
        "our customer stage, policy wecom": stage.rate,
        "our two stages, policy wecom": both.rate,
    }
    best = max(disk.rate, memory.rate, key=lambda rate: rate.per_s or 0.0)
    how = f"{counted(count)} records, {counted(customers)} customers"
    rows = [
        Row("peers", f"{name}: decisions", rate.result(), _against(rate, best, how))
        for name, rate in rates.items()
    ]
    engines = {f"{STREAMS}, RocksDB": disk, f"{STREAMS}, in memory": memory, OURS: ours}
    return rows + [row for name, engine in engines.items() for row in _live(name, engine)]


def _against(rate: Throughput, best: Throughput, how: str) -> str:
    return f"{rate.times(best)}, against {STREAMS} at its best; {rate.cost()}; {how}"


def _live(name: str, engine: Measured) -> list[Row]:
    memory = f"{engine.memory_bytes / 2**20:.0f} MiB after the topic"
    share, each = engine.core
    return [
        Row("peers", f"{name}: p50 / p95 / p99 / max", engine.waits, f"at {counted(PER_S)}/s"),
        Row("peers", f"{name}: core at that rate", share, f"{each}; {memory}"),
    ]


async def _toy(
    run: Run, start: Callable[[Run, Settings], Program], count: int, customers: int
) -> Measured:
    """A full topic first; then, on the warm program, a steady rate."""
    async with run.corner("peers") as settings:
        source, results = settings.prefix + toy.SOURCE, settings.prefix + toy.RESULTS
        compact = {"cleanup.policy": "compact"}
        topics = {source: {}, results: ARRIVAL, settings.prefix + toy.CHANGELOG: compact}
        await make(settings, topics)
        await fill(settings, source, toy.wishes(count, customers, seed=5))
        run.say(f"peers: {counted(count)} records wait")
        async with start(run, settings) as program:
            await committed(settings, results, count, program, PATIENCE_S)
            memory_bytes = program.resident_bytes()
            arrived_ms = await _checked(settings, results, count, customers)
            rate = throughput(arrived_ms, program)
            steady = _steady(settings, source, results, run.choose(30, 16), customers)
            await steady.run()
            waits = latencies(steady.waits_s(LEAVE_OUT_S))
            return Measured(rate, memory_bytes, waits, spent(program, steady))


def _steady(settings: Settings, source: str, results: str, seconds: int, customers: int) -> Steady:
    items = [
        (f"6-{number:08d}", item)
        for number, item in enumerate(
            toy.wishes(PER_S * seconds, customers, seed=6, began_ms=toy.LATER_MS)
        )
    ]
    return Steady(settings, source, results, items, id_of=_id_of, per_s=PER_S)


def _id_of(value: bytes) -> str:
    return toy.read_answer(value).id


async def _checked(settings: Settings, results: str, count: int, customers: int) -> list[int]:
    """When each answer arrived. Raises BenchError unless all are there once, and right."""
    due = toy.expected(toy.wishes(count, customers, seed=5))
    arrived_ms: list[int] = []

    def see(record: ConsumerRecord[bytes, bytes]) -> None:
        answer = toy.read_answer(record.value or b"")
        said = answer.allowed, answer.reason, answer.remaining, answer.eligible_at_ms
        if due.pop(answer.id, None) != said:
            raise BenchError(f"a wrong or second answer to {answer.id}: {said}")
        arrived_ms.append(record.timestamp)

    await read(settings, results, see)
    if due:
        raise BenchError(f"{len(due)} of {count} records have no answer")
    return arrived_ms


def _lane(run: Run, settings: Settings) -> Program:
    command = [sys.executable, "-m", "tests.system.bench.toy", settings.kafka, settings.prefix]
    return Program(command, run.scratch / f"{settings.prefix}toy.log", run.worker_cores)


def _kstreams(run: Run, store: str) -> Callable[[Run, Settings], Program]:
    def start(_: Run, settings: Settings) -> Program:
        directory = str(run.scratch / f"{settings.prefix}state")
        command = kstreams_command(settings.kafka, settings.prefix, directory, store)
        log = run.scratch / f"{settings.prefix}kstreams.log"
        return Program(command, log, run.worker_cores)

    return start
