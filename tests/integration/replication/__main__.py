"""`python -m tests.integration.replication`: nodes of a replicated cluster die under load; then
workers die on changelogs that are cleaned all the time. Exit 0 only if all is clean.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import tempfile
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.logs import configure_logs
from tests.integration.replication import compaction
from tests.integration.replication import run as failover
from tests.integration.replication.cleaned import cleaned_table
from tests.integration.replication.compaction import cleaning_broker
from tests.integration.replication.faults import KINDS
from tests.integration.replication.table import table
from tests.support.progress import stopwatch

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

PARTS: Final = ("failover", "compaction")


def main() -> int:
    """Run as the arguments say."""
    arguments = _parser().parse_args()
    configure_logs(logging.WARNING)
    directory = Path(tempfile.mkdtemp(prefix="decorum-replication-"))
    say = stopwatch()
    say(f"logs in {directory}")
    parts = {"failover": _failover, "compaction": _compaction}
    clean = [parts[part](arguments, directory, say) for part in arguments.parts]
    if all(clean):
        shutil.rmtree(directory)
    return 0 if all(clean) else 1


def _failover(arguments: Namespace, directory: Path, say: Callable[[str], None]) -> bool:
    options = failover.Options(
        deaths=tuple(arguments.deaths) * arguments.rounds,
        workers=arguments.workers,
        rate=arguments.rate,
        partitions=arguments.partitions,
        customers=arguments.customers,
        seed=arguments.seed,
    )
    result = asyncio.run(failover.run(options, directory, say))
    sys.stdout.write(f"{table(result)}\n\n")
    return result.clean


def _compaction(arguments: Namespace, directory: Path, say: Callable[[str], None]) -> bool:
    options = compaction.Options(
        kills=arguments.kills,
        rate=arguments.rate,
        partitions=arguments.partitions,
        customers=arguments.customers,
        seed=arguments.seed,
    )
    logs = directory / "compaction"
    logs.mkdir()
    with cleaning_broker(logs / "kafka") as broker:
        result = asyncio.run(compaction.run(options, broker, logs, say))
    sys.stdout.write(f"{cleaned_table(result)}\n\n")
    return result.clean


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m tests.integration.replication",
        description=__doc__,
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    kinds = "; ".join(f"{kind}: the node that {whom}" for kind, whom in KINDS.items())
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to run")
    add("--deaths", nargs="+", choices=list(KINDS), default=list(KINDS), help=kinds)
    add("--rounds", type=int, default=1, help="how often all of these deaths")
    add("--kills", type=int, default=20, help="of a worker, while changelogs are cleaned")
    add("--workers", type=int, default=2, help="worker processes, while nodes die")
    add("--rate", type=int, default=200, help="records a second")
    add("--partitions", type=int, default=8, help="of each keyed topic")
    add("--customers", type=int, default=200, help="few, so that they meet every cap")
    add("--seed", type=int, default=1, help="of the load and of the kills")
    return parser


if __name__ == "__main__":
    sys.exit(main())
