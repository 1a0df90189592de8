"""The README, tried: its producer and its sender, as they are printed, on a Kafka of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from streams.local.kafka import LocalKafka
from tests.support.paths import ROOT
from tests.support.waiting import wait_until
from tests.support.workers import DECORUM, free_address, inherited, is_ready

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = ROOT / "README.md"
PATIENCE_S = 60


def _program(name: str) -> str:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    found: list[str] = [block for block in blocks if block.startswith(f"# {name}\n")]
    assert len(found) == 1, f"the README has {len(found)} programs named {name}"
    return found[0]


def _run(program: str, env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def _worker(env: dict[str, str]) -> Iterator[None]:
    subprocess.run([*DECORUM, "topics"], env=env, check=True, capture_output=True)
    worker = subprocess.Popen([*DECORUM, "worker"], env=env, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: is_ready(env["DECORUM_HTTP"]), PATIENCE_S)
        yield
    finally:
        worker.terminate()
        worker.communicate(timeout=PATIENCE_S)


@pytest.mark.usefixtures("kafka_tools")
def test_the_first_intent_becomes_the_first_approved_message(tmp_path: Path) -> None:
    with LocalKafka(tmp_path / "kafka") as broker:
        env = inherited() | {"DECORUM_KAFKA": broker.bootstrap, "DECORUM_HTTP": free_address()}
        with _worker(env):
            _run(_program("producer.py"), env)
            said = _run(_program("sender.py"), env)
    assert said == "sending orders/4711/shipped to wm-1\n"
    assert f"It prints `{said.strip()}`" in README.read_text(encoding="utf-8")
