"""How the workers of a group agree on who decides which partition; `placement` has the rule.

All source topics of a stage share the state of a partition number, and all partitions of a unit
share a producer. So a unit is assigned as a whole, with all its topics.

Every member sends what it owns, what it has warmed up, whether it leaves, and where it serves
look-ups. The leader of the group decides and sends back what to own, what to warm up, and who
serves what. Ownership here is only a hint: the fence keeps decisions exact.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

from streams.runtime.placement import Member, plan
from streams.runtime.units import UNIT_SIZE, StagePartition, members, unit_count, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiokafka.cluster import ClusterMetadata

    from streams.runtime.placement import StageUnit

VERSION: Final = 0


class MemberInfo(msgspec.Struct, array_like=True, frozen=True):
    """What a member reports of itself when it joins."""

    address: str = ""
    owned: list[StagePartition] = []
    warm: list[StagePartition] = []
    round: int = 0
    leaving: bool = False


class AssignmentInfo(msgspec.Struct, array_like=True, frozen=True):
    """What the leader sends to one member beside its partitions."""

    round: int = 0
    owners: dict[str, dict[str, list[int]]] = {}
    """Partition numbers by address and first topic."""
    warm: list[StagePartition] = []
    """To be warmed up, because it is to move to this member."""
    handing_over: bool = False
    """Whether another member warms up something that this member owns."""
    has_successors: bool = False
    """Whether there is another member that stays."""


class StickyUnits(AbstractPartitionAssignor):  # type: ignore[misc]
    """The assignor of one worker; groups are the source topics of each stage."""

    # The name carries the rule of units. The group refuses members with another name, so workers of
    # two rules never decide side by side.
    name = f"decorum-units-of-{UNIT_SIZE}"

    def __init__(self, groups: Iterable[tuple[str, ...]], address: str = "") -> None:
        """`address`: where this worker serves look-ups (host:port); all workers learn it."""
        self.groups = {group[0]: group for group in groups}
        self.owners: dict[StagePartition, str] = {}
        self.leaving = False
        """Set it when this worker is about to end; the next rebalance reports it."""
        self.warm: frozenset[StagePartition] = frozenset()
        """What of `to_warm` is warmed up, set by the unit manager."""
        self._address = address
        self._owned: list[StagePartition] = []
        self._sent = self._acknowledged = MemberInfo()
        self._assignment = AssignmentInfo()

    @property
    def to_warm(self) -> frozenset[StagePartition]:
        """What is to move here, and so has to be warmed up."""
        return frozenset(self._assignment.warm)

    @property
    def has_successors(self) -> bool:
        """Whether another member can take over, as of the last rebalance."""
        return self._assignment.has_successors

    @property
    def needs_rebalance(self) -> bool:
        """Whether something can move now that could not in the last rebalance."""
        warmed = self.to_warm <= self.warm and not self.to_warm <= set(self._sent.warm)
        return warmed or (self.leaving and not self._sent.leaving)

    @property
    def may_leave(self) -> bool:
        """Whether the group knows that this worker leaves, and no other warms up what it owns."""
        return self._acknowledged.leaving and not self._assignment.handing_over

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member sends to the leader when it joins."""
        warm = sorted(self.warm & self.to_warm)
        self._sent = MemberInfo(
            self._address, self._owned, warm, self._assignment.round, self.leaving
        )
        return ConsumerProtocolMemberMetadata(
            VERSION, sorted(topics), msgspec.json.encode(self._sent)
        )

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember what this member owns, and who serves the rest."""
        mine = {(topic, number) for topic, numbers in assignment.assignment for number in numbers}
        self._owned = sorted(partition for partition in mine if partition[0] in self.groups)
        self._assignment = msgspec.json.decode(assignment.user_data or b"[]", type=AssignmentInfo)
        self._acknowledged = self._sent
        self.owners = {
            (topic, number): address
            for address, units in self._assignment.owners.items()
            for topic, numbers in units.items()
            for number in numbers
        }

    def assign(
        self, cluster: ClusterMetadata, joined: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Decide for the whole group; runs on its leader only."""
        groups = self._all_groups(joined)
        counts = {first: len(cluster.partitions_for_topic(first) or ()) for first in groups}
        units = [(first, n) for first, count in counts.items() for n in range(unit_count(count))]
        infos = {name: _member_info(metadata) for name, metadata in joined.items()}
        group = {
            name: _member(infos[name], counts, _able(groups, metadata))
            for name, metadata in joined.items()
        }
        planned = plan([unit for unit in units if counts[unit[0]]], group)
        owned = {name: _partitions(planned.owned.get(name, ()), counts) for name in joined}
        owners = _by_address(owned, infos)
        number = 1 + max(info.round for info in infos.values())
        staying = {name for name, info in infos.items() if not info.leaving}
        return {
            name: _assignment(
                groups,
                partitions,
                AssignmentInfo(
                    number,
                    owners,
                    _partitions(planned.warming.get(name, ()), counts),
                    name in planned.handing_over,
                    bool(staying - {name}),
                ),
            )
            for name, partitions in owned.items()
        }

    def _all_groups(
        self, joined: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, tuple[str, ...]]:
        """The topics of each stage, and each other subscribed topic by itself."""
        known = {topic for group in self.groups.values() for topic in group}
        other = {t for metadata in joined.values() for t in metadata.subscription} - known
        return {**self.groups, **{topic: (topic,) for topic in sorted(other)}}


def _member_info(metadata: ConsumerProtocolMemberMetadata) -> MemberInfo:
    return msgspec.json.decode(metadata.user_data or b"[]", type=MemberInfo)


def _able(
    groups: Mapping[str, tuple[str, ...]], metadata: ConsumerProtocolMemberMetadata
) -> frozenset[str]:
    return frozenset(
        first for first, group in groups.items() if set(group) <= set(metadata.subscription)
    )


def _member(info: MemberInfo, counts: Mapping[str, int], able: frozenset[str]) -> Member:
    return Member(
        able, _units(info.owned, counts), _units(info.warm, counts), info.round, info.leaving
    )


def _units(partitions: Iterable[StagePartition], counts: Mapping[str, int]) -> list[StageUnit]:
    """The units to which these partitions belong under the present rule of units."""
    return sorted({(t, unit_of(n, counts[t])) for t, n in partitions if n < counts.get(t, 0)})


def _partitions(units: Iterable[StageUnit], counts: Mapping[str, int]) -> list[StagePartition]:
    return [(first, n) for first, unit in units for n in members(unit, counts[first])]


def _assignment(
    groups: Mapping[str, tuple[str, ...]],
    partitions: Iterable[StagePartition],
    info: AssignmentInfo,
) -> ConsumerProtocolMemberAssignment:
    numbers: dict[str, list[int]] = defaultdict(list)
    for first, number in partitions:
        for topic in groups[first]:
            numbers[topic].append(number)
    return ConsumerProtocolMemberAssignment(
        VERSION, sorted(numbers.items()), msgspec.json.encode(info)
    )


def _by_address(
    owned: Mapping[str, list[StagePartition]], infos: Mapping[str, MemberInfo]
) -> dict[str, dict[str, list[int]]]:
    owners: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for name, partitions in owned.items():
        for first, number in partitions:
            owners[infos[name].address][first].append(number)
    return owners
