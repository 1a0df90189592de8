"""The brake: complaints that come too close together, whatever way they are told."""

from __future__ import annotations

from math import log

import msgspec
import pytest

from streams.core.policy import FOREVER
from tests.unit.core.account.holder import BUCKET_MS, START, WECOM, Holder, changed
from tests.unit.core.person import DAY, HOUR

NO_GRADES = changed(reputation=None)
PAUSES = (3 * HOUR, 6 * HOUR, FOREVER)


def burst(holder: Holder, complaints: int = 4) -> None:
    for _ in range(complaints):
        holder.note(complaints=1)


def test_the_fourth_complaint_in_a_row_is_an_alarm() -> None:
    holder = Holder()
    burst(holder, 3)
    assert holder.told == []
    burst(holder, 1)
    assert holder.told == [("pause", 0, START + 3 * HOUR, "burst")]
    assert holder.limits.grade == "paused"
    assert holder.limits.paused_until_ms == START + 3 * HOUR
    assert holder.limits.broadcast_rate_per_s == 0


def test_the_score_is_the_log_likelihood_ratio_and_the_threshold_walds() -> None:
    law = Holder().law.brake
    assert law is not None
    # One complaint in ten deliveries: nine that pleased and one that did not.
    by_hand = 9 * log(0.98 / 0.999) + log(0.02 / 0.001)
    assert 10 * law.delivery + law.complaint == pytest.approx(by_hand)
    assert law.threshold == pytest.approx(log(10_000))


def test_deliveries_lower_the_score_within_a_bucket_whatever_their_order() -> None:
    told_first, told_last = Holder(NO_GRADES), Holder(NO_GRADES)
    told_first.note(delivered=1_000)
    burst(told_first, 9)
    burst(told_last, 3)
    told_last.note(delivered=1_000)
    burst(told_last, 6)
    assert told_first.told == told_last.told == []
    burst(told_first, 1)
    burst(told_last, 1)
    assert len(told_first.told) == len(told_last.told) == 1


def test_a_normal_broadcast_whose_complaints_come_after_it_is_none() -> None:
    holder = Holder(NO_GRADES)
    holder.note(delivered=10_000)
    burst(holder, 20)
    assert holder.told == []


def test_what_an_account_did_well_yesterday_covers_nothing_today() -> None:
    holder = Holder()
    holder.note(delivered=10_000)
    holder.later(DAY)
    burst(holder, 4)
    assert ("pause", 0, START + DAY + 3 * HOUR, "burst") in holder.told


def test_late_receipts_bring_the_score_to_nought_and_no_further() -> None:
    holder = Holder()
    burst(holder, 3)
    holder.note(at_ms=START - DAY, delivered=100_000)
    assert holder.book.score.sum == 0
    burst(holder, 4)
    assert len(holder.told) == 1


def test_late_receipts_leave_what_is_below_nought_alone() -> None:
    holder = Holder()
    holder.note(delivered=1_000)
    before = holder.book.score.sum
    holder.note(at_ms=START - DAY, delivered=100_000)
    assert holder.book.score.sum == before < 0


def test_an_outage_told_at_once_is_weighed_as_a_whole() -> None:
    holder = Holder(NO_GRADES)
    holder.note(at_ms=START - DAY, delivered=10_000, complaints=10)
    assert holder.told == []
    holder.note(at_ms=START - DAY, delivered=200, complaints=6)
    assert len(holder.told) == 1


def test_receipts_told_a_day_late_for_months_add_up_to_no_alarm() -> None:
    holder = Holder(NO_GRADES)
    for day in range(200):
        holder.note(at_ms=holder.now_ms - DAY, delivered=200, complaints=day % 5 == 0)
        holder.later(DAY)
    assert holder.told == []


def test_complaints_and_blocks_raise_it_and_opt_outs_do_not() -> None:
    holder = Holder()
    holder.note(opt_outs=50)
    assert holder.told == []
    holder.note(complaints=2, blocks=2)
    assert len(holder.told) == 1


def test_what_weighs_nothing_in_the_rate_raises_no_alarm() -> None:
    weights = Holder().law.reputation.weights  # type: ignore[union-attr]
    spared = type(weights)(complaint=1.0, block=0.0)
    holder = Holder(changed(reputation={"weights": spared}))
    holder.note(blocks=50)
    assert holder.told == []


