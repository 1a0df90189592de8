"""How workers of a group agree on who decides which partition; `spread` has the rule.

All source topics of a stage share a partition number's state, and all partitions of a unit one
producer, so a unit of a stage is handed out as a whole, with all its topics.

Every member sends what it owns, what it has warmed up, whether it is leaving and where its look-ups
are served; the leader of the group decides and sends back what to own, what to warm up and who
serves what. Ownership told here is a hint: the fence keeps decisions exact.
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

from streams.runtime.placement import Member, Unit, plan
from streams.runtime.units import UNIT_SIZE, members, unit_count, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiokafka.cluster import ClusterMetadata

VERSION: Final = 0

StagePartition = tuple[str, int]
"""The first topic of a set of co-partitioned topics, and a partition number."""


class MemberInfo(msgspec.Struct, array_like=True, frozen=True):
    """What a member tells about itself when it joins."""

    address: str = ""
    owned: list[StagePartition] = []
    warm: list[StagePartition] = []
    round: int = 0
    leaving: bool = False


class AssignmentInfo(msgspec.Struct, array_like=True, frozen=True):
    """What the leader tells one member, beside what it is assigned."""

    round: int = 0
    owners: dict[str, dict[str, list[int]]] = {}
    """Partition numbers by address and first topic."""
    warm: list[StagePartition] = []
    """What to read ahead, because it is to move here."""
    handing_over: bool = False
    """Whether something owned is being warmed up by another."""
    has_successors: bool = False
    """Whether another member is there that stays."""


class StickyUnits(AbstractPartitionAssignor):  # type: ignore[misc]
    """The assignor of one worker; groups are the source topics of each stage."""

    # Part of the name is the rule of units: the group turns away members with another name, so
    # that workers of two rules never decide beside each other.
    name = f"decorum-units-of-{UNIT_SIZE}"

    def __init__(self, groups: Iterable[tuple[str, ...]], address: str = "") -> None:
        """`address` is where this worker serves look-ups (host:port), told to all others."""
        self.groups = {group[0]: group for group in groups}
        self.owners: dict[StagePartition, str] = {}
        self.leaving = False
        """To be set when this worker is about to end; the next rebalance tells."""
        self.warm: frozenset[StagePartition] = frozenset()
        """What of `to_warm` is read ahead up to the present."""
        self._address = address
        self._owned: list[StagePartition] = []
        self._sent = self._acknowledged = MemberInfo()
        self._assignment = AssignmentInfo()

    @property
    def to_warm(self) -> frozenset[StagePartition]:
        """What is to move here, and therefore to be read ahead."""
        return frozenset(self._assignment.warm)

    @property
    def has_successors(self) -> bool:
        """Whether there was another member to take over, as of the last rebalance."""
        return self._assignment.has_successors

    @property
    def needs_rebalance(self) -> bool:
        """Whether a rebalance is due, because something is to move that can."""
        warmed = self.to_warm <= self.warm and not self.to_warm <= set(self._sent.warm)
        return warmed or (self.leaving and not self._sent.leaving)

    @property
    def may_leave(self) -> bool:
        """Whether the group knows that this worker leaves, and nobody warms anything up of it."""
        return self._acknowledged.leaving and not self._assignment.handing_over

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member sends when it joins."""
        warm = sorted(self.warm & self.to_warm)
        self._sent = MemberInfo(
            self._address, self._owned, warm, self._assignment.round, self.leaving
        )
        return ConsumerProtocolMemberMetadata(
            VERSION, sorted(topics), msgspec.json.encode(self._sent)
        )

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember what was assigned, and who serves the rest."""
        mine = {(topic, number) for topic, numbers in assignment.assignment for number in numbers}
        self._owned = sorted(place for place in mine if place[0] in self.groups)
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
        told = {name: _member_info(metadata) for name, metadata in joined.items()}
        unit_manager = {
            name: _member(told[name], counts, _able(groups, metadata))
            for name, metadata in joined.items()
        }
        planned = plan([unit for unit in units if counts[unit[0]]], unit_manager)
        has = {name: _partitions(planned.owned.get(name, ()), counts) for name in joined}
        owners = _by_address(has, told)
        number = 1 + max(t.round for t in told.values())
        staying = {name for name, t in told.items() if not t.leaving}
        return {
            name: _assignment(
                groups,
                places,
                AssignmentInfo(
                    number,
                    owners,
                    _partitions(planned.warming.get(name, ()), counts),
                    name in planned.handing_over,
                    bool(staying - {name}),
                ),
            )
            for name, places in has.items()
        }

    def _all_groups(
        self, joined: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, tuple[str, ...]]:
        """The stages' topics, and each other subscribed topic on its own."""
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


def _member(told: MemberInfo, counts: Mapping[str, int], able: frozenset[str]) -> Member:
    return Member(
        able, _units(told.owned, counts), _units(told.warm, counts), told.round, told.leaving
    )


def _units(places: Iterable[StagePartition], counts: Mapping[str, int]) -> list[Unit]:
    """The units of which these are at least a part, as the rule of units has it now."""
    return sorted({(t, unit_of(n, counts[t])) for t, n in places if n < counts.get(t, 0)})


def _partitions(units: Iterable[Unit], counts: Mapping[str, int]) -> list[StagePartition]:
    return [(first, n) for first, unit in units for n in members(unit, counts[first])]


def _assignment(
    groups: Mapping[str, tuple[str, ...]], places: Iterable[StagePartition], answer: AssignmentInfo
) -> ConsumerProtocolMemberAssignment:
    numbers: dict[str, list[int]] = defaultdict(list)
    for first, number in places:
        for topic in groups[first]:
            numbers[topic].append(number)
    return ConsumerProtocolMemberAssignment(
        VERSION, sorted(numbers.items()), msgspec.json.encode(answer)
    )


def _by_address(
    places: Mapping[str, list[StagePartition]], told: Mapping[str, MemberInfo]
) -> dict[str, dict[str, list[int]]]:
    owners: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for name, mine in places.items():
        for first, number in mine:
            owners[told[name].address][first].append(number)
    return owners
