"""Units: which partitions of a stage share one transactional producer.

A transaction costs the broker much, whatever is in it, so a few partitions commit together. A unit
is fenced, restored, decided, committed and assigned as a whole: workers share a stage by units.
State and checkpoint stay per partition, and changelogs know nothing of units.

Rules of this file: the division is part of what keeps decisions exact, like a file format. The
transactional ids of one division do not fence those of another, so before a version that changes
it starts, every worker has to be stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.runtime.stage import Stage

UNIT_SIZE: Final = 4  # partitions at most: measured, see docs/benchmarks.md

UnitKey = tuple[str, int]
"""A stage's name and a unit's number."""
StagePartition = tuple[str, int]
"""A stage's first source topic and a partition number."""


def unit_count(partitions: int) -> int:
    """How many units this many partitions make; one if there are none yet."""
    return max(1, -(-partitions // UNIT_SIZE))


def unit_of(partition: int, partitions: int) -> int:
    """The unit, from 0, of a partition number out of `partitions`."""
    return partition % unit_count(partitions)


def members(unit: int, partitions: int) -> range:
    """The partition numbers of a unit, out of `partitions`."""
    return range(unit, partitions, unit_count(partitions))


class Units:
    """All units of these stages: topics and partition numbers to units, and back."""

    def __init__(self, stages: Sequence[Stage], partitions: Mapping[str, int]) -> None:
        """`partitions`: how many each stage has, by its name."""
        self.stages = stages
        self._by_topic = {topic: stage for stage in stages for topic in stage.sources}
        self._by_name = {stage.name: stage for stage in stages}
        self._partitions = partitions

    def stage(self, name: str) -> Stage:
        """The stage of this name. KeyError if there is none."""
        return self._by_name[name]

    def partition_count(self, name: str) -> int:
        """How many partitions the stage of this name has."""
        return self._partitions[name]

    def owns(self, topic: str) -> bool:
        """Whether the topic is a source of a stage."""
        return topic in self._by_topic

    def key(self, name: str, partition: int) -> UnitKey:
        """The unit of a stage's partition."""
        return name, unit_of(partition, self._partitions[name])

    def keys(self, partitions: Iterable[tuple[str, int]]) -> set[UnitKey]:
        """The units that partitions of source topics belong to."""
        return {self.key(self._by_topic[topic].name, number) for topic, number in partitions}

    def partitions(self, keys: Iterable[UnitKey]) -> frozenset[StagePartition]:
        """All partitions of these units, each by its stage's first source topic."""
        return frozenset(
            (self._by_name[name].sources[0], number)
            for name, unit in keys
            for number in members(unit, self._partitions[name])
        )

    def sources(self, key: UnitKey) -> set[TopicPartition]:
        """The partitions of all source topics of a unit."""
        name, unit = key
        numbers = members(unit, self._partitions[name])
        return {TopicPartition(t, n) for t in self._by_name[name].sources for n in numbers}

    def whole(self, assigned: Iterable[TopicPartition]) -> set[UnitKey]:
        """The units that are assigned. RuntimeError if one is assigned in part: it would decide
        with a part of its records.
        """
        got = {tp for tp in assigned if self.owns(tp.topic)}
        keys = self.keys(got)
        needed = {tp for key in keys for tp in self.sources(key)}
        if got != needed:
            raise RuntimeError(f"units were assigned in part: {sorted(got ^ needed)} differ")
        return keys
