"""`python -m tests.chaos`: workers under load and under fire; exit 0 only if all is clean."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
import uuid
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING

from streams.lane.logs import quieten_libraries
from streams.local.kafka import LocalKafka
from tests.chaos.faults import Counts
from tests.chaos.run import Options, run
from tests.chaos.table import table

if TYPE_CHECKING:
    from argparse import Namespace


def main() -> int:
    """Run as the arguments say."""
    arguments = _parser().parse_args()
    quieten_libraries()
    directory = Path(tempfile.mkdtemp(prefix="decorum-chaos-"))
    broker = LocalKafka(directory / "kafka")
    broker.start()
    began = time.monotonic()

    def say(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {line}\n")

    say(f"logs in {directory}")
    try:
        prefix = f"chaos-{uuid.uuid4().hex[:6]}-"
        result = asyncio.run(
            run(_options(arguments), broker.bootstrap, broker, prefix, directory, say)
        )
    finally:
        broker.stop()
        shutil.rmtree(broker.directory)
    if result.clean:
        shutil.rmtree(directory)
    sys.stdout.write(f"{table(result)}\n")
    return 0 if result.clean else 1


def _options(arguments: Namespace) -> Options:
    return Options(
        counts=Counts(arguments.kills, arguments.zombies, arguments.terms, arguments.broker),
        workers=arguments.workers,
        rate=arguments.rate,
        seconds=arguments.seconds,
        partitions=arguments.partitions,
        customers=arguments.customers,
        zombie_s=arguments.zombie_seconds,
        static=arguments.static,
        seed=arguments.seed,
    )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--workers", type=int, default=2, help="worker processes")
    add("--rate", type=int, default=500, help="records a second")
    add("--kills", type=int, default=20, help="kill -9 of a worker")
    add("--zombies", type=int, default=1, help="a worker frozen, and thawed when others took over")
    add("--zombie-seconds", type=float, default=12.0, help="how long it is frozen")
    add("--terms", type=int, default=2, help="a worker asked to end, as a rolling restart does")
    add("--broker", type=int, default=1, help="kill -9 of the broker, and its restart")
    add("--seconds", type=float, default=0.0, help="the least time the load goes on")
    add("--partitions", type=int, default=8, help="of each keyed topic")
    add("--customers", type=int, default=300, help="few, so that they meet every cap")
    add("--static", choices=["none", "some", "all"], default="some", help="static membership")
    add("--seed", type=int, default=1, help="of the load and of the plan of faults")
    return parser


if __name__ == "__main__":
    sys.exit(main())
