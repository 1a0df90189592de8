"""The plan of faults, and the clock that some of them step."""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from tests.system.chaos.faults import ALIBI_S, Counts, plan, unexplained
from tests.system.chaos.table import FAULTS
from tests.system.chaos.worker import LOOK_S, SteppedClock, set_ahead

if TYPE_CHECKING:
    from pathlib import Path

ONE_OF_EACH = Counts(*[1] * len(Counts._fields))
STEP_MS = 90_000


def test_a_plan_holds_every_fault_as_often_as_it_was_asked_for() -> None:
    counts = ONE_OF_EACH._replace(kills=5)
    faults = plan(Random(1), counts, workers=2)
    assert Counter(fault.kind for fault in faults) == Counter(counts._asdict())
    assert faults == plan(Random(1), counts, workers=2) != plan(Random(2), counts, workers=2)


def test_every_fault_has_its_name_in_the_table() -> None:
    assert FAULTS.keys() == set(Counts._fields)


def test_a_clock_steps_as_its_file_says_and_back(tmp_path: Path) -> None:
    clock = SteppedClock(tmp_path / "clock")
    for ahead_ms in (0, STEP_MS, 0, -STEP_MS):
        set_ahead(tmp_path / "clock", ahead_ms)
        time.sleep(LOOK_S)  # it looks no oftener
        right_ms = time.time_ns() // 1_000_000
        assert abs(clock() - ahead_ms - right_ms) < STEP_MS / 10
        assert abs(clock.seconds_until(right_ms + ahead_ms)) < STEP_MS / 10_000


def test_only_what_may_end_a_worker_explains_that_one_ended() -> None:
    fell = [(100.0, 0)]
    assert unexplained(fell, [("broker", 90.0)]) == []
    nothing_deadly = [("kills", 99.0), ("behind", 99.0)]
    assert len(unexplained(fell, nothing_deadly)) == 1
    assert len(unexplained(fell, [("broker", 100.5), ("cuts", 100.0 - ALIBI_S)])) == 1
