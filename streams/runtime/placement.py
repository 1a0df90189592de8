"""Which worker is to own which unit, and which owns it in the next generation of the group.

- The units of each stage are spread evenly, stage by stage, because stages differ in work.
- A worker keeps its units as far as an even spread allows.
- A unit whose owner is alive moves in two steps: the next owner warms it up while the owner still
  decides, and gets it in the rebalance after that.
- A unit without an owner is assigned at once, and restored then.

Rules of this file: pure functions over values; the leader of the group calls them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

StageUnit = tuple[str, int]
"""A stage's first source topic and a unit's number."""


class Member(NamedTuple):
    """What a worker reports of itself."""

    able: frozenset[str]
    """The first topics of the stages that it runs."""
    owned: Sequence[StageUnit] = ()
    warm: Sequence[StageUnit] = ()
    round: int = 0
    """The rebalance that gave it what it owns. If two members claim a unit, the later is right."""
    leaving: bool = False


class Plan(NamedTuple):
    """Units by member; a member without any is left out."""

    owned: Mapping[str, list[StageUnit]]
    warming: Mapping[str, list[StageUnit]]
    """To be warmed up, because they are to move to this member."""
    handing_over: Mapping[str, list[StageUnit]]
    """Still owned, and being warmed up by another member."""


def plan(units: Sequence[StageUnit], members: Mapping[str, Member]) -> Plan:
    """Each member's part in the next generation of the group."""
    owners, next_owners = _owners(members), _next_owners(units, members)
    owned, warming, handing_over = (defaultdict[str, list[StageUnit]](list) for _ in range(3))
    for unit in units:
        owner, next_owner = owners.get(unit), next_owners.get(unit)
        if owner and next_owner and owner != next_owner and unit not in members[next_owner].warm:
            warming[next_owner].append(unit)
            handing_over[owner].append(unit)
            next_owner = owner
        if name := next_owner or owner:
            owned[name].append(unit)
    return Plan(owned, warming, handing_over)


def _owners(members: Mapping[str, Member]) -> dict[StageUnit, str]:
    """The owner of each unit now. A worker that was frozen may claim what others got since."""
    return {
        unit: name
        for name in sorted(members, key=lambda name: (members[name].round, name))
        for unit in members[name].owned
    }


def _next_owners(units: Sequence[StageUnit], members: Mapping[str, Member]) -> dict[StageUnit, str]:
    """The owner of each unit in the end, out of the members that stay; empty if none stays."""
    staying = {name: m for name, m in members.items() if not m.leaving}
    owners = _owners(members)
    stages: dict[str, list[StageUnit]] = defaultdict(list)
    for unit in units:
        stages[unit[0]].append(unit)
    load = dict.fromkeys(sorted(staying), 0)
    next_owners: dict[StageUnit, str] = {}
    for topic, of_stage in stages.items():
        claims = {
            name: [u for u in m.owned if owners[u] == name] + list(m.warm)
            for name, m in sorted(staying.items())
            if topic in m.able
        }
        next_owners |= _spread(of_stage, claims, load)
    return next_owners


def _spread(
    units: Sequence[StageUnit], claims: Mapping[str, Sequence[StageUnit]], load: dict[str, int]
) -> dict[StageUnit, str]:
    """The owner of each unit of one stage. Counts differ by one at most. Members first get what
    they claim, then the member with the fewest units gets the next.
    """
    if not claims:
        return {}
    floor, above = divmod(len(units), len(claims))
    chosen: dict[StageUnit, str] = {}
    count = dict.fromkeys(claims, 0)

    def give(name: str, unit: StageUnit) -> None:
        chosen[unit] = name
        count[name] += 1
        load[name] += 1

    for quota in (floor, floor + 1):
        for name in sorted(claims, key=lambda name: load[name]):
            for unit in claims[name]:
                full = quota > floor and sum(n > floor for n in count.values()) >= above
                if unit in units and unit not in chosen and count[name] < quota and not full:
                    give(name, unit)
    for unit in units:
        if unit not in chosen:
            give(min(claims, key=lambda name: (count[name], load[name], name)), unit)
    return chosen
