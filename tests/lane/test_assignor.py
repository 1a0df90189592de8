from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.lane.assignor import StickyUnits
from streams.lane.units import members, unit_count, unit_of

if TYPE_CHECKING:
    from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

GROUPS = [("candidates", "interactions"), ("intents", "reports"), ("policies",)]
COUNT = 24
PARTITIONS = {
    **dict.fromkeys(("candidates", "interactions", "intents", "reports"), COUNT),
    "policies": 1,
}
UNIT_COUNT = unit_count(COUNT)

Assigned = dict[str, dict[str, set[int]]]


class Cluster:
    def __init__(self, partitions: dict[str, int]) -> None:
        self.partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        count = self.partitions.get(topic)
        return set(range(count)) if count else None


class Group:
    """Members that remember, as workers do, what they were assigned last."""

    def __init__(self, partitions: dict[str, int] = PARTITIONS) -> None:
        self.cluster = Cluster(partitions)
        self.members: dict[str, StickyUnits] = {}
        self.topics: dict[str, list[str]] = {}

    def join(self, member: str, topics: list[str] | None = None) -> None:
        self.members[member] = StickyUnits(GROUPS, f"{member}:6066")
        self.topics[member] = topics or sorted(PARTITIONS)

    def rebalance(self) -> Assigned:
        metadata = {m: a.metadata(self.topics[m]) for m, a in self.members.items()}
        leader = next(iter(self.members.values()))
        decided = leader.assign(self.cluster, metadata)
        for member, assignment in decided.items():
            self.members[member].on_assignment(assignment)
        return {member: numbers(assignment) for member, assignment in decided.items()}


def numbers(assignment: ConsumerProtocolMemberAssignment) -> dict[str, set[int]]:
    return {topic: set(found) for topic, found in assignment.assignment}


def units_in(partitions: set[int] | None) -> set[int]:
    """The units that these are, which have to be whole."""
    found = {unit_of(number, COUNT) for number in partitions or ()}
    assert (partitions or set()) == {n for unit in found for n in members(unit, COUNT)}
    return found


def places(assigned: Assigned) -> dict[tuple[str, int], str]:
    owner: dict[tuple[str, int], str] = {}
    for member, topics in assigned.items():
        for topic, found in topics.items():
            for number in found:
                assert (topic, number) not in owner, "assigned twice"
                owner[topic, number] = member
    return owner


def group_of(*names: str) -> Group:
    group = Group()
    for name in names:
        group.join(name)
    return group


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 11])
def test_everything_is_assigned_once_evenly_and_whole(size: int) -> None:
    assigned = group_of(*[f"w{n}" for n in range(size)]).rebalance()
    assert places(assigned).keys() == {
        (t, n) for t, count in PARTITIONS.items() for n in range(count)
    }
    for first, second in (("candidates", "interactions"), ("intents", "reports")):
        counts = [len(units_in(topics.get(first))) for topics in assigned.values()]
        assert max(counts) - min(counts) <= 1
        assert all(topics.get(first) == topics.get(second) for topics in assigned.values())


def test_the_sum_over_stages_is_even_too() -> None:
    assigned = group_of("a", "b", "c").rebalance()
    firsts = ("candidates", "intents")
    totals = [
        sum(len(units_in(topics.get(t))) for t in firsts) + len(topics.get("policies", ()))
        for topics in assigned.values()
    ]
    assert sum(totals) == 2 * UNIT_COUNT + 1
    assert max(totals) - min(totals) <= 2


def test_nothing_moves_without_need() -> None:
    group = group_of("a", "b", "c")
    assert group.rebalance() == group.rebalance()


def test_a_newcomer_takes_only_its_share() -> None:
    group = group_of("a", "b")
    before = places(group.rebalance())
    group.join("c")
    assigned = group.rebalance()
    assert all(places(assigned)[place] in (owner, "c") for place, owner in before.items())
    assert len(units_in(assigned["c"].get("intents"))) in {UNIT_COUNT // 3, -(-UNIT_COUNT // 3)}


def test_a_leavers_share_goes_to_those_who_stay() -> None:
    group = group_of("a", "b", "c")
    before = places(group.rebalance())
    del group.members["b"]
    after = places(group.rebalance())
    assert all(after[place] == owner for place, owner in before.items() if owner != "b")


def test_who_had_a_part_of_a_unit_gets_it_whole() -> None:
    """As after a change of the rule, and as a part is all that may be left in an old answer."""
    group = group_of("a", "b")
    group.members["b"]._told.owned = [("intents", 0)]
    assert units_in(group.rebalance()["b"]["intents"]) >= {0}


def test_two_that_claim_the_same_unit_do_not_both_get_it() -> None:
    group = group_of("a")
    group.rebalance()
    owned = group.members["a"]
    group.join("b")
    group.members["b"]._told.owned = list(owned._told.owned)
    places(group.rebalance())


def test_only_members_that_read_a_stage_get_it() -> None:
    group = group_of("new")
    group.join("old", ["candidates", "interactions"])
    assigned = group.rebalance()
    assert assigned["new"]["intents"] == set(range(COUNT))
    assert "intents" not in assigned["old"]
    assert len(units_in(assigned["old"]["candidates"])) == UNIT_COUNT // 2


def test_fausts_own_topics_are_assigned_as_well() -> None:
    group = Group({**PARTITIONS, "other": 3})
    group.join("a", [*sorted(PARTITIONS), "other"])
    assert group.rebalance()["a"]["other"] == {0, 1, 2}


def test_every_member_learns_who_serves_what() -> None:
    group = group_of("a", "b")
    owner = places(group.rebalance())
    for member in group.members.values():
        assert member.owners == {
            (topic, number): f"{name}:6066"
            for (topic, number), name in owner.items()
            if topic in ("candidates", "intents", "policies")
        }
