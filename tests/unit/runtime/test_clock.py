from __future__ import annotations

import math

import pytest

from streams.runtime import clock as clock_module
from streams.runtime.clock import FastClock


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The machine's clock, to be set."""
    now = [1_000_000]
    monkeypatch.setattr(clock_module, "real_ms", lambda: now[0])
    return now


def test_it_stands_still_until_it_is_begun(machine: list[int]) -> None:
    clock = FastClock(5_000, 100)
    machine[0] += 60_000
    assert clock() == 5_000
    assert clock.seconds_until(5_001) == math.inf
    assert clock.seconds_until(5_000) == 0


def test_it_runs_so_many_times_as_fast(machine: list[int]) -> None:
    clock = FastClock(5_000, 1_800)
    clock.begin(machine[0])
    machine[0] += 2_000
    assert clock() == 5_000 + 3_600_000
    assert clock.seconds_until(clock() + 1_800_000) == 1.0
    assert clock.seconds_until(clock() - 1_800_000) == -1.0


def test_processes_that_begin_it_alike_agree(machine: list[int]) -> None:
    one, other = FastClock(0, 60, machine[0] - 1_000), FastClock(0, 60)
    other.begin(machine[0] - 1_000)
    assert one() == other() == 60_000


def test_it_never_shows_a_time_before_its_start(machine: list[int]) -> None:
    assert FastClock(5_000, 10, began_real_ms=machine[0] + 1)() == 5_000


def test_it_knows_what_it_showed_before(machine: list[int]) -> None:
    clock = FastClock(5_000, 100, began_real_ms=machine[0])
    machine[0] += 60_000
    assert clock.at(1_000_007) == 5_700
    assert clock.at(999_999) == 5_000