def test_complaints_during_a_pause_raise_no_further_alarm_then_or_later() -> None:
    holder = Holder(NO_GRADES)
    burst(holder, 4)
    burst(holder, 40)
    assert len(holder.told) == 1
    holder.until(START + 3 * HOUR)
    burst(holder, 3)
    assert [what[3] for what in holder.told] == ["burst", "pause_over"]


def test_what_happened_before_an_alarm_raises_no_other() -> None:
    holder = Holder(NO_GRADES)
    holder.now_ms += BUCKET_MS
    burst(holder, 4)
    holder.later(3 * HOUR)
    holder.note(at_ms=START, complaints=40)
    assert [what[3] for what in holder.told] == ["burst", "pause_over"]


def test_a_pause_ends_at_its_end_and_not_before() -> None:
    holder = Holder(NO_GRADES)
    burst(holder, 4)
    ends_ms = START + 3 * HOUR
    holder.until(ends_ms - 1)
    assert holder.limits.grade == "paused"
    assert holder.until(ends_ms) == [("pause", ends_ms, 0, "pause_over")]
    assert holder.limits.grade == "new"
    assert holder.limits.paused_until_ms is None


def test_the_ladder_goes_from_pause_to_longer_pause_to_off() -> None:
    holder = Holder(NO_GRADES)
    burst(holder)
    holder.later(3 * HOUR)
    burst(holder)
    second_ms = holder.now_ms
    holder.later(6 * HOUR)
    burst(holder)
    assert holder.told == [
        ("pause", 0, START + 3 * HOUR, "burst"),
        ("pause", START + 3 * HOUR, 0, "pause_over"),
        ("pause", 0, second_ms + 6 * HOUR, "burst"),
        ("pause", second_ms + 6 * HOUR, 0, "pause_over"),
        ("pause", 0, None, "burst"),
        ("status", "active", "off", "off"),
    ]
    assert holder.limits.grade == "off"
    assert holder.later(365 * DAY) == []
    assert holder.limits.grade == "off"


@pytest.mark.rule("R6.14")
@pytest.mark.parametrize(
    ("wait_ms", "pause_ms"),
    [(28 * DAY + 3 * HOUR - 1, 6 * HOUR), (28 * DAY + 3 * HOUR, 3 * HOUR)],
)
@pytest.mark.parametrize("policy", [changed(), NO_GRADES], ids=["wecom", "no reputation"])
def test_the_ladder_forgets_after_four_weeks_without_an_alarm(
    policy: object, wait_ms: int, pause_ms: int
) -> None:
    holder = Holder(policy)  # type: ignore[arg-type]
    burst(holder)
    holder.until(START + wait_ms)
    burst(holder)
    assert holder.told[-1] == ("pause", 0, START + wait_ms + pause_ms, "burst")


@pytest.mark.rule("R6.14")
def test_a_pause_longer_than_the_ladder_s_memory_is_no_good_time() -> None:
    green = msgspec.structs.replace(WECOM.reputation.green, over_ms=2 * HOUR)  # type: ignore[union-attr]
    holder = Holder(changed(reputation={"green": green}, brake={"pauses_ms": PAUSES}))
    burst(holder)
    holder.later(3 * HOUR)
    burst(holder)
    assert holder.limits.paused_until_ms == holder.now_ms + 6 * HOUR
    holder.later(6 * HOUR + 2 * HOUR)
    burst(holder)
    assert holder.limits.paused_until_ms == holder.now_ms + 3 * HOUR


def test_a_ladder_without_an_end_stays_on_its_last_step() -> None:
    holder = Holder(changed(NO_GRADES, brake={"pauses_ms": (HOUR,)}))
    for _ in range(5):
        burst(holder)
        assert holder.limits.paused_until_ms == holder.now_ms + HOUR
        holder.later(HOUR)


def test_without_a_brake_nothing_pauses() -> None:
    holder = Holder(changed(NO_GRADES, brake=None))
    burst(holder, 100)
    assert holder.told == []


def test_a_pause_runs_out_although_the_brake_was_taken_from_the_policy() -> None:
    holder = Holder(NO_GRADES)
    burst(holder)
    holder.law = Holder(changed(NO_GRADES, brake=None)).law
    assert holder.later(3 * HOUR) == [("pause", START + 3 * HOUR, 0, "pause_over")]
