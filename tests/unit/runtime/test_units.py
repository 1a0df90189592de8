from __future__ import annotations

import pytest
from aiokafka import TopicPartition

from streams.runtime.units import UNIT_SIZE, Units, members, unit_count, unit_of
from tests.unit.runtime.toy import Alarm, Count

COUNTS = [1, 2, 3, 5, 8, 16, 31, 32, 33, 100, 1024]


@pytest.mark.parametrize("partitions", COUNTS)
def test_each_partition_is_a_member_of_one_unit_the_one_that_it_is_told(partitions: int) -> None:
    found = [(n, unit) for unit in range(unit_count(partitions)) for n in members(unit, partitions)]
    assert sorted(found) == [(n, unit_of(n, partitions)) for n in range(partitions)]


@pytest.mark.parametrize("partitions", COUNTS)
def test_units_are_never_empty_nor_too_large_and_differ_by_one_at_most(partitions: int) -> None:
    sizes = [len(members(unit, partitions)) for unit in range(unit_count(partitions))]
    assert min(sizes) >= 1
    assert max(sizes) <= UNIT_SIZE
    assert max(sizes) - min(sizes) <= 1


def test_a_partition_more_than_fits_makes_a_unit_more() -> None:
    assert [unit_count(n) for n in (1, UNIT_SIZE, UNIT_SIZE + 1)] == [1, 1, 2]


def test_a_topic_that_nobody_knows_yet_has_one_unit_without_members() -> None:
    assert unit_count(0) == 1
    assert not members(0, 0)


UNITS = Units((Count(sources=("in", "also")), Alarm()), {"count": 2 * UNIT_SIZE, "alarm": 1})
EVEN = range(0, 2 * UNIT_SIZE, 2)
UNIT_0 = {TopicPartition(topic, number) for topic in ("in", "also") for number in EVEN}


def test_a_unit_is_found_by_the_partitions_of_its_sources_and_back() -> None:
    assert UNITS.keys([("in", 2), ("also", 1), ("alarms", 0)]) == {
        ("count", 0),
        ("count", 1),
        ("alarm", 0),
    }
    assert UNITS.key("count", 3) == ("count", 1)
    assert UNITS.sources(("count", 0)) == UNIT_0
    assert UNITS.partitions([("count", 0), ("alarm", 0)]) == {
        ("alarms", 0),
        *(("in", number) for number in EVEN),
    }


def test_units_are_assigned_whole_and_other_topics_are_passed_over() -> None:
    others = {TopicPartition("Faust's own", 0)}
    assert UNITS.whole(UNIT_0 | others) == {("count", 0)}
    assert UNITS.whole(others) == set()
    for missing in UNIT_0:
        with pytest.raises(RuntimeError, match=f"in part.*partition={missing.partition}"):
            UNITS.whole(UNIT_0 - {missing})
