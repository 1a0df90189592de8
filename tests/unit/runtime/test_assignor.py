from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.assignor import StickyUnits
from streams.runtime.units import members, unit_count, unit_of

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

    def settle(self) -> Assigned:
        """Rebalance until nobody has news, everybody warming up at once what is to move to them."""
        for _ in range(5):
            assigned = self.rebalance()
            for member in self.members.values():
                member.warm = member.to_warm
            if not any(member.needs_rebalance for member in self.members.values()):
                return assigned
        raise AssertionError("the group finds no rest")


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


def test_a_newcomer_takes_only_its_share_once_it_has_warmed_it_up() -> None:
    group = group_of("a", "b")
    before = places(group.settle())
    group.join("c")
    assert places(group.rebalance()) == before
    assert not group.members["c"].needs_rebalance
    assigned = group.settle()
    assert all(places(assigned)[place] in (owner, "c") for place, owner in before.items())
    assert len(units_in(assigned["c"].get("intents"))) in {UNIT_COUNT // 3, -(-UNIT_COUNT // 3)}


def test_who_leaves_keeps_deciding_until_others_have_warmed_everything_up() -> None:
    group = group_of("a", "b", "c")
    before = places(group.settle())
    leaver = group.members["b"]
    assert leaver.has_successors
    leaver.leaving = True
    assert leaver.needs_rebalance
    assert places(group.rebalance()) == before
    too_early = leaver.may_leave
    assert not too_early
    after = places(group.settle())
    assert leaver.may_leave
    assert "b" not in after.values()
    assert all(after[place] == owner for place, owner in before.items() if owner != "b")


def test_what_is_warmed_up_in_part_waits_for_the_rest() -> None:
    group = group_of("a")
    group.settle()
    group.join("b")
    group.rebalance()
    newcomer = group.members["b"]
    newcomer.warm = frozenset(list(newcomer.to_warm)[1:])
    assert not newcomer.needs_rebalance
    newcomer.warm = newcomer.to_warm
    assert newcomer.needs_rebalance


def test_who_is_alone_has_no_successors_and_may_go_as_soon_as_it_is_known() -> None:
    group = group_of("a")
    group.settle()
    (alone,) = group.members.values()
    assert not alone.has_successors
    alone.leaving = True
    before = places(group.settle())
    assert alone.may_leave
    assert set(before.values()) == {"a"}


def test_where_all_leave_nobody_warms_anything_up() -> None:
    group = group_of("a", "b")
    before = places(group.settle())
    group.join("c")
    group.rebalance()
    for member in group.members.values():
        member.leaving = True
    assert places(group.rebalance()) == before
    for member in group.members.values():
        assert member.may_leave
        assert not member.has_successors
        assert not member.to_warm


def test_who_leaves_gets_nothing_new_even_if_nobody_else_is_there() -> None:
    group = group_of("a", "b")
    before = places(group.settle())
    for member in group.members.values():
        member.leaving = True
    del group.members["b"]
    after = places(group.rebalance())
    assert after == {place: owner for place, owner in before.items() if owner == "a"}
    assert group.members["a"].may_leave


def test_the_units_of_one_that_died_are_given_away_at_once() -> None:
    group = group_of("a", "b", "c")
    before = places(group.settle())
    del group.members["b"]
    after = places(group.rebalance())
    assert before.keys() == after.keys()


def test_one_that_was_frozen_does_not_get_back_what_others_have_now() -> None:
    group = group_of("a", "b")
    group.settle()
    frozen = group.members.pop("b")
    group.settle()
    group.members["b"] = frozen
    assert set(places(group.rebalance()).values()) == {"a"}
    assert len(set(places(group.settle()).values())) == 2


@given(st.data())
def test_whatever_comes_and_goes_all_is_owned_and_nothing_moves_cold(data: st.DataObject) -> None:
    """Members join, leave, die and warm up in any order; and in the end the group is even."""
    group, born = Group(), 0
    for _ in range(data.draw(st.integers(1, 8))):
        living = sorted(group.members)
        match data.draw(st.sampled_from(("join", "leave", "die", "warm") if living else ("join",))):
            case "join":
                born += 1
                group.join(f"w{data.draw(st.integers(0, 9))}-{born}")
            case "leave":
                group.members[data.draw(st.sampled_from(living))].leaving = True
            case "die" if len(living) > 1:
                del group.members[data.draw(st.sampled_from(living))]
            case _:
                member = group.members[data.draw(st.sampled_from(living))]
                member.warm = member.to_warm
        before = {place: m for m, a in group.members.items() for place in a._owned}
        warm = {m: a.warm & a.to_warm for m, a in group.members.items()}
        after = places(group.rebalance())
        if not all(member.leaving for member in group.members.values()):
            assert after.keys() == {(t, n) for t, count in PARTITIONS.items() for n in range(count)}
        for place, owner in before.items():
            assert after[place] == owner or place in warm[after[place]]
        for name in [m for m, a in group.members.items() if a.leaving and a.may_leave]:
            del group.members[name]
    staying = [name for name, member in group.members.items() if not member.leaving]
    if staying:
        assigned = group.settle()
        shares = [len(units_in(assigned[name].get("intents"))) for name in staying]
        assert sum(shares) == UNIT_COUNT
        assert max(shares) - min(shares) <= 1


def test_a_leavers_share_goes_to_those_who_stay() -> None:
    group = group_of("a", "b", "c")
    before = places(group.rebalance())
    del group.members["b"]
    after = places(group.rebalance())
    assert all(after[place] == owner for place, owner in before.items() if owner != "b")


def test_who_had_a_part_of_a_unit_gets_it_whole() -> None:
    """As after a change of the rule, and as a part is all that may be left in an old answer."""
    group = group_of("a", "b")
    group.members["b"]._owned = [("intents", 0)]
    assert units_in(group.rebalance()["b"]["intents"]) >= {0}


def test_two_that_claim_the_same_unit_do_not_both_get_it() -> None:
    group = group_of("a")
    group.rebalance()
    owned = group.members["a"]
    group.join("b")
    group.members["b"]._owned = list(owned._owned)
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
