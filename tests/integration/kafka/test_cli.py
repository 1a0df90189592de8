from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka import TopicPartition
from click.testing import CliRunner, Result

from streams.cli import main
from tests.flows.events import data_of
from tests.support.records import first

if TYPE_CHECKING:
    from streams.local.kafka import LocalKafka


@pytest.fixture(autouse=True)
def _on_the_cluster(kafka: LocalKafka, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECORUM_KAFKA", kafka.bootstrap)
    monkeypatch.setenv("DECORUM_PREFIX", prefix)
    monkeypatch.setenv("DECORUM_PARTITIONS", "2")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_topics_creates_checks_and_lists_mismatches(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run("topics")
    assert first.exit_code == 0, first.output
    assert f"created {prefix}outbound-intents\n" in first.output

    second = run("topics")
    assert second.output == "all topics are as they should be\n"

    monkeypatch.setenv("DECORUM_PARTITIONS", "3")
    third = run("topics")
    assert third.exit_code == 1
    assert f"decorum: {prefix}decisions: has 2 partitions, needs 3\n" in third.stderr


def test_a_control_arrives_under_its_scope(kafka: LocalKafka, prefix: str) -> None:
    assert run("topics").exit_code == 0

    result = run("control", "pause", "acme/account/lin", "--by", "ops", "--why", "too loud")

    assert result.exit_code == 0, result.output
    options = {"bootstrap_servers": kafka.bootstrap}
    control = asyncio.run(first(options, TopicPartition(f"{prefix}controls", 0)))
    assert control.key == b"acme/account/lin"
    assert data_of(control)["why"] == "too loud"
