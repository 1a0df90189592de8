"""Who decides which partition: whole units of each stage, spread evenly, moved seldom.

All source topics of a stage share a partition number's state, and all partitions of a unit one
producer, so a unit of a stage is handed out as a whole, with all its topics. A member keeps the
units it has as far as an even spread allows: a moved unit costs a recovery. Stages are spread one
by one, because their work differs, and may have different partition counts.

Every member sends what it owns and where its look-ups are served; the leader of the group decides
and sends back who serves what. Ownership told here is a hint: the fence keeps decisions exact.
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

from streams.lane.units import UNIT_SIZE, members, unit_count, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiokafka.cluster import ClusterMetadata

VERSION: Final = 0

Unit = tuple[str, int]
"""The first topic of a set of co-partitioned topics, and a unit of its partitions."""
Place = tuple[str, int]
"""The first topic of such a set, and a partition number."""


class Told(msgspec.Struct, array_like=True):
    """What a member tells about itself when it joins."""

    address: str = ""
    owned: list[Place] = []


class StickyUnits(AbstractPartitionAssignor):  # type: ignore[misc]
    """The assignor of one worker; groups are the source topics of each stage."""

    # Part of the name is the rule of units: the group turns away members with another name, so
    # that workers of two rules never decide beside each other.
    name = f"decorum-units-of-{UNIT_SIZE}"

    def __init__(self, groups: Iterable[tuple[str, ...]], address: str = "") -> None:
        """`address` is where this worker serves look-ups (host:port), told to all others."""
        self.groups = {group[0]: group for group in groups}
        self.owners: dict[Place, str] = {}
        self._told = Told(address)

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member sends when it joins."""
        told = msgspec.json.encode(self._told)
        return ConsumerProtocolMemberMetadata(VERSION, sorted(topics), told)

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember what was assigned, and who serves the rest."""
        mine = {(topic, number) for topic, numbers in assignment.assignment for number in numbers}
        self._told.owned = sorted(place for place in mine if place[0] in self.groups)
        owners = msgspec.json.decode(
            assignment.user_data or b"{}", type=dict[str, dict[str, list[int]]]
        )
        self.owners = {
            (topic, number): address
            for address, units in owners.items()
            for topic, numbers in units.items()
            for number in numbers
        }

    def assign(
        self, cluster: ClusterMetadata, joined: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Decide for the whole group; runs on its leader only."""
        told = {member: _told(metadata) for member, metadata in joined.items()}
        spread: dict[str, list[Unit]] = {member: [] for member in sorted(joined)}
        counts: dict[str, int] = {}
        for first, group in self._all_groups(joined).items():
            able = [m for m in spread if set(group) <= set(joined[m].subscription)]
            count = counts[first] = len(cluster.partitions_for_topic(first) or ())
            units = [(first, unit) for unit in range(unit_count(count))]
            owned = {m: _owned_units(told[m], first, count) for m in able}
            _spread_evenly(units, able, spread, owned)
        places = {m: _places(units, counts) for m, units in spread.items()}
        owners = msgspec.json.encode(_by_address(places, told))
        return {member: self._assignment(mine, owners) for member, mine in places.items()}

    def _all_groups(
        self, joined: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, tuple[str, ...]]:
        """The stages' topics, and each other subscribed topic on its own."""
        known = {topic for group in self.groups.values() for topic in group}
        other = {t for metadata in joined.values() for t in metadata.subscription} - known
        return {**self.groups, **{topic: (topic,) for topic in sorted(other)}}

    def _assignment(self, places: list[Place], owners: bytes) -> ConsumerProtocolMemberAssignment:
        numbers: dict[str, list[int]] = defaultdict(list)
        for first, number in places:
            for topic in self.groups.get(first, (first,)):
                numbers[topic].append(number)
        return ConsumerProtocolMemberAssignment(VERSION, sorted(numbers.items()), owners)


def _told(metadata: ConsumerProtocolMemberMetadata) -> Told:
    return msgspec.json.decode(metadata.user_data or b"[]", type=Told)


def _owned_units(told: Told, first: str, partitions: int) -> list[Unit]:
    """The units of one stage of which a member has had a part."""
    return sorted({(topic, unit_of(n, partitions)) for topic, n in told.owned if topic == first})


def _places(units: list[Unit], partitions: Mapping[str, int]) -> list[Place]:
    return [(first, n) for first, unit in units for n in members(unit, partitions[first])]


def _by_address(
    places: Mapping[str, list[Place]], told: Mapping[str, Told]
) -> dict[str, dict[str, list[int]]]:
    owners: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for member, mine in places.items():
        for first, number in mine:
            owners[told[member].address][first].append(number)
    return owners


def _spread_evenly(
    units: list[Unit],
    able: list[str],
    spread: dict[str, list[Unit]],
    owned: Mapping[str, list[Unit]],
) -> None:
    """Add one stage's units: nobody gets more than one above another, owners keep first."""
    if not able:
        return
    floor, above = divmod(len(units), len(able))
    free = dict.fromkeys(units)
    count = dict.fromkeys(able, 0)

    def give(member: str, unit: Unit) -> None:
        del free[unit]
        spread[member].append(unit)
        count[member] += 1

    for quota in (floor, floor + 1):
        for member in sorted(able, key=lambda m: len(spread[m])):
            for unit in owned[member]:
                full = sum(n > floor for n in count.values()) >= above and quota > floor
                if unit in free and count[member] < quota and not full:
                    give(member, unit)
    for unit in list(free):
        give(min(able, key=lambda m: (count[m], len(spread[m]), m)), unit)
