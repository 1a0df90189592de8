"""Grades: what proves them, what is too little to tell, and how long a better one must hold."""

from __future__ import annotations

import pytest

from streams.core.account.limits import Grade
from streams.core.stats import wilson_high, wilson_low
from tests.unit.core.account.holder import BUCKET_MS, START, Holder, changed
from tests.unit.core.person import DAY, HOUR

QUIET = changed(brake=None, ceilings=None)
HOLD = 24 * HOUR


def graded(**counts: int) -> Holder:
    """What an account becomes when it holds these counts for a day."""
    holder = Holder(QUIET)
    holder.note(**counts)
    holder.later(HOLD)
    return holder


def test_a_worse_grade_is_a_smaller_number() -> None:
    assert Grade.RED < Grade.AMBER < Grade.NEW < Grade.GREEN
    assert [grade.label for grade in Grade] == ["red", "amber", "new", "green"]


@pytest.mark.parametrize(("delivered", "grade"), [(199, "new"), (200, "amber")])
def test_an_account_is_new_below_200_deliveries(delivered: int, grade: str) -> None:
    assert graded(delivered=delivered).limits.grade == grade


def test_red_needs_200_deliveries_however_many_complained() -> None:
    assert graded(delivered=199, complaints=50).limits.grade == "new"
    assert graded(delivered=200, complaints=50).limits.grade == "red"


def test_red_is_the_lower_bound_above_its_line_and_not_the_rate() -> None:
    z = Holder(QUIET).law.red_z
    proven = next(n for n in range(1, 50) if wilson_low(n, 1_000, z) > 0.003)
    assert proven / 1_000 > 0.006
    assert graded(delivered=1_000, complaints=proven - 1).limits.grade == "amber"
    assert graded(delivered=1_000, complaints=proven).limits.grade == "red"


def test_green_is_the_upper_bound_below_its_line_from_1000_deliveries_on() -> None:
    assert graded(delivered=999).limits.grade == "amber"
    assert graded(delivered=1_000).limits.grade == "green"
    z = Holder(QUIET).law.green_z
    enough = next(n for n in range(1_000, 9_000) if wilson_high(2, n, z) < 0.001)
    assert graded(delivered=enough - 1, complaints=2).limits.grade == "amber"
    assert graded(delivered=enough, complaints=2).limits.grade == "green"


def test_a_worse_grade_acts_at_once() -> None:
    holder = graded(delivered=2_000)
    assert holder.note(delivered=500, complaints=30) == [("grade", "green", "red", "rates")]
    assert holder.limits.broadcast_rate_per_s == 0


def test_a_better_grade_must_hold_its_day_first() -> None:
    holder = Holder(QUIET)
    holder.note(delivered=2_000)
    assert holder.told == []  # green is better than new
    assert holder.until(START + HOLD - 1) == []
    assert holder.until(START + HOLD) == [("grade", "new", "green", "rates")]


def test_a_relapse_begins_the_day_anew() -> None:
    holder = Holder(QUIET)
    holder.note(delivered=2_000)
    holder.later(HOLD - 1)
    holder.note(complaints=2)
    assert holder.told == [("grade", "new", "amber", "rates")]
    holder.later(6 * HOUR)
    holder.note(delivered=5_000)
    proven_ms = holder.now_ms
    holder.until(proven_ms + HOLD - 1)
    assert holder.limits.grade == "amber"
    holder.until(proven_ms + HOLD)
    assert holder.limits.grade == "green"


def test_each_grade_is_proven_by_itself() -> None:
    holder = Holder(changed(QUIET, reputation={"hold_ms": 2 * HOUR}))
    holder.note(delivered=1_000, complaints=20)
    assert holder.limits.grade == "red"
    holder.note(delivered=9_000)  # amber
    holder.later(HOUR)
    holder.note(delivered=90_000)  # green
    assert holder.later(HOUR) == [("grade", "red", "amber", "rates")]
    assert holder.later(2 * HOUR - 1) == []
    assert holder.later(1) == [("grade", "amber", "green", "rates")]


def test_without_a_hold_a_better_grade_acts_at_once_too() -> None:
    holder = Holder(changed(QUIET, reputation={"hold_ms": 0}))
    assert holder.note(delivered=2_000) == [("grade", "new", "green", "rates")]


def test_red_ends_when_its_week_is_over_and_the_hold_with_it() -> None:
    holder = Holder(QUIET)
    holder.note(delivered=1_000, complaints=20)
    over_ms = START + BUCKET_MS + 7 * DAY
    holder.until(over_ms + HOLD - 1)
    assert holder.limits.grade == "red"
    holder.until(over_ms + HOLD)
    assert holder.limits.grade == "amber"


def test_an_account_at_rest_becomes_new_again_and_then_needs_no_review() -> None:
    holder = graded(delivered=5_000)
    holder.until(START + BUCKET_MS + 28 * DAY - 1)
    assert holder.limits.grade == "green"
    holder.later(1)
    assert holder.limits.grade == "new"
    assert holder.due_ms is None
    assert holder.book.buckets == []


def test_without_reputation_every_account_is_new_and_nothing_is_counted() -> None:
    holder = Holder(changed(QUIET, reputation=None))
    holder.note(delivered=10_000, complaints=900)
    assert holder.limits.grade == "new"
    assert holder.limits.complaint_rate is None
    assert holder.limits.delivered is None
    assert holder.book.buckets == []
    assert holder.told == []


def test_a_red_account_is_new_once_the_policy_no_longer_judges() -> None:
    holder = graded(delivered=1_000, complaints=50)
    holder.law = Holder(changed(QUIET, reputation=None)).law
    assert holder.review() == [("grade", "red", "new", "rates")]


@pytest.mark.parametrize(
    ("counts", "rate"),
    [
        ({"delivered": 1}, 2),
        ({"delivered": 500}, 1),
        ({"delivered": 2_000}, 10),
        ({"delivered": 500, "complaints": 50}, 0),
    ],
)
def test_the_pace_is_the_grades(counts: dict[str, int], rate: float) -> None:
    assert graded(**counts).limits.broadcast_rate_per_s == rate


def test_without_pacing_there_is_no_rate() -> None:
    assert Holder(changed(QUIET, pacing=None)).limits.broadcast_rate_per_s is None
