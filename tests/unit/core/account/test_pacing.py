"""The pace: exact moments, and never more than the rate and the burst allow, whatever is tried."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.account.pacing import fits, give_back, interval_us, opens_ms, take

NOW: Final = 1_795_312_800_000
BURST: Final = 30_000


@pytest.mark.parametrize(
    ("rate_per_s", "expected_us"),
    [(10, 100_000), (1, 1_000_000), (3, 333_334), (0.5, 2_000_000), (7 / 60, 8_571_429), (0, None)],
)
def test_an_interval_is_whole_and_never_too_short(
    rate_per_s: float, expected_us: int | None
) -> None:
    assert interval_us(rate_per_s) == expected_us


def test_after_idleness_exactly_the_burst_may_go_at_once() -> None:
    assert fits(0, 100_000, BURST, NOW) == 300
    assert fits(0, 1_000_000, BURST, NOW) == 30


def test_at_least_one_may_go_however_slow_the_rate() -> None:
    slow_us = 60_000_000
    assert fits(0, slow_us, BURST, NOW) == 1
    tat_us = take(0, slow_us, 1, NOW)
    assert opens_ms(tat_us, slow_us, BURST, NOW) == NOW + 60_000


def test_without_a_burst_they_go_one_by_one() -> None:
    tat_us = take(0, 100_000, 1, NOW)
    assert fits(tat_us, 100_000, 0, NOW) == 0
    assert fits(tat_us, 100_000, 0, NOW + 99) == 0
    assert fits(tat_us, 100_000, 0, NOW + 100) == 1


def test_when_the_burst_is_used_the_next_goes_an_interval_later() -> None:
    tat_us = take(0, 100_000, 300, NOW)
    assert fits(tat_us, 100_000, BURST, NOW + 99) == 0
    assert opens_ms(tat_us, 100_000, BURST, NOW) == NOW + 100
    assert fits(tat_us, 100_000, BURST, NOW + 100) == 1
    assert fits(tat_us, 100_000, BURST, NOW + 1_000) == 10


def test_what_is_open_opens_now() -> None:
    assert opens_ms(0, 100_000, BURST, NOW) == NOW


def test_idleness_is_no_credit_beyond_the_burst() -> None:
    tat_us = take(0, 100_000, 1, NOW)
    assert fits(tat_us, 100_000, BURST, NOW + 86_400_000) == 300


def test_what_is_given_back_may_go_at_once() -> None:
    tat_us = take(0, 100_000, 300, NOW)
    assert fits(give_back(tat_us, 100_000, 7), 100_000, BURST, NOW) == 7


def test_a_better_rate_counts_from_now_on() -> None:
    tat_us = take(0, 1_000_000, 30, NOW)
    assert fits(tat_us, 100_000, BURST, NOW) == 0
    assert opens_ms(tat_us, 100_000, BURST, NOW) == NOW + 100


intervals = st.integers(1, 40_000_000)
bursts = st.sampled_from([0, 1, 999, 1_000, BURST])
gaps = st.one_of(st.integers(0, 50), st.integers(0, 100_000))


@given(intervals, bursts, st.lists(st.tuples(gaps, st.integers(1, 500)), min_size=1, max_size=30))
def test_no_span_sees_more_than_rate_and_burst_allow(
    every_us: int, burst_ms: int, tries: list[tuple[int, int]]
) -> None:
    went = _went([(gap, every_us, wanted) for gap, wanted in tries], burst_ms)
    for first, (since_ms, _, _) in enumerate(went):
        count = 0
        for at_ms, _, taken in went[first:]:
            count += taken
            # rate x (t + burst) + 1, without dividing
            assert (count - 1) * every_us <= (at_ms - since_ms + burst_ms) * 1_000


@given(bursts, st.lists(st.tuples(gaps, intervals, st.integers(1, 500)), min_size=1, max_size=30))
def test_with_changing_rates_the_time_that_messages_are_worth_is_bounded(
    burst_ms: int, tries: list[tuple[int, int, int]]
) -> None:
    went = _went(tries, burst_ms)
    for first, (since_ms, _, _) in enumerate(went):
        worth_us = 0
        for at_ms, every_us, taken in went[first:]:
            worth_us += taken * every_us
            allowed_us = (at_ms - since_ms) * 1_000 + max(burst_ms * 1_000, every_us)
            assert not taken or worth_us <= allowed_us


@given(intervals, bursts, st.lists(st.tuples(gaps, st.integers(1, 500)), max_size=10), gaps)
def test_the_opening_is_the_first_millisecond_that_fits(
    every_us: int, burst_ms: int, tries: list[tuple[int, int]], later_ms: int
) -> None:
    tat_us, now_ms = 0, NOW
    for gap, wanted in tries:
        now_ms += gap
        free = fits(tat_us, every_us, burst_ms, now_ms)
        tat_us = take(tat_us, every_us, min(free, wanted), now_ms) if free else tat_us
    opens = opens_ms(tat_us, every_us, burst_ms, now_ms)
    assert opens >= now_ms
    assert fits(tat_us, every_us, burst_ms, opens) >= 1
    assert opens == now_ms or fits(tat_us, every_us, burst_ms, opens - 1) == 0
    assert fits(tat_us, every_us, burst_ms, opens + later_ms) >= 1


@given(intervals, bursts, st.integers(1, 1_000), st.integers(1, 1_000))
def test_what_is_taken_and_given_back_leaves_no_trace(
    every_us: int, burst_ms: int, kept: int, returned: int
) -> None:
    both = give_back(take(0, every_us, kept + returned, NOW), every_us, returned)
    assert both == take(0, every_us, kept, NOW)


def _went(tries: list[tuple[int, int, int]], burst_ms: int) -> list[tuple[int, int, int]]:
    """When how many went, at which interval, if as many go as may and are wanted."""
    tat_us, now_ms, went = 0, NOW, []
    for gap, every_us, wanted in tries:
        now_ms += gap
        taken = min(wanted, fits(tat_us, every_us, burst_ms, now_ms))
        tat_us = take(tat_us, every_us, taken, now_ms) if taken else tat_us
        went.append((now_ms, every_us, taken))
    return went
