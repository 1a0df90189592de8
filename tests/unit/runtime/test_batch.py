from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from streams.runtime.batch import WHOLE, Batch, Share, decide_batch, merge_writes, seal_progress
from streams.runtime.budget import RECORD_WEIGHT
from streams.runtime.checkpoint import Checkpoint
from streams.runtime.state import CHECKPOINT_KEY, State
from streams.runtime.testing import DriverRecord
from tests.unit.runtime.toy import Alarm, Count, Slow

if TYPE_CHECKING:
    from streams.runtime.stage import Stage


def record(offset: int, value: bytes | None, topic: str = "in", key: bytes = b"k") -> DriverRecord:
    return DriverRecord(topic, 3, offset, 0, key, value)


class Harness:
    def __init__(self, stage: Stage) -> None:
        self.stage, self.state, self.checkpoint = stage, State(), Checkpoint()

    def decide(
        self, *records: DriverRecord, wall_ms: int = 0, share: Share = WHOLE
    ) -> Batch | None:
        return decide_batch(self.stage, 3, self.state, self.checkpoint, records, wall_ms, share)


def written(batch: Batch | None, topic: str) -> dict[bytes | None, bytes | None]:
    assert batch is not None
    return dict(batch.writes[topic, 3])


def test_nothing_to_do_is_no_batch() -> None:
    assert Harness(Count()).decide() is None


def test_outputs_state_and_checkpoint_stand_in_one_batch() -> None:
    batch = Harness(Count()).decide(record(7, b"x"), record(9, b"y"), wall_ms=50)
    assert batch is not None
    assert batch.writes["out", 3] == [(b"k", b"1:x"), (b"k", b"2:y")]
    changes = written(batch, "count-state")
    assert changes[b"k"] == b"2"
    checkpoint = changes[CHECKPOINT_KEY]
    assert checkpoint is not None
    assert Checkpoint.decode(checkpoint) == Checkpoint(50, {"in": 10}, sequence=1)
    assert batch.counters == {("records", "in"): 2}
    assert (batch.records, batch.fired) == (2, 0)


def test_a_tombstone_reaches_the_stage() -> None:
    assert written(Harness(Count()).decide(record(0, None)), "out") == {b"k": b"1:tombstone"}


def test_each_source_has_its_own_checkpoint() -> None:
    here = Harness(Count(sources=("in", "also")))
    here.decide(record(4, b"x"), record(8, b"y", "also"))
    here.decide(record(9, b"z", "also"))
    assert here.checkpoint.next_offset == {"in": 5, "also": 10}


def test_the_clock_never_goes_back() -> None:
    here = Harness(Alarm())
    here.decide(record(0, b"9000 a"), wall_ms=1_000)
    batch = here.decide(record(1, b"9000 b"), wall_ms=400)
    assert written(batch, "rung") == {b"b": b"handled at 1000"}
    assert here.checkpoint.clock_ms == 1_000


def test_timers_fire_before_records_at_the_same_time() -> None:
    here = Harness(Alarm())
    here.decide(record(0, b"10 a"), wall_ms=5)
    batch = here.decide(record(1, b"99 b"), wall_ms=10)
    assert batch is not None
    assert batch.writes["rung", 3] == [(b"a", b"due 10 fired 10"), (b"b", b"handled at 10")]
    assert (batch.records, batch.fired) == (1, 1)


def test_a_timer_set_for_the_past_fires_in_the_next_batch() -> None:
    here = Harness(Alarm())
    first = here.decide(record(0, b"3 late"), wall_ms=5)
    assert first is not None
    assert first.fired == 0
    assert written(here.decide(wall_ms=5), "rung") == {b"late": b"due 3 fired 5"}


def test_a_stage_that_always_sets_a_due_timer_cannot_hold_a_batch_open() -> None:
    stage = Alarm(repeat_ms=0)
    here = Harness(stage)
    stage.repeat_ms = 1
    here.decide(record(0, b"0 tick"), wall_ms=1_000)
    for fired_before in range(3):
        here.decide(wall_ms=1_000)
        assert stage.seen == [1] * (fired_before + 1)


def test_firing_is_bounded_per_batch() -> None:
    here = Harness(Alarm())
    here.decide(*[record(n, b"%d t%d" % (n, n)) for n in range(3)], wall_ms=0)
    assert list(written(here.decide(wall_ms=9, share=Share(timers=2)), "rung")) == [b"t0", b"t1"]
    assert list(written(here.decide(wall_ms=9, share=Share(timers=2)), "rung")) == [b"t2"]
    assert here.decide(wall_ms=9) is None


