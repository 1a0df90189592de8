"""Which worker is to have which unit, and which may have it now. Pure: the group's leader asks.

Units of each stage are spread evenly, one stage after the other, because their work differs; who
has a unit keeps it as far as evenness allows. A unit whose owner is there never moves at once: its
heir is told to warm it up, reading the changelog ahead while the owner goes on deciding, and gets
it in the rebalance after. What nobody has is given away at once, and has to be read then.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Unit = tuple[str, int]
"""The first topic of a set of co-partitioned topics, and a unit of its partitions."""


class Member(NamedTuple):
    """What a worker has said of itself."""

    able: frozenset[str]
    """First topics of the stages that it runs."""
    owned: Sequence[Unit] = ()
    warm: Sequence[Unit] = ()
    round: int = 0
    """In which rebalance it was told what it owns; of two that claim a unit the later is right."""
    leaving: bool = False


class Plan(NamedTuple):
    """Units by member, for each one that has any."""

    owned: Mapping[str, list[Unit]]
    warming: Mapping[str, list[Unit]]
    """To be read ahead, because they are to move here."""
    handing_over: Mapping[str, list[Unit]]
    """Owned still, and being warmed up by another."""


def plan(units: Sequence[Unit], members: Mapping[str, Member]) -> Plan:
    """Everybody's part in the next generation of the group."""
    owner, heirs = _owners(members), _next_owners(units, members)
    has, warms, gives = (defaultdict[str, list[Unit]](list) for _ in range(3))
    for unit in units:
        keeper, heir = owner.get(unit), heirs.get(unit)
        if keeper and heir and keeper != heir and unit not in members[heir].warm:
            warms[heir].append(unit)
            gives[keeper].append(unit)
            heir = keeper
        if holder := heir or keeper:
            has[holder].append(unit)
    return Plan(has, warms, gives)


def _owners(members: Mapping[str, Member]) -> dict[Unit, str]:
    """Who has what now. One that was frozen may still claim what others have got since."""
    return {
        unit: name
        for name in sorted(members, key=lambda name: (members[name].round, name))
        for unit in members[name].owned
    }


def _next_owners(units: Sequence[Unit], members: Mapping[str, Member]) -> dict[Unit, str]:
    """Who of those that stay is to have what in the end; nobody, if nobody does."""
    staying = {name: m for name, m in members.items() if not m.leaving}
    owner = _owners(members)
    stages: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        stages[unit[0]].append(unit)
    load = dict.fromkeys(sorted(staying), 0)
    heirs: dict[Unit, str] = {}
    for topic, of_stage in stages.items():
        able = {
            name: [u for u in m.owned if owner[u] == name] + list(m.warm)
            for name, m in sorted(staying.items())
            if topic in m.able
        }
        heirs |= _spread(of_stage, able, load)
    return heirs


def _spread(
    units: Sequence[Unit], claims: Mapping[str, Sequence[Unit]], load: dict[str, int]
) -> dict[Unit, str]:
    """One stage's units: nobody gets two above another, claims first, then the least busy."""
    if not claims:
        return {}
    floor, above = divmod(len(units), len(claims))
    heirs: dict[Unit, str] = {}
    count = dict.fromkeys(claims, 0)

    def give(name: str, unit: Unit) -> None:
        heirs[unit] = name
        count[name] += 1
        load[name] += 1

    for quota in (floor, floor + 1):
        for name in sorted(claims, key=lambda name: load[name]):
            for unit in claims[name]:
                full = quota > floor and sum(n > floor for n in count.values()) >= above
                if unit in units and unit not in heirs and count[name] < quota and not full:
                    give(name, unit)
    for unit in units:
        if unit not in heirs:
            give(min(claims, key=lambda name: (count[name], load[name], name)), unit)
    return heirs
