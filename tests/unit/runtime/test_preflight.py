from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.runtime.failure import StartRefusedError
from streams.runtime.preflight import check_topics
from tests.unit.runtime.toy import Alarm, Count

if TYPE_CHECKING:
    from streams.runtime.stage import Stage

STAGES: list[Stage] = [Count(sources=("in", "also")), Alarm()]
FINE = {"in": 8, "also": 8, "count-state": 8, "alarms": 1, "alarm-state": 1, "out": 3}


def test_stages_may_differ_but_not_within_one() -> None:
    check_topics(STAGES, ["out"], FINE)


def test_missing_topics_are_named_with_the_cure() -> None:
    there = {name: n for name, n in FINE.items() if name not in ("also", "out")}
    with pytest.raises(StartRefusedError, match="this user: also, out: run `decorum topics`"):
        check_topics(STAGES, ["out"], there)


@pytest.mark.parametrize("topic", ["in", "also", "count-state"])
def test_a_stage_whose_topics_differ_in_partitions_is_refused(topic: str) -> None:
    with pytest.raises(StartRefusedError, match=f"stage count .*{topic} has 7"):
        check_topics(STAGES, ["out"], {**FINE, topic: 7})


def test_a_topic_of_two_stages_is_refused() -> None:
    both: list[Stage] = [Count(sources=("in", "alarms")), Alarm()]
    with pytest.raises(StartRefusedError, match="more than one stage: alarms"):
        check_topics(both, [], {**FINE, "alarms": 8, "alarm-state": 8})
