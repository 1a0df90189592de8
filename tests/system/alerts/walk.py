"""Watch real workers with a real Prometheus, our rules and the dashboard's queries.

`python -m tests.system.alerts.walk [--seconds N] [--every S] HOST:PORT …` scrapes these workers,
tells when an alert begins or ends, and last says of every query of the dashboard whether it gave
data. Exit status 1 if a rule failed. It must never change anything.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.alerts.queries import queries
from tests.system.alerts.server import PrometheusServer
from tests.system.alerts.tools import ToolsMissingError, tool

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOK_S = 1.0
SAMPLES_A_RATE = 4


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.system.alerts.walk")
    parser.add_argument("--seconds", type=float, default=120, help="how long to watch")
    parser.add_argument("--every", type=float, default=5, help="seconds between two scrapes")
    parser.add_argument("workers", nargs="+", metavar="HOST:PORT")
    asked = parser.parse_args(arguments)
    try:
        program = tool("prometheus")
    except ToolsMissingError as error:
        _say(str(error))
        return 2
    with (
        tempfile.TemporaryDirectory() as name,
        PrometheusServer(program, Path(name), asked.workers, asked.every) as server,
    ):
        _say(f"Prometheus is at http://{server.address}, scraping {', '.join(asked.workers)}")
        watch(server, asked.seconds)
        _say(table(server, f"{round(SAMPLES_A_RATE * asked.every)}s"))
        return report_rules(server)


def watch(server: PrometheusServer, seconds: float) -> None:
    """Tell of every alert that begins, fires or ends."""
    before: dict[str, str] = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = server.alerts()
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                _say(f"{time.strftime('%H:%M:%S')}  {name}: {now.get(name, 'over')}")
        before = now
        time.sleep(LOOK_S)


def table(server: PrometheusServer, window: str) -> str:
    """For each query of the dashboard how many series it gives now, and the largest value."""
    lines = []
    for title, expression in queries(window=window):
        series = server.query(expression)
        values = [float(one["value"][1]) for one in series]
        numbers = [value for value in values if value == value]  # noqa: PLR0124 (a NaN is not)
        shown = (
            f"{max(numbers):>14,.3f}" if numbers else f"{'no data' if not values else 'NaN':>14}"
        )
        lines.append(f"{title:<46}{len(series):>4} series{shown}")
    return "\n".join(lines)


def report_rules(server: PrometheusServer) -> int:
    rules = server.rules()
    failed = [rule for rule in rules if rule["health"] != "ok"]
    for rule in failed:
        _say(f"{rule['name']}: {rule.get('lastError', rule['health'])}")
    _say(f"{len(rules) - len(failed)} of {len(rules)} rules are well")
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
