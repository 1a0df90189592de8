"""Rules and queries are tried with Prometheus's own programs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import MUST_RUN
from tests.system.alerts.tools import ToolsMissingError, tool

if TYPE_CHECKING:
    from collections.abc import Callable

    Promtool = Callable[..., subprocess.CompletedProcess[str]]


def _tool(name: str) -> str:
    try:
        return tool(name)
    except ToolsMissingError as error:
        if MUST_RUN:
            pytest.fail(str(error))
        pytest.skip(f"NOT RUN: {error}")


@pytest.fixture(scope="session")
def prometheus() -> str:
    """Path of the server; without it the test fails in CI and is skipped elsewhere."""
    return _tool("prometheus")


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    """Runs promtool with arguments, and perhaps an input; never raises for what it says."""
    path = _tool("promtool")

    def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [path, *arguments], input=stdin, capture_output=True, text=True, check=False
        )

    return run
