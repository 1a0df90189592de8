"""What a worker serves is in order by Prometheus's own lint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.alerts.test_walk import Worker

if TYPE_CHECKING:
    from tests.system.alerts.conftest import Promtool


def test_promtool_finds_nothing_to_say(promtool: Promtool) -> None:
    done = promtool("check", "metrics", stdin=Worker().metrics().decode())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_promtool_would_find_a_counter_without_total(promtool: Promtool) -> None:
    bad = "# HELP decorum_things Things.\n# TYPE decorum_things counter\ndecorum_things 1\n"
    assert promtool("check", "metrics", stdin=bad).returncode != 0