WEIGHT = RECORD_WEIGHT + 2
"""Of a state record of a toy's key and number."""


def test_records_are_given_out_while_there_is_room_and_one_at_least() -> None:
    here = Harness(Count(tally=False))
    waiting = [record(n, b"x") for n in range(9)]
    for room, taken in ((0, 1), (2 * WEIGHT - 1, 2), (100 * WEIGHT, 6)):
        at = here.checkpoint.next_offset.get("in", 0)
        batch = here.decide(*waiting[at:], share=Share(output=room))
        assert batch is not None
        assert batch.records == taken
        assert here.checkpoint.next_offset["in"] == at + taken
    assert here.state.get(b"k") == b"9"


def test_timers_have_half_of_the_room_and_leave_a_record_its_own() -> None:
    here = Harness(Alarm(frugal=True))
    here.decide(*[record(n, b"%d t%d" % (n, n)) for n in range(5)], wall_ms=0)
    batch = here.decide(record(9, b"99 z"), wall_ms=9, share=Share(output=0))
    assert written(batch, "rung") == {b"z": b"handled at 9"}
    assert here.state.timers == 6
    assert set(written(batch, "alarm-state")) == {b"\0t" + (99).to_bytes(8, "big") + b"z", b"\0w"}
    left = written(here.decide(wall_ms=9), "rung")
    assert list(left) == [b"t0", b"t1", b"t2", b"t3", b"t4"]


def test_batches_are_joined_in_their_order_and_keep_their_own_changelogs() -> None:
    one = Batch({("out", 0): [(b"a", b"1")], ("state", 0): [(b"w", b"0")]}, Counter(), 1, 0)
    two = Batch({("out", 0): [(b"b", b"2")], ("state", 1): [(b"w", b"1")]}, Counter(), 1, 0)
    assert merge_writes([one, two]) == {
        ("out", 0): [(b"a", b"1"), (b"b", b"2")],
        ("state", 0): [(b"w", b"0")],
        ("state", 1): [(b"w", b"1")],
    }


def test_fired_timers_are_deleted_in_the_changelog() -> None:
    here = Harness(Alarm())
    set_there = written(here.decide(record(0, b"10 a"), wall_ms=5), "alarm-state")
    gone_there = written(here.decide(wall_ms=10), "alarm-state")
    (timer,) = set_there.keys() - {CHECKPOINT_KEY}
    assert gone_there[timer] is None


def test_an_exception_passes_through() -> None:
    with pytest.raises(ValueError, match="told to break"):
        Harness(Count()).decide(record(0, b"break"))


def test_progress_without_records_is_a_checkpoint_alone() -> None:
    checkpoint = Checkpoint(5, {"in": 12})
    batch = seal_progress(Count(), 3, State(), checkpoint)
    assert written(batch, "count-state") == {CHECKPOINT_KEY: checkpoint.encode()}
    assert batch.records == 0


def test_a_checkpoint_with_fields_of_a_later_version_is_read() -> None:
    read = Checkpoint.decode(b'{"clock_ms":5,"next_offset":{"in":3},"later":1}')
    assert read == Checkpoint(5, {"in": 3})


def test_the_checkpoint_stands_before_an_unfinished_record() -> None:
    here, waiting = Harness(Slow(sources=("in",))), [record(4, b"a"), record(5, b"bcdef")]
    share = Share(output=2 * RECORD_WEIGHT)
    said, decided = b"", []
    while waiting:
        batch = here.decide(*waiting, share=share)
        assert batch is not None
        said += b"".join(value or b"" for _, value in batch.writes["letters", 3])
        decided.append(batch.records)
        waiting = waiting[batch.records :]
        assert here.checkpoint.next_offset.get("in", 4) == 6 - len(waiting)
    assert said == b"abcdef"
    assert decided == [1, 0, 1]


def test_an_unfinished_record_is_the_last_of_its_batch() -> None:
    here = Harness(Slow(sources=("in",)))
    batch = here.decide(record(0, b"ab"), record(1, b"c"), share=Share(output=1))
    assert batch is not None
    assert batch.writes["letters", 3] == [(b"k", b"a")]
    assert batch.records == 0
    assert here.checkpoint.next_offset == {}
