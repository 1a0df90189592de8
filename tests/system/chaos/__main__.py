"""`python -m tests.system.chaos`: workers under load and under fire, then noise into everything
that takes bytes; exit 0 only if all is clean.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import tempfile
import traceback
import uuid
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from streams.logs import configure_logs
from tests.properties.fuzz.run import fuzz
from tests.support.progress import stopwatch
from tests.system.chaos.faults import Counts, Lasting
from tests.system.chaos.ghosts import Haunting
from tests.system.chaos.run import Options, run
from tests.system.chaos.site import site
from tests.system.chaos.table import table

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from tests.system.chaos.run import Result


def main() -> int:
    """Run as the arguments say."""
    arguments = _parser().parse_args()
    configure_logs(logging.WARNING)
    directory = Path(tempfile.mkdtemp(prefix="decorum-chaos-"))
    say = stopwatch()
    say(f"logs in {directory}")
    try:
        result = asyncio.run(_trial(_options(arguments), directory, say))
    finally:
        shutil.rmtree(directory / "kafka")
    if result.clean:
        shutil.rmtree(directory)
    sys.stdout.write(f"{table(result)}\n")
    minutes = 0 if arguments.only_ghosts else arguments.fuzz_minutes
    survived = _fuzzed(minutes, arguments.seed, say)
    return 0 if result.clean and survived else 1


async def _trial(options: Options, directory: Path, say: Callable[[str], None]) -> Result:
    haunting = Haunting(Random(options.seed), say)
    place = site(directory / "kafka", options.workers, options.brokers, haunting)
    async with place.cluster:
        return await run(options, place, f"chaos-{uuid.uuid4().hex[:6]}-", directory, say)


def _fuzzed(minutes: float, seed: int, say: Callable[[str], None]) -> bool:
    """Noise into everything that takes bytes; whether all of it was borne."""
    if minutes <= 0:
        return True
    say(f"fuzzing for {minutes:g} minutes")
    try:
        held = fuzz(minutes, seed, say)
    except Exception:  # noqa: BLE001 - whatever a target raises is a finding
        sys.stdout.write(f"bad input           NOT borne:\n{traceback.format_exc()}\n")
        return False
    tried = ", ".join(f"{number:,} × {name}" for name, number in held.items())
    sys.stdout.write(f"bad input borne     {tried}\n")
    return True


def _options(arguments: Namespace) -> Options:
    counts = Counts(**{kind: getattr(arguments, kind) for kind in Counts._fields})
    return Options(
        counts=Counts() if arguments.only_ghosts else counts,
        noise=0 if arguments.only_ghosts else arguments.noise,
        ghosts=arguments.ghosts,
        ghost_every_s=arguments.ghost_seconds,
        brokers=arguments.brokers,
        workers=arguments.workers,
        rate=arguments.rate,
        seconds=arguments.seconds,
        partitions=arguments.partitions,
        customers=arguments.customers,
        lasting=Lasting(zombie_s=arguments.zombie_seconds, step_s=arguments.step_seconds),
        static=arguments.static,
        seed=arguments.seed,
    )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m tests.system.chaos",
        description=__doc__,
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--brokers", type=int, default=3, choices=[1, 2, 3], help="that keep everything")
    add("--workers", type=int, default=2, help="worker processes")
    add("--rate", type=int, default=300, help="records a second")
    add("--kills", type=int, default=20, help="kill -9 of a worker")
    add("--zombies", type=int, default=1, help="a worker frozen, and thawed when others took over")
    add("--zombie-seconds", type=float, default=12.0, help="how long it is frozen")
    add("--terms", type=int, default=2, help="a worker asked to end, as a rolling restart does")
    add("--broker", type=int, default=1, help="kill -9 of the broker, and its restart")
    add("--freezes", type=int, default=2, help="SIGSTOP of the broker, as a disk that hangs")
    add("--slow", type=int, default=2, help="a worker's network slow: delay, jitter, few bytes")
    add("--holds", type=int, default=1, help="a worker's network standing still, then late")
    add("--cuts", type=int, default=1, help="a worker's network cut for more than its session")
    add("--ahead", type=int, default=1, help="a worker's clock stepped ahead, and back")
    add("--behind", type=int, default=1, help="a worker's clock stepped back, and ahead")
    add("--step-seconds", type=float, default=30.0, help="by how much")
    add("--noise", type=int, default=150, help="odd and broken batches on the brokers' log")
    add("--ghosts", type=int, default=200, help="requests of transactions that arrive late")
    add("--ghost-seconds", type=float, default=1.0, help="from one to the next, at the least")
    add("--only-ghosts", action="store_true", help="no other faults, and no noise after")
    add("--seconds", type=float, default=0.0, help="the least time the load goes on")
    add("--partitions", type=int, default=8, help="of each keyed topic")
    add("--customers", type=int, default=300, help="few, so that they meet every cap")
    add("--static", choices=["none", "some", "all"], default="some", help="static membership")
    add("--fuzz-minutes", type=float, default=2.0, help="noise into all that takes bytes, after")
    add("--seed", type=int, default=1, help="of the load, of the plan of faults, of the noise")
    return parser


if __name__ == "__main__":
    sys.exit(main())
