"""Ceilings: slow up, fast down, use it or lose it, and out; each at its exact moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from streams.core.account.ceilings import CeilingState, Peak, table, width_ms
from tests.support.paths import ROOT
from tests.unit.core.account.holder import START, Holder, changed
from tests.unit.core.person import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from streams.core.policy import Ceilings

NO_BRAKE = changed(brake=None)
DOCS = ROOT / "docs" / "ceilings.md"


def green(holder: Holder, relations: int = 2_500) -> Holder:
    """Proven green, one millisecond before that is told, with so many relations."""
    holder.note(delivered=50_000, received=5_000, relations=relations)
    holder.until(START + DAY - 1)
    return holder


def red(holder: Holder) -> Holder:
    holder.note(delivered=1_000, complaints=50)
    return holder


def ceilings_told(holder: Holder) -> list[tuple[str, object, object, str]]:
    return [told for told in holder.told if told[0].endswith("_ceiling")]


# --- up -------------------------------------------------------------------------------------------


def test_it_rises_when_green_and_half_used() -> None:
    holder = green(Holder(NO_BRAKE), relations=2_500)
    assert holder.later(1) == [
        ("grade", "new", "green", "rates"),
        ("relations_ceiling", 5_000, 10_000, "green_used"),
    ]
    assert holder.changes[-1].direction == "up"
    assert holder.changes[-1].limits == holder.limits


def test_it_does_not_rise_when_less_is_used() -> None:
    holder = green(Holder(NO_BRAKE), relations=2_499)
    holder.later(2 * DAY)
    assert ceilings_told(holder) == []


def test_it_rises_once_a_day_up_to_the_most() -> None:
    holder = green(Holder(NO_BRAKE), relations=16_000)
    holder.later(10 * DAY)
    rises = [c for c in holder.changes if c.what == "relations_ceiling"]
    assert [c.after for c in rises] == [10_000, 15_000, 20_000]
    due_ms = START + DAY
    holder = green(Holder(NO_BRAKE), relations=16_000)
    holder.until(due_ms + DAY - 1)
    assert holder.ceilings == (10_000, 20)
    holder.later(1)
    assert holder.ceilings == (15_000, 20)


def test_adds_rise_by_the_most_granted_on_a_day_of_the_week() -> None:
    holder = Holder(NO_BRAKE)
    for _ in range(10):
        holder.answered(holder.add())
    green(holder, relations=0).later(1)
    assert holder.ceilings == (5_000, 22)
    assert holder.changes[-1].direction == "up"


def test_adds_of_last_week_move_nothing() -> None:
    holder = Holder(NO_BRAKE)
    for _ in range(10):
        holder.answered(holder.add())
    holder.later(9 * DAY)
    holder.note(delivered=50_000)
    holder.later(2 * DAY)
    assert holder.limits.grade == "green"
    assert ceilings_told(holder) == []


def test_nothing_rises_where_customers_reply_less_than_elsewhere() -> None:
    holder = Holder(NO_BRAKE)
    holder.enterprise_replies = 0.1 + 1e-9
    green(holder).later(3 * DAY)
    assert ceilings_told(holder) == []
    holder.enterprise_replies = 0.1
    holder.review()
    assert holder.ceilings == (10_000, 20)


def test_a_rise_that_waits_for_replies_is_looked_at_again_within_a_bucket() -> None:
    holder = Holder(NO_BRAKE)
    holder.enterprise_replies = 0.2
    green(holder).later(1)
    assert holder.due_ms is not None
    assert holder.due_ms - holder.now_ms <= 6 * HOUR
    holder.enterprise_replies = 0.0
    holder.until(holder.due_ms)
    assert holder.ceilings == (10_000, 20)


def test_counting_alone_raises_nothing() -> None:
    holder = green(Holder(NO_BRAKE))
    holder.now_ms += 1
    assert holder.note(delivered=1) == [("grade", "new", "green", "rates")]
    assert holder.review() == [("relations_ceiling", 5_000, 10_000, "green_used")]


def test_nothing_rises_during_a_pause() -> None:
    holder = green(Holder())
    holder.note(complaints=10)  # one in five thousand: green all the same
    pause_ms = holder.limits.paused_until_ms
    assert pause_ms == holder.now_ms + 3 * HOUR
    assert holder.until(pause_ms - 1) == [("grade", "new", "green", "rates")]
    assert holder.later(1) == [
        ("pause", pause_ms, 0, "pause_over"),
        ("relations_ceiling", 5_000, 10_000, "green_used"),
    ]


# --- down -----------------------------------------------------------------------------------------


def test_both_fall_at_once_when_red() -> None:
    holder = red(Holder(NO_BRAKE))
    assert holder.told == [
        ("grade", "new", "red", "rates"),
        ("relations_ceiling", 5_000, 2_500, "red"),
        ("daily_add_ceiling", 20, 10, "red"),
    ]
    assert [change.direction for change in holder.changes] == [None, "down", "down"]


def test_they_fall_again_with_each_cool_down_that_is_still_red_to_their_floors() -> None:
    holder = red(Holder(NO_BRAKE))
    holder.until(START + DAY - 1)
    assert holder.ceilings == (2_500, 10)
    assert holder.later(1) == [("relations_ceiling", 2_500, 1_250, "red")]
    assert holder.later(DAY) == [("relations_ceiling", 1_250, 1_000, "red")]


def test_the_third_red_period_in_a_row_that_finds_the_floor_puts_the_account_out() -> None:
    holder = red(Holder(NO_BRAKE))
    holder.until(START + 5 * DAY - 1)
    assert holder.limits.grade == "red"
    assert holder.later(1) == [("pause", 0, None, "off"), ("status", "active", "off", "off")]
    assert holder.limits.grade == "off"
    assert holder.limits.broadcast_rate_per_s == 0


def test_red_periods_with_a_better_grade_between_them_are_not_in_a_row() -> None:
    holder = red(Holder(changed(NO_BRAKE, reputation={"hold_ms": HOUR})))
    holder.until(START + 4 * DAY + HOUR)
    assert holder.book.periods_at_floor == 2
    holder.note(delivered=40_000)
    holder.later(HOUR)
    assert holder.limits.grade == "amber"
    holder.later(DAY)
    holder.note(delivered=1_000, complaints=400)
    assert holder.limits.grade == "red"
    assert holder.book.periods_at_floor == 1


def test_an_account_whose_rates_are_red_no_longer_serves_its_hold_and_falls_no_further() -> None:
    holder = red(Holder(NO_BRAKE))
    holder.later(12 * HOUR)
    holder.note(delivered=40_000)
    assert holder.until(START + 36 * HOUR - 1) == []
    assert holder.limits.grade == "red"
    assert holder.later(1) == [("grade", "red", "amber", "rates")]


def test_an_account_that_turns_red_again_within_the_cool_down_falls_after_it() -> None:
    holder = red(Holder(changed(NO_BRAKE, reputation={"hold_ms": 0})))
    holder.later(HOUR)
    holder.note(delivered=40_000)
    assert holder.limits.grade == "amber"
    holder.note(delivered=1_000, complaints=400)
    assert holder.limits.grade == "red"
    holder.until(START + DAY - 1)
    assert holder.ceilings == (2_500, 10)
    holder.later(1)
    assert holder.ceilings == (1_250, 10)


def test_nothing_rises_within_the_cool_down() -> None:
    holder = Holder(changed(NO_BRAKE, reputation={"hold_ms": 0}))
    holder.note(relations=4_000)
    red(holder)
    holder.note(delivered=1_000_000)
    assert holder.limits.grade == "green"
    holder.until(START + DAY - 1)
    assert holder.ceilings == (2_500, 10)
    holder.later(1)
    assert holder.ceilings == (7_500, 10)


@pytest.mark.parametrize(("factor", "fallen"), [(0.29, 29), (0.5, 50), (0.007, 20), (0.999, 99)])
def test_a_fall_rounds_down_and_stops_at_the_floor(factor: float, fallen: int) -> None:
    relations = {"start": 100, "floor": 20, "max": 200, "step": 10, "enterprise": None}
    ceiling = type(NO_BRAKE.ceilings.relations)(**relations)  # type: ignore[union-attr,arg-type]
    sections = {"relations": ceiling, "fall_factor": factor}
    assert red(Holder(changed(NO_BRAKE, ceilings=sections))).ceilings[0] == fallen


# --- idle -----------------------------------------------------------------------------------------


def raised(relations: int) -> Holder:
    """An account at 10,000 that has lost all of its relations but these since."""
    holder = green(Holder(NO_BRAKE), relations=2_500)
    holder.later(1)
    assert holder.ceilings == (10_000, 20)
    holder.note(relations=relations - 2_500)
    return holder


def test_an_unused_ceiling_goes_a_step_down_after_a_month() -> None:
    holder = raised(2_499)
    moved_ms = START + DAY
    # What was held on the day of the loss counts to the end of that day of UTC.
    day_end_ms = (moved_ms // DAY + 1) * DAY
    holder.until(day_end_ms + 30 * DAY - 1)
    assert holder.ceilings == (10_000, 20)
    assert holder.later(1) == [("relations_ceiling", 10_000, 5_000, "idle")]


def test_a_quarter_used_is_used() -> None:
    holder = raised(2_500)
    holder.later(90 * DAY)
    assert holder.ceilings == (10_000, 20)


def test_what_was_used_within_the_month_keeps_the_ceiling() -> None:
    holder = raised(2_499)
    holder.later(29 * DAY)
    holder.note(relations=1)
    holder.note(relations=-1)
    holder.later(30 * DAY - 1)
    assert holder.ceilings == (10_000, 20)
    holder.later(2 * DAY)
    assert holder.ceilings == (5_000, 20)


def test_idle_goes_one_step_a_month_and_never_below_the_start() -> None:
    holder = green(Holder(NO_BRAKE), relations=16_000)
    holder.later(3 * DAY)
    assert holder.ceilings == (20_000, 20)
    holder.note(relations=-16_000)
    holder.later(400 * DAY)
    steps = [c.after for c in holder.changes if c.reason == "idle"]
    assert steps == [15_000, 10_000, 5_000]
    assert holder.due_ms is None


# --- the rest -------------------------------------------------------------------------------------


def test_without_ceilings_there_are_none_and_nobody_is_put_out() -> None:
    holder = red(Holder(changed(NO_BRAKE, ceilings=None)))
    holder.later(30 * DAY)
    assert holder.ceilings == (None, None)
    assert {told[0] for told in holder.told} == {"grade"}


def test_a_new_policys_bounds_hold_at_once() -> None:
    holder = raised(2_500)
    limits = NO_BRAKE.ceilings
    assert limits is not None
    tight = type(limits.relations)(start=500, step=100, floor=100, max=800)
    holder.law = Holder(changed(NO_BRAKE, ceilings={"relations": tight})).law
    assert holder.ceilings == (800, 20)


def test_peaks_keep_only_what_nothing_later_exceeds() -> None:
    held, law = CeilingState(), within(20 * DAY, 3 * DAY)
    width = width_ms(law)
    assert width == 3 * DAY // 20
    for index, most in enumerate([5, 9, 7, 7, 3]):
        held.used(most, law, index * width + 1)
        held.used(most - 1, law, index * width + 2)
    assert held.peaks == [Peak(width, 9), Peak(3 * width, 7), Peak(4 * width, 3)]
    found = [held.most_within(times * width, law, 5 * width) for times in range(6)]
    assert found == [0, 3, 7, 7, 9, 9]
    held.forget(within(DAY, DAY), 2 * width + DAY + width_ms(within(DAY, DAY)))
    assert held.peaks == [Peak(3 * width, 7), Peak(4 * width, 3)]


@pytest.mark.parametrize("minutes", [1, 3, 60])
def test_what_was_used_is_known_to_a_twentieth_of_the_window(minutes: int) -> None:
    law = within(minutes * MINUTE, 2 * minutes * MINUTE)
    held, window_ms = CeilingState(), minutes * MINUTE
    held.used(7, law, START)
    assert held.most_within(window_ms, law, START + window_ms - 1) == 7
    assert held.most_within(window_ms, law, START + window_ms + window_ms // 20) == 0


def within(rise_ms: int, idle_ms: int) -> Ceilings:
    limits = NO_BRAKE.ceilings
    assert limits is not None
    return replace(limits, rise_within_ms=rise_ms, idle_within_ms=idle_ms)


def test_the_docs_carry_the_table_that_decides() -> None:
    assert table() in DOCS.read_text(encoding="utf-8")
