"""The enterprise's sums: exact whatever the order, and its rate over the right days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.enterprise import (
    Day,
    EnterpriseFacts,
    EnterpriseRules,
    EnterpriseState,
    EnterpriseStatus,
    EnterpriseTotals,
    apply_facts,
    dump,
    enterprise_rules_of,
    forget,
    load,
    status_of,
    totals_of,
)
from streams.core.policy import Bound, Reputation, Weights
from streams.policy.files import packaged
from tests.unit.core.person import DAY, HOUR, NOON, policy

if TYPE_CHECKING:
    from random import Random

LAW: Final = EnterpriseRules(50_000, 28 * DAY)
MIDNIGHT: Final = NOON - NOON % DAY


def book(*facts: EnterpriseFacts, now_ms: int = NOON) -> EnterpriseState:
    made = EnterpriseState()
    for one in facts:
        apply_facts(made, one, now_ms)
    return made


def test_an_enterprise_never_met_has_nothing() -> None:
    assert load(None) == EnterpriseState()
    assert totals_of(load(None), LAW, NOON) == EnterpriseTotals()
    assert EnterpriseTotals().reply_rate is None


def test_two_loaded_books_share_nothing() -> None:
    first, second = load(None), load(None)
    apply_facts(first, EnterpriseFacts(NOON, delivered=1), NOON)
    assert second == EnterpriseState()


def test_changes_add_up() -> None:
    made = book(
        EnterpriseFacts(NOON, relations=300, room=4_700, delivered=8, received=1),
        EnterpriseFacts(NOON, relations=-20, room=20, delivered=2, received=4),
    )
    assert totals_of(made, LAW, NOON) == EnterpriseTotals(280, 4_720, 10, 5)
    assert totals_of(made, LAW, NOON).reply_rate == 0.5


def test_a_sum_that_is_below_nothing_for_a_moment_is_told_as_nothing_and_kept_exactly() -> None:
    made = book(EnterpriseFacts(NOON, relations=-3, room=-2))
    assert totals_of(made, LAW, NOON) == EnterpriseTotals()
    apply_facts(made, EnterpriseFacts(NOON, relations=5, room=5), NOON)
    assert totals_of(made, LAW, NOON) == EnterpriseTotals(2, 3)


def test_a_day_counts_whole_until_its_end_has_left_the_window() -> None:
    made = book(EnterpriseFacts(MIDNIGHT + HOUR, delivered=10, received=2))
    leaves_ms = MIDNIGHT + DAY + LAW.over_ms
    assert totals_of(made, LAW, leaves_ms - 1).delivered == 10
    assert totals_of(made, LAW, leaves_ms).delivered == 0


def test_facts_from_the_future_count_for_today() -> None:
    made = book(EnterpriseFacts(NOON + 400 * DAY, delivered=10))
    assert made.days == [Day(NOON // DAY, 10, 0)]


def test_only_days_that_count_are_kept() -> None:
    old, new = NOON - 30 * DAY, NOON - 28 * DAY
    made = book(EnterpriseFacts(old, delivered=1), EnterpriseFacts(new, delivered=2))
    before = totals_of(made, LAW, NOON)
    forget(made, LAW, NOON)
    assert [day.day for day in made.days] == [new // DAY]
    assert totals_of(made, LAW, NOON) == before


def test_relations_alone_open_no_day() -> None:
    assert book(EnterpriseFacts(NOON, relations=1, room=-1)).days == []


def test_a_busy_enterprises_book_stays_small() -> None:
    made = EnterpriseState()
    for day in range(60):
        now_ms = NOON + day * DAY
        facts = EnterpriseFacts(now_ms, 10**6, 10**6, delivered=10**8, received=10**7)
        apply_facts(made, facts, now_ms)
        forget(made, LAW, now_ms)
    assert len(made.days) == 29
    assert len(dump(made)) <= 500


def test_a_book_of_the_first_version_can_be_read_for_ever() -> None:
    golden = bytes.fromhex("9401cd011819" + "9193cd51150a02")
    assert load(golden) == EnterpriseState(1, 280, 25, [Day(20_757, 10, 2)])
    assert load(dump(load(golden))) == load(golden)


def test_the_law_is_the_policys() -> None:
    packaged_policy = packaged()[1]
    assert enterprise_rules_of(packaged_policy) == EnterpriseRules(50_000, 28 * DAY)
    assert enterprise_rules_of(policy()) == EnterpriseRules(None, 28 * DAY)
    red = Bound(share=0.003, over_ms=7 * DAY, minimum=200, confidence=0.975)
    green = Bound(share=0.001, over_ms=14 * DAY, minimum=1_000, confidence=0.8)
    short = Reputation(weights=Weights(), red=red, green=green, hold_ms=DAY)
    assert enterprise_rules_of(policy(reputation=short)).over_ms == 14 * DAY


def test_the_status() -> None:
    made = book(EnterpriseFacts(NOON, relations=7, room=3, delivered=4, received=1))
    assert status_of(made, LAW, NOON) == EnterpriseStatus(7, 50_000, 3, 0.25)
    assert status_of(load(None), EnterpriseRules(None, DAY), NOON) == EnterpriseStatus(
        0, None, 0, None
    )


FACTS = st.builds(
    EnterpriseFacts,
    at_ms=st.integers(NOON - 40 * DAY, NOON + 5 * DAY),
    relations=st.integers(-50, 50),
    room=st.integers(-50, 50),
    delivered=st.integers(0, 50),
    received=st.integers(0, 50),
)


@given(st.lists(FACTS, max_size=20), st.randoms(use_true_random=False), st.integers(0, 40 * DAY))
def test_the_order_of_the_facts_changes_nothing(
    facts: list[EnterpriseFacts], chance: Random, later_ms: int
) -> None:
    there, back = book(*facts), book(*chance.sample(facts, len(facts)))
    assert there == back == load(dump(there))
    now_ms = NOON + later_ms
    word = totals_of(there, LAW, now_ms)
    since_ms = now_ms - LAW.over_ms
    counted = [one for one in facts if (min(one.at_ms, NOON) // DAY + 1) * DAY > since_ms]
    assert word.delivered == sum(one.delivered for one in counted)
    assert word.received == sum(one.received for one in counted)
    assert there.relations == sum(one.relations for one in facts)


@pytest.mark.rule("R6.12")
def test_requests_under_way_are_claimed_like_relations() -> None:
    made = book(EnterpriseFacts(NOON, relations=5, open=2), EnterpriseFacts(NOON, open=-1))
    assert (totals_of(made, LAW, NOON).open, totals_of(made, LAW, NOON).claimed) == (1, 6)
    apply_facts(made, EnterpriseFacts(NOON, open=-3), NOON)
    assert totals_of(made, LAW, NOON).claimed == 5
