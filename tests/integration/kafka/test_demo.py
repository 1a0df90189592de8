from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from streams.demo.day import Day
from streams.demo.show import perform
from streams.settings import Settings
from tests.support.workers import DECORUM, free_address, inherited

if TYPE_CHECKING:
    from pathlib import Path

    from streams.local.kafka import LocalKafka

FAST = 9_000
"""Thirty hours in twelve seconds: the worker is down for a good part of them."""


@pytest.mark.slow
def test_a_small_day_with_a_kill_balances(
    kafka: LocalKafka, prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(kafka=kafka.bootstrap, prefix=prefix, partitions=2, http=free_address())

    picture = tmp_path / "day.png"

    assert perform(settings, Day(customers=200, accounts=6), FAST, tmp_path, picture) == 0

    said = capsys.readouterr().out
    assert "kill -9" in said
    assert "killed 1 × on purpose, died 0 × by itself" in said
    assert "FAULT" not in said
    assert int(numbers(said, r"ok +(\S+) asked = ")) > 500
    assert int(numbers(said, r"Contacts +(\S+) told")) > 5_000
    assert "× account_ceiling" in said
    assert f"Picture  {picture}" in said
    assert picture.read_bytes().startswith(b"\x89PNG")


def numbers(said: str, pattern: str) -> str:
    found = re.search(pattern, said)
    assert found, said
    return found[1].replace(",", "")


def test_a_cluster_out_of_reach_is_one_line(tmp_path: Path) -> None:
    nowhere = {"DECORUM_KAFKA": free_address(), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*DECORUM, "demo"],
        env=inherited() | nowhere,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("decorum: ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
