"""`make bench`: figures of this machine, measured now.

Prints what is done to stderr and one table to stdout. Exit status 1 if a bench failed; the others
are still run. Benches: floor costs drain latency brake restore held takeover rolling, and peers on
request.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.local.kafka import LocalKafka
from tests.system.bench import (
    brake,
    costs,
    drain,
    floor,
    held,
    latency,
    peers,
    restore,
    rolling,
    takeover,
)
from tests.system.bench.machine import Others, describe, divide_cores
from tests.system.bench.report import BenchError, Row, table
from tests.system.bench.run import Run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tests.system.bench.machine import Cores

BENCHES: Final[dict[str, Callable[[Run], Awaitable[list[Row]]]]] = {
    "floor": floor.run,
    "costs": costs.run,
    "drain": drain.run,
    "latency": latency.run,
    "brake": brake.run,
    "restore": restore.run,
    "held": held.run,
    "takeover": takeover.run,
    "rolling": rolling.run,
    "peers": peers.run,
}
IN_MEMORY: Final = {"floor", "costs"}
ON_REQUEST: Final = "peers"


def main() -> int:
    options = _options()
    names = options.only or [name for name in BENCHES if name != ON_REQUEST or options.peers]
    _forget_settings()
    # Leave through the context managers, which end every process that was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    # Clients that wait for a fresh topic's leader say so at every try.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    cores = divide_cores()
    facts = describe(cores)
    print(*facts, sep="\n", file=sys.stderr, flush=True)
    others = Others()
    rows = _measure(names, cores, quick=options.quick, long=options.long)
    facts += [f"others    {others}"]
    size = "QUICK: sizes too small for figures" if options.quick else "full sizes"
    print(*facts, f"sizes     {size}", "", table(rows), sep="\n")
    return any(row.result == FAILED for row in rows)


FAILED: Final = "FAILED"
TERMINATED: Final = 143


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.system.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: only shows that it runs")
    parser.add_argument("--long", action="store_true", help="hold a million intents")
    parser.add_argument(
        "--only", action="append", choices=BENCHES, help="this one; may be repeated"
    )
    parser.add_argument("--peers", action="store_true", help="also measure Kafka Streams (Maven)")
    return parser.parse_args()


def _forget_settings() -> None:
    """What is set for another cluster must not reach a worker here."""
    for name in [name for name in os.environ if name.upper().startswith("DECORUM_")]:
        del os.environ[name]


def _measure(names: Sequence[str], cores: Cores | None, *, quick: bool, long: bool) -> list[Row]:
    """One broker for the whole run; it and this process stay off the worker's core."""
    if cores:
        os.sched_setaffinity(0, cores.others)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="decorum-bench-")))
        broker = LocalKafka(scratch / "kafka")
        in_memory = set(names) <= IN_MEMORY
        if not in_memory:
            stack.enter_context(broker)
        run = Run(broker.bootstrap, scratch, cores, quick, long)
        if not (quick or in_memory):
            asyncio.run(_warm(run))
        return [row for name in names for row in _one(name, run)]


async def _warm(run: Run) -> None:
    """A fresh Java machine compiles itself while it works; that is not what is measured."""
    run.say("warming the broker up")
    await drain.both_stages(run, 100_000, 100_000)


def _one(name: str, run: Run) -> list[Row]:
    print(f"{name} …", file=sys.stderr, flush=True)
    try:
        rows = asyncio.run(_awaited(BENCHES[name](run)))
    except BenchError as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        return [Row(name, "", FAILED, str(error).splitlines()[0])]
    # Told at once as well: a run that is broken off has not been for nothing.
    print(table(rows), file=sys.stderr, flush=True)
    return rows


async def _awaited(work: Awaitable[list[Row]]) -> list[Row]:
    return await work


if __name__ == "__main__":
    sys.exit(main())
