"""What a worker tells of how its stages stand."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from streams.runtime.inbox import Inbox
from streams.runtime.snapshot import snapshot_of
from streams.runtime.state import State
from tests.unit.runtime.toy import arrived

if TYPE_CHECKING:
    import pytest


def filled(**timestamps: list[int]) -> Inbox:
    inbox = Inbox(timestamps)
    for topic, times in timestamps.items():
        if times:
            inbox.add(topic, [arrived(topic, offset, time) for offset, time in enumerate(times)])
    return inbox


def test_the_oldest_record_of_all_topics_is_known() -> None:
    assert filled(intents=[500, 600], news=[400, 900]).oldest_ms == 400
    assert filled(intents=[500, 600], news=[]).oldest_ms == 500


def test_where_nothing_waits_there_is_no_oldest() -> None:
    assert filled(intents=[], news=[]).oldest_ms is None
    inbox = filled(intents=[500])
    inbox.take()
    assert inbox.oldest_ms is None


def unit(*inboxes: Inbox, first: int = 0, **differs: Any) -> Any:
    """A unit of partitions `first` and on, without state."""
    partitions = {
        number: SimpleNamespace(inbox=inbox, state=State())
        for number, inbox in enumerate(inboxes, first)
    }
    usual = {"is_accepting": True, "restore_seconds": None, "progress_at": 100.0}
    waiting = sum(inbox.waiting for inbox in inboxes)
    here = {"numbers": tuple(partitions), "partitions": partitions, "waiting": waiting}
    return SimpleNamespace(**here | usual | differs)


def test_a_stage_is_as_far_behind_as_its_furthest_partition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000.0)
    one = unit(filled(intents=[990_000]), filled(intents=[]), progress_at=99.5)
    two = unit(filled(intents=[970_000, 999_000]), first=2, is_accepting=False, progress_at=7.0)
    stage = snapshot_of([one, two], {5, 4}, now=101.0)

    assert (stage.assigned, stage.accepting) == ((0, 1, 2), (0, 1))
    assert stage.warming == (4, 5)
    assert stage.waiting_records == 3
    assert stage.waiting_age_seconds == 30.0
    assert stage.progress_age_seconds == 1.5  # what is being restored stands still, and rightly
    assert snapshot_of([two], (), now=101.0).progress_age_seconds == 0


def test_a_record_from_a_clock_ahead_of_ours_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000.0)
    assert snapshot_of([unit(filled(intents=[1_000_500]))], (), 101.0).waiting_age_seconds == 0
    assert snapshot_of([], (), 101.0).waiting_age_seconds == 0
