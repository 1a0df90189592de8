"""What the law must show, in a form short enough for every day; the long one is the docs' table.

Seeds are fixed; the limits asserted leave the room that so few accounts need.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.properties.simulate.accounts import bad, good
from tests.properties.simulate.audience import HOUR, Audience
from tests.properties.simulate.bursts import alarm, by_the_eighth, false_alarms
from tests.properties.simulate.grades import flaps
from tests.properties.simulate.life import LAW

GOOD: Final = 0.0005


def test_good_accounts_reach_the_top_and_stay() -> None:
    found = good(Audience(200, GOOD), accounts=60, days=60)
    assert found.green >= 0.97
    assert found.top >= 0.95
    assert found.at_top >= 0.9
    assert found.top_day is not None
    assert found.top_day < 21


@pytest.mark.parametrize("at_once", [False, True])
def test_good_accounts_are_neither_red_nor_braked(at_once: bool) -> None:  # noqa: FBT001
    found = good(Audience(1_000, GOOD, at_once), accounts=100, days=60)
    assert found.reds <= 5
    assert found.brakes == 0


def test_the_brake_alone_errs_in_fewer_than_one_of_a_thousand_account_months() -> None:
    assert false_alarms(Audience(200, GOOD), accounts=1_000) <= 1
    assert false_alarms(Audience(200, GOOD, at_once=True), accounts=2_000) <= 1


def test_the_brake_spares_a_good_account_that_sends_thousands_at_once() -> None:
    assert false_alarms(Audience(5_000, GOOD, at_once=True), accounts=100) <= 10


@pytest.mark.parametrize("at_once", [False, True])
def test_a_burst_to_two_in_a_hundred_is_paused_by_its_eighth_complaint(
    at_once: bool,  # noqa: FBT001
) -> None:
    found = [alarm(Audience(200, 0.02, at_once), seed) for seed in range(300)]
    assert by_the_eighth(found) >= 0.95


def test_an_account_at_two_in_a_hundred_is_braked_the_same_day_and_then_out() -> None:
    found = bad(Audience(1_000, 0.02), accounts=60, days=14, step_ms=HOUR)
    assert found.braked_first_day >= 0.98
    assert found.off == 1
    assert found.off_day is not None
    assert found.off_day < 3


def test_an_account_at_twice_the_red_line_turns_red_and_shrinks_to_its_floor() -> None:
    found = bad(Audience(200, 0.006), accounts=80, days=60)
    assert found.red >= 0.95
    assert found.red_day is not None
    assert 2 <= found.red_day <= 6
    assert found.floor >= 0.9


def test_an_account_on_the_red_line_does_not_flap() -> None:
    assert LAW.reputation is not None
    law = flaps(200, 0.003, accounts=15, months=4, hold_ms=LAW.reputation.hold_ms)
    without_hold = flaps(200, 0.003, accounts=15, months=4, hold_ms=0)
    assert law.changes < 2
    assert law.changes < without_hold.changes
