from __future__ import annotations

import os
import sys
import tempfile
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streams.demo import show
from streams.demo.portrait import portrait_of
from tests.unit.demo.driver import STORY, STORY_POLICY, evidence_of, story

if TYPE_CHECKING:
    from pathlib import Path

    from streams.demo.portrait import Portrait

DAY = STORY


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    found = portrait_of(evidence_of(story()), DAY, STORY_POLICY)
    assert found is not None
    return found


def test_it_shows_the_account_that_has_most_to_tell(portrait: Portrait) -> None:
    assert portrait.account == DAY.rogue
    assert portrait.brake_ms
    assert portrait.red == 0.003


def test_grades_follow_each_other_over_the_whole_day(portrait: Portrait) -> None:
    grades = portrait.grades
    assert (grades[0].begins_ms, grades[-1].ends_ms) == (DAY.start_ms, DAY.end_ms)
    assert all(sooner.ends_ms == later.begins_ms for sooner, later in pairwise(grades))
    assert {"new", "paused", "red"} <= {span.grade for span in grades}


def test_nothing_that_the_brake_stops_is_decided_in_the_pause(portrait: Portrait) -> None:
    (pause, *_) = [span for span in portrait.grades if span.grade == "paused"]
    late_ms = 2 * 60_000  # a sender may still send what was approved just before
    within = [t for t in portrait.marketing_ms if pause.begins_ms + late_ms < t < pause.ends_ms]
    others = [t for t in portrait.other_ms if pause.begins_ms < t < pause.ends_ms]
    assert within == []
    assert others


def test_it_is_drawn_and_said_where(portrait: Portrait, tmp_path: Path) -> None:
    said = show.draw(portrait, tmp_path / "day.png")
    assert str(tmp_path / "day.png") in said
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")


def test_a_place_that_cannot_be_written_is_one_line(portrait: Portrait, tmp_path: Path) -> None:
    said = show.draw(portrait, tmp_path / "missing" / "day.png")
    assert said.startswith("Picture  none: ")
    assert "\n" not in said


def test_without_matplotlib_it_says_how_to_get_it(
    portrait: Portrait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "streams.demo.picture", raising=False)
    monkeypatch.delattr("streams.demo.picture", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'matplotlib" in show.draw(portrait, tmp_path / "day.png")
    assert list(tmp_path.iterdir()) == []


def test_it_goes_where_one_works_or_else_where_it_stays(
    portrait: Portrait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path / show.PICTURE) in show.draw(portrait, None)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(tempfile, "mkdtemp", lambda: str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    show.draw(portrait, None)
    assert (tmp_path / "elsewhere" / show.PICTURE).exists()
