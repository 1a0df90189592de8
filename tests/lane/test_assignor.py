from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.lane.assignor import StickyUnits

if TYPE_CHECKING:
    from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

GROUPS = [("candidates", "interactions"), ("intents", "reports"), ("policies",)]
PARTITIONS = {"candidates": 8, "interactions": 8, "intents": 8, "reports": 8, "policies": 1}

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


def units(assigned: Assigned) -> dict[tuple[str, int], str]:
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
    assert units(assigned).keys() == {
        (t, n) for t, count in PARTITIONS.items() for n in range(count)
    }
    for first, second in (("candidates", "interactions"), ("intents", "reports")):
        counts = [len(topics.get(first, ())) for topics in assigned.values()]
        assert max(counts) - min(counts) <= 1
        assert all(topics.get(first) == topics.get(second) for topics in assigned.values())


def test_the_sum_over_stages_is_even_too() -> None:
    assigned = group_of("a", "b", "c").rebalance()
    firsts = ("candidates", "intents", "policies")
    totals = [sum(len(topics.get(t, ())) for t in firsts) for topics in assigned.values()]
    assert sorted(totals) in ([5, 6, 6], [5, 5, 7])


def test_nothing_moves_without_need() -> None:
    group = group_of("a", "b", "c")
    assert group.rebalance() == group.rebalance()


def test_a_newcomer_takes_only_its_share() -> None:
    group = group_of("a", "b")
    before = units(group.rebalance())
    group.join("c")
    after = units(group.rebalance())
    assert all(after[unit] in (owner, "c") for unit, owner in before.items())
    assert sum(owner == "c" for (topic, _), owner in after.items() if topic == "intents") in (2, 3)


def test_a_leavers_share_goes_to_those_who_stay() -> None:
    group = group_of("a", "b", "c")
    before = units(group.rebalance())
    del group.members["b"]
    after = units(group.rebalance())
    assert all(after[unit] == owner for unit, owner in before.items() if owner != "b")


def test_two_that_claim_the_same_unit_do_not_both_get_it() -> None:
    group = group_of("a")
    group.rebalance()
    owned = group.members["a"]
    group.join("b")
    group.members["b"]._told.owned = list(owned._told.owned)
    units(group.rebalance())


def test_only_members_that_read_a_stage_get_it() -> None:
    group = group_of("new")
    group.join("old", ["candidates", "interactions"])
    assigned = group.rebalance()
    assert assigned["new"]["intents"] == set(range(8))
    assert "intents" not in assigned["old"]
    assert len(assigned["old"]["candidates"]) == 4


def test_fausts_own_topics_are_assigned_as_well() -> None:
    group = Group({**PARTITIONS, "other": 3})
    group.join("a", [*sorted(PARTITIONS), "other"])
    assert group.rebalance()["a"]["other"] == {0, 1, 2}


def test_every_member_learns_who_serves_what() -> None:
    group = group_of("a", "b")
    owner = units(group.rebalance())
    for member in group.members.values():
        assert member.owners == {
            (topic, number): f"{name}:6066"
            for (topic, number), name in owner.items()
            if topic in ("candidates", "intents", "policies")
        }
