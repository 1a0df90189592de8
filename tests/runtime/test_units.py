from __future__ import annotations

import pytest

from streams.runtime.units import UNIT_SIZE, members, unit_count, unit_of

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
