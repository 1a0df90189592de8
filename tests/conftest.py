"""What every test may use: a real Kafka, a prefix of its own, an environment without settings."""

from __future__ import annotations

import os
import uuid
import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from streams.local.jars import LocalKafkaError, find_java, jars_directory
from streams.local.kafka import LocalKafka
from streams.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

# What flows expect is asserted in modules that are not tests: let pytest explain those as well.
pytest.register_assert_rewrite("tests.flows", "tests.properties.accounts")

# The tests' own clocks go by the zones that the engine goes by, whatever the machine has.
zoneinfo.reset_tzpath(to=())

# Read at import: each test runs without our variables in its environment.
CLUSTER = os.environ.get("DECORUM_KAFKA")
MUST_RUN = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

_not_run: list[str] = []

# The machines are shared: how long an example takes says nothing about the code. And a run must
# not fail for an example that the run before did not try.
settings.register_profile(
    "decorum", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("decorum")


@dataclass(frozen=True)
class Cluster:
    """A Kafka cluster that somebody else runs."""

    bootstrap: str


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def kafka_tools() -> None:
    """Java and the broker's jars; without them the test fails in CI and is skipped elsewhere."""
    try:
        find_java()
        jars_directory()
    except LocalKafkaError as error:
        if MUST_RUN:
            pytest.fail(f"a test needs Kafka: {error}")
        _not_run.append(str(error))
        pytest.skip(f"NOT RUN: {error}")


@pytest.fixture(scope="session")
def kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalKafka | Cluster]:
    """One real Kafka for the whole run; `.bootstrap` is its address. Use `prefix` on it."""
    if CLUSTER:
        yield Cluster(CLUSTER)
        return
    request.getfixturevalue("kafka_tools")
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def prefix() -> str:
    """A prefix for topics, groups and transactional ids that no other test has."""
    return f"t-{uuid.uuid4().hex[:10]}-"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Nobody should take a run without Kafka for a full one."""
    for reason in _not_run[:1]:
        terminalreporter.section("TESTS AGAINST KAFKA DID NOT RUN", red=True, bold=True)
        terminalreporter.line(reason)
