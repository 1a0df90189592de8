from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import orjson
import pytest
from click.testing import CliRunner, Result

from streams import __version__
from streams.cli import main
from streams.local.kafka import free_port
from streams.resources import schema_path

if TYPE_CHECKING:
    from pathlib import Path


SIGNS = re.compile(r"\^|\\[A-Za-z]|\[\^|\(\?|\]\{|regex|pattern", re.IGNORECASE)
"""What a regular expression has, and no sentence."""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), prog_name="decorum")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """Controls that would have been published: (key, value)."""
    caught: list[tuple[str, bytes]] = []

    async def catch(_: object, scope: str, event: bytes) -> None:
        caught.append((scope, event))

    monkeypatch.setattr("streams.admin.controls.publish", catch)
    return caught


def control(*arguments: str) -> Result:
    return run("control", *arguments, "--by", "ops/lin", "--why", "complaints")


def test_help_names_every_command() -> None:
    said = run("--help").output
    for command in ("topics", "worker", "policy", "control", "acls", "kafka", "demo"):
        assert f"\n  {command} " in said
    assert "DECORUM_SETTINGS" in said


@pytest.mark.parametrize(
    "command",
    [
        ["topics"],
        ["worker"],
        ["policy", "check"],
        ["policy", "publish"],
        ["control"],
        ["acls"],
        ["kafka"],
        ["demo"],
    ],
)
def test_every_command_has_help(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: decorum {' '.join(command)}")


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streams", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"decorum, version {__version__}\n"


@pytest.mark.parametrize("command", ["topics", "worker", "demo"])
def test_wrong_settings_stop_the_start_with_a_line_each(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("DECORUM_PARTITIONS", "many")
    monkeypatch.setenv("DECORUM_HTTP", "here")

    result = run(command)

    assert result.exit_code == 2
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        ["decorum", "DECORUM_PARTITIONS"],
        ["decorum", "DECORUM_HTTP"],
    ]


@pytest.fixture
def _out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECORUM_KAFKA", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr("streams.logs.configure_logs", lambda: None)


@pytest.mark.usefixtures("_out_of_reach")
def test_a_cluster_out_of_reach_is_one_line() -> None:
    result = run("topics")

    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("decorum: Kafka: ")


@pytest.mark.usefixtures("_out_of_reach")
def test_a_worker_waits_for_its_cluster_and_then_ends_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.runtime.clients.CONNECT_PATIENCE_S", 1.0)
    result = run("worker")

    assert result.exit_code == 1
    # The client's own log comes before it.
    assert result.stderr.splitlines()[-1].startswith("decorum: Kafka: ")


def test_a_control_is_published_under_its_scope(sent: list[tuple[str, bytes]]) -> None:
    result = control("pause", "acme/campaign/spring", "--for", "30m")

    assert result.exit_code == 0, result.output
    ((key, value),) = sent
    assert key == "acme/campaign/spring"
    event = orjson.loads(value)
    assert event["type"] == "decorum.control.v1"
    data = event["data"]
    assert data.pop("until_ms") % 1_000 >= 0
    assert data == {
        "action": "pause",
        "scope": "acme/campaign/spring",
        "by": "ops/lin",
        "why": "complaints",
    }


def test_without_an_end_it_holds_until_resume(sent: list[tuple[str, bytes]]) -> None:
    assert control("brake", "*").exit_code == 0
    assert "until_ms" not in orjson.loads(sent[0][1])["data"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["pause", "acme/shop/7"],
        ["pause", "acme/kind/telegram"],
        ["pause", ""],
        ["stop", "acme"],
        ["pause", "acme", "--for", "soon"],
        ["pause", "acme", "--for", "30"],
    ],
)
def test_what_a_worker_would_refuse_is_not_sent(
    sent: list[tuple[str, bytes]], arguments: list[str]
) -> None:
    result = control(*arguments)
    assert result.exit_code == 2
    assert result.stderr
    assert sent == []


@pytest.mark.rule("R1.19")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["pause", "acme/broadcast"],
            'SCOPE: "acme/broadcast" is not a scope; write * (everything)',
        ),
        (["pause", "acme/broadcast"], "ENTERPRISE/kind/KIND, as in acme/account/xiaoer-08"),
        (["pause", "acme/kind/sms"], "KIND is one of direct, broadcast, moment, friend_request, "),
        (["pause", "acme/kind/Broadcast"], 'SCOPE: "acme/kind/Broadcast" is not a scope'),
        (["stop", "acme"], "'pause', 'resume', 'brake'"),
        (["pause", "acme", "--for", "30"], '--for: "30" is not a duration; write a whole number'),
        (["pause", "acme", "--why", ""], "--why: is empty"),
        (["pause", "acme", "--by", "x" * 129], "--by: 129 characters are more than 128, the most"),
    ],
)
def test_what_is_wrong_with_a_control_is_said_in_words(arguments: list[str], says: str) -> None:
    said = " ".join(run("control", "--by", "me", "--why", "so", *arguments).stderr.split())
    assert says in said
    assert not SIGNS.search(said)
    assert "did you mean" not in said


def test_a_control_needs_who_and_why(sent: list[tuple[str, bytes]]) -> None:
    assert run("control", "pause", "acme", "--by", "me").exit_code == 2
    assert run("control", "pause", "acme", "--why", "x").exit_code == 2
    assert sent == []


@pytest.mark.parametrize("command", ["check", "publish"])
def test_a_broken_policy_is_told_fault_by_fault(tmp_path: Path, command: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("policy: x\nversion: 0\nwindow: []\n", encoding="utf-8")

    result = run("policy", command, str(file))

    assert result.exit_code == 1
    told = result.stderr.splitlines()
    assert any(line.startswith("decorum: version: ") for line in told)
    assert any(line.startswith("decorum: window: ") for line in told)


async def no_faults(_: object) -> list[str]:
    return []


def test_a_worker_does_not_start_with_a_broken_policy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("policy: x\nversion: 0\n", encoding="utf-8")
    monkeypatch.setenv("DECORUM_POLICY", str(file))
    monkeypatch.setattr("streams.logs.configure_logs", lambda: None)
    monkeypatch.setattr("streams.admin.topics.check", no_faults)

    result = run("worker")

    assert result.exit_code == 2
    assert result.stderr
    assert all(line.startswith("decorum: DECORUM_POLICY: ") for line in result.stderr.splitlines())


def test_the_packaged_policy_is_good() -> None:
    result = run("policy", "check", str(schema_path("policies", "wecom.yaml")))
    assert result.exit_code == 0, result.output
    assert result.output.endswith("wecom.yaml: good\n")


def test_kafka_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    result = run("kafka", "--dir", str(tmp_path), "--port", str(free_port()))

    assert result.exit_code == 1
    assert result.stderr.startswith("decorum: Java is missing")
