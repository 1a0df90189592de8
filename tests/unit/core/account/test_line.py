"""The queue's order: urgent first, fair between campaigns, the oldest first; and it stays quick."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.account.fair_queue import FairQueue
from streams.core.account.turns import QUANTUM, Entry, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

MANY: Final = 100_000


def place(seq: int, group: str = "spring", **parts: Any) -> Entry:
    usual: dict[str, Any] = {
        "priority": 50,
        "accepted_ms": seq,
        "kind": 1,
        "campaign": group,
        "step": 0,
        "left": 10,
    }
    return Entry(seq=seq, group=group, **usual | parts)


def line(*places: Entry) -> FairQueue:
    made = FairQueue()
    for one in places:
        made.add(one)
    return made


def always(_: Entry) -> bool:
    return True


def released_from(least: int, one: Entry) -> bool:
    return one.step >= least


def drained(waiting: FairQueue, is_open: Callable[[Entry], bool] = always) -> list[tuple[int, int]]:
    """Who is passed in what order, a turn at a time: (seq, customers)."""
    passed = []
    while (first := waiting.next(is_open)) is not None:
        count = waiting.turn(first)
        waiting.served(first.seq, count)
        passed.append((first.seq, count))
    return passed


def test_an_empty_line_has_nobody_next() -> None:
    assert FairQueue().next(always) is None
    assert len(FairQueue()) == 0


def test_the_most_urgent_goes_first_whenever_it_came() -> None:
    waiting = line(place(1, priority=0), place(2, priority=100), place(3, priority=50))
    assert [seq for seq, _ in drained(waiting)] == [2, 3, 1]


def test_within_a_campaign_the_oldest_goes_first_whatever_the_order_of_adding() -> None:
    waiting = line(place(3, accepted_ms=5), place(1, accepted_ms=7), place(2, accepted_ms=5))
    assert [seq for seq, _ in drained(waiting)] == [2, 3, 1]


def test_within_a_campaign_the_oldest_open_one_goes_first_across_steps_and_kinds() -> None:
    waiting = line(place(1, step=2), place(2, step=1, kind=2), place(3), place(4, step=1))
    assert [seq for seq, _ in drained(waiting, lambda p: p.step < 2)] == [2, 3, 4]


def test_the_oldest_is_the_first_accepted_whatever_its_name_and_lane() -> None:
    waiting = line(place(1, step=1, accepted_ms=9), place(2, step=2, accepted_ms=7))
    assert [seq for seq, _ in drained(waiting)] == [2, 1]


def test_a_turn_is_a_quantum_and_then_it_is_the_next_campaigns() -> None:
    waiting = line(place(1, "large", left=3 * QUANTUM), place(2, "small", left=QUANTUM))
    assert drained(waiting) == [(1, QUANTUM), (2, QUANTUM), (1, QUANTUM), (1, QUANTUM)]


def test_a_turn_may_be_taken_in_small_portions() -> None:
    waiting = line(place(1, "a", left=1_000), place(2, "b", left=1_000))
    order = []
    for _ in range(4 * QUANTUM):
        first = waiting.next(always)
        assert first is not None
        waiting.served(first.seq, 1)
        order.append(first.seq)
    assert order == [*[1] * QUANTUM, *[2] * QUANTUM] * 2


def test_what_a_turn_took_too_much_is_off_the_next_one() -> None:
    waiting = line(place(1, "a", left=1_000), place(2, "b", left=1_000))
    waiting.served(1, QUANTUM + 20)
    waiting.served(2, QUANTUM)
    first = waiting.next(always)
    assert first is not None
    assert (first.seq, waiting.turn(first)) == (1, QUANTUM - 20)


def test_small_slices_share_their_campaigns_turn() -> None:
    large = [place(seq, "large", left=10) for seq in range(20)]
    waiting = line(*large, place(100, "small", left=QUANTUM), place(101, "small", left=QUANTUM))
    order = [seq for seq, _ in drained(waiting)]
    assert order[:12] == [0, 1, 2, 3, 4, 100, 5, 6, 7, 8, 9, 101]


def test_a_campaign_of_a_million_delays_a_small_one_by_one_turn() -> None:
    waiting = line(*(place(seq, "large", left=1_000) for seq in range(1_000)))
    drained_one = waiting.next(always)
    assert drained_one is not None
    waiting.served(drained_one.seq, QUANTUM)
    waiting.add(place(5_000, "small", left=5))
    order: list[str] = []
    for _ in range(2):
        first = waiting.next(always)
        assert first is not None
        waiting.served(first.seq, waiting.turn(first))
        order.append(first.group)
    assert order == ["large", "small"]


def test_a_closed_campaign_keeps_its_place_and_the_next_one_goes() -> None:
    waiting = line(place(1, "a"), place(2, "b"))
    first = waiting.next(lambda p: p.campaign != "a")
    assert first is not None
    assert first.seq == 2
    assert waiting.next(always) == waiting.get(1)


def test_when_all_is_closed_nobody_is_next() -> None:
    assert line(place(1), place(2, "b")).next(lambda _: False) is None


def test_a_place_shrinks_and_leaves_when_all_are_passed() -> None:
    waiting = line(place(1, left=10))
    waiting.served(1, 4)
    assert waiting.get(1) == place(1, left=6)
    assert (len(waiting), waiting.customers()) == (1, 6)
    waiting.served(1, 6)
    assert waiting.get(1) is None
    assert (len(waiting), waiting.customers()) == (0, 0)


def test_what_is_removed_is_not_next_and_removing_twice_changes_nothing() -> None:
    waiting = line(place(1), place(2))
    waiting.remove(1)
    waiting.remove(1)
    assert [seq for seq, _ in drained(waiting)] == [2]


def test_a_name_waits_once_and_for_somebody() -> None:
    waiting = line(place(1))
    with pytest.raises(ValueError, match="waits already"):
        waiting.add(place(1, "other"))
    with pytest.raises(ValueError, match="for nobody"):
        waiting.add(place(2, left=0))
    with pytest.raises(KeyError):
        waiting.served(7, 1)


def test_customers_ahead_are_those_of_this_priority_and_above() -> None:
    waiting = line(
        place(1, priority=90, left=3),
        place(2, priority=50, left=5),
        place(3, priority=10, left=7),
    )
    assert [waiting.customers(at) for at in (0, 10, 11, 50, 51, 90, 91)] == [15, 15, 8, 8, 3, 3, 0]


def test_every_place_is_told() -> None:
    waiting = line(place(1), place(2, "b"), place(3, priority=1))
    waiting.remove(2)
    assert {one.seq for one in waiting.entries()} == {1, 3}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "serve", "remove"]),
        st.integers(0, 2),  # priority
        st.sampled_from("abc"),
        st.integers(0, 2),  # step, and which places are open
        st.integers(1, 120),
    ),
    max_size=120,
)


@given(STEPS)
def test_it_agrees_with_looking_at_every_place(steps: list[tuple[str, int, str, int, int]]) -> None:
    """Priority and age against a plain search; the group's turn is the line's own."""
    waiting, known = FairQueue(), dict[int, Entry]()
    for seq, (what, priority, group, step, number) in enumerate(steps):
        if what == "add":
            new = place(seq, group, priority=priority, step=step, left=number)
            waiting.add(new)
            known[seq] = new
        elif what == "remove" and known:
            gone = sorted(known)[number % len(known)]
            waiting.remove(gone)
            del known[gone]
        elif what == "serve":
            first = waiting.next(partial(released_from, step))
            open_ones = [p for p in known.values() if p.step >= step]
            assert (first is None) == (not open_ones)
            if first is None:
                continue
            assert first.priority == max(p.priority for p in open_ones)
            rivals = [
                p for p in open_ones if (p.priority, p.group) == (first.priority, first.group)
            ]
            assert first.seq == min(p.seq for p in rivals)
            count = min(number, waiting.turn(first))
            assert count >= 1
            waiting.served(first.seq, count)
            if waiting.get(first.seq) is None:
                del known[first.seq]
        assert len(waiting) == len(known)
        assert waiting.customers() == sum(p.left for p in known.values())


@given(st.lists(st.integers(1, 100), min_size=2, max_size=5), st.integers(0, 2**32))
def test_campaigns_that_wait_are_never_more_than_a_turn_apart(sizes: list[int], seed: int) -> None:
    chance = random.Random(seed)
    waiting, seq = FairQueue(), 0
    for name, slices in enumerate(sizes):
        for _ in range(slices):
            waiting.add(place(seq, f"c{name}", left=chance.randint(1, 20)))
            seq += 1
    passed: Counter[str] = Counter()
    while len({one.group for one in waiting.entries()}) == len(sizes):
        first = waiting.next(always)
        assert first is not None
        count = min(waiting.turn(first), chance.randint(1, 80))
        waiting.served(first.seq, count)
        passed[first.group] += count
        counts = [passed[f"c{name}"] for name in range(len(sizes))]
        assert max(counts) - min(counts) <= QUANTUM


def test_a_hundred_thousand_closed_places_are_asked_about_by_the_lane_not_one_by_one() -> None:
    waiting = FairQueue()
    for seq in range(MANY):
        waiting.add(place(seq, f"c{seq % 20}", step=1 + seq % 3))
    waiting.add(place(MANY, "c0", step=0))
    asked = []

    def first_step(one: Entry) -> bool:
        asked.append(one.seq)
        return one.step == 0

    found = waiting.next(first_step)
    assert found is not None
    assert found.seq == MANY
    assert len(asked) <= 20 * 3 + 1


def test_what_is_removed_from_a_closed_lane_leaves_no_weight_behind() -> None:
    waiting = line(place(0))
    for seq in range(1, 20_001):
        waiting.add(place(seq))
        waiting.remove(seq)
    lane = next(iter(waiting._levels[50].groups["spring"].sub_queues.values()))
    assert len(lane.heap) <= 2


@pytest.mark.rule("R1.18")
def test_turns_are_taken_up_where_they_were_left() -> None:
    dice = random.Random(3)
    groups = [f"g{number}" for number in range(7)]
    places = [
        place(seq, dice.choice(groups), left=dice.randint(1, 120), priority=dice.choice([40, 50]))
        for seq in range(60)
    ]
    waiting, turns = line(*places), dict[tuple[int, str], Turn]()
    while (first := waiting.next(always)) is not None:
        waiting.served(first.seq, min(dice.randint(1, 30), waiting.turn(first)))
        for name, turn in waiting.moved():
            if turn is None:
                turns.pop(name, None)
            else:
                turns[name] = turn
        left = [msgspec.structs.replace(one) for one in waiting.entries()]
        dice.shuffle(left)
        again = line(*left)
        again.resume(turns)
        steady = line(*(msgspec.structs.replace(one) for one in left))
        steady.resume(dict(reversed(turns.items())))
        ahead = [drained(again), drained(steady)]
        assert ahead[0] == ahead[1]
        assert not ahead[0] or ahead[0][0][0] == _next_of(waiting)


def _next_of(waiting: FairQueue) -> int:
    first = waiting.next(always)
    assert first is not None
    return first.seq
