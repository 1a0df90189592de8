"""Buckets and bounds: what counts when, and what is known from how much."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.account.facts import Facts
from streams.core.account.rates import Bucket, Totals, totals_of
from streams.core.stats import wilson_high, wilson_low
from tests.unit.core.account.holder import BUCKET_MS, START, Holder, bucket_ms
from tests.unit.core.person import DAY

Z975 = 1.959963984540054
SHARES = st.floats(0, 2_000, allow_nan=False)


def test_the_bounds_are_wilsons() -> None:
    # Wilson 1927 by hand for 3 of 1,000: centre (0.003 + z²/2n) ∓ spread, over 1 + z²/n.
    assert isclose(wilson_low(3, 1_000, Z975), 0.00102079, rel_tol=1e-4)
    assert isclose(wilson_high(3, 1_000, Z975), 0.00878276, rel_tol=1e-4)


def test_no_complaint_in_1400_deliveries_still_allows_more_than_a_quarter_of_a_percent() -> None:
    assert isclose(wilson_high(0, 1_400, Z975), 0.00274, rel_tol=0.01)
    assert wilson_low(0, 1_400, Z975) == 0


def test_nothing_is_known_without_deliveries() -> None:
    assert wilson_low(5, 0, Z975) == 0
    assert wilson_high(0, 0, Z975) == 1


@settings(derandomize=True, max_examples=300, deadline=None, database=None)
@given(SHARES, st.integers(1, 1_000), st.floats(0, 4))
def test_the_rate_lies_between_its_bounds_and_both_are_shares(
    hits: float, trials: int, z: float
) -> None:
    low, high = wilson_low(hits, trials, z), wilson_high(hits, trials, z)
    assert 0 <= low <= min(1.0, hits / trials) + 1e-12
    assert min(1.0, hits / trials) - 1e-12 <= high <= 1


@pytest.mark.parametrize("hits", [0, 1, 2.5, 10])
def test_half_confidence_bounds_the_rate_by_itself(hits: float) -> None:
    assert isclose(wilson_low(hits, 10, 0.0), hits / 10)
    assert isclose(wilson_high(hits, 10, 0.0), hits / 10)


def test_a_bucket_counts_until_its_end_leaves_the_window() -> None:
    over_ms, bucket = 7 * DAY, Bucket(START, delivered=5)
    leaves_ms = START + BUCKET_MS + over_ms
    assert totals_of([bucket], over_ms, BUCKET_MS, leaves_ms - 1).delivered == 5
    assert totals_of([bucket], over_ms, BUCKET_MS, leaves_ms).delivered == 0
    assert totals_of([bucket], over_ms, BUCKET_MS, leaves_ms - 1).ends_ms(BUCKET_MS) == leaves_ms


def test_counts_weigh_as_the_policy_says() -> None:
    holder = Holder()
    holder.note(delivered=1_000, complaints=1, blocks=2, opt_outs=3)
    assert holder.limits.complaints == 1 + 2 + 1.5
    assert holder.limits.complaint_rate == 0.0045


def test_complaints_before_their_receipts_are_a_rate_of_nothing() -> None:
    holder = Holder()
    holder.note(complaints=3)
    limits = holder.limits
    assert (limits.delivered, limits.complaints, limits.complaint_rate) == (0, 3, 0)
    assert (limits.complaint_rate_low, limits.complaint_rate_high) == (0, 1)


def test_the_contracts_figures_are_over_reds_window_and_greens() -> None:
    holder = Holder()
    holder.note(delivered=1_000, complaints=1, received=100)
    holder.later(7 * DAY + BUCKET_MS)
    holder.note(delivered=500, received=5)
    limits = holder.limits
    assert (limits.delivered, limits.complaints) == (500, 0)
    assert limits.reply_rate == 105 / 1_500
    assert limits.complaint_rate_high == wilson_high(1, 1_500, holder.law.green_z)


def test_late_facts_count_in_their_own_bucket_and_future_ones_now() -> None:
    holder = Holder()
    holder.note(at_ms=START - 3 * DAY, delivered=7)
    holder.note(at_ms=START + 3 * DAY, delivered=5)
    assert [(b.start_ms, b.delivered) for b in holder.book.buckets] == [
        (bucket_ms(START - 3 * DAY), 7),
        (START, 5),
    ]
    assert holder.limits.delivered == 12


def test_facts_that_no_window_reaches_are_dropped() -> None:
    holder = Holder()
    keeps_ms = 28 * DAY
    holder.note(at_ms=START - keeps_ms - BUCKET_MS, delivered=7)
    assert holder.book.buckets == []
    holder.note(at_ms=START - keeps_ms, delivered=7)
    assert [b.delivered for b in holder.book.buckets] == [7]


FACT = st.tuples(
    st.integers(0, 40 * DAY), st.integers(-35 * DAY, DAY), st.integers(0, 5), st.integers(0, 2)
)


@settings(derandomize=True, max_examples=100, deadline=None, database=None)
@given(st.lists(FACT, max_size=25))
def test_the_kept_sums_are_the_sums_of_the_buckets(steps: list[tuple[int, int, int, int]]) -> None:
    holder = Holder()
    reputation = holder.law.reputation
    assert reputation is not None
    for wait_ms, offset_ms, delivered, opt_outs in steps:
        holder.now_ms += wait_ms
        at_ms = bucket_ms(holder.now_ms + offset_ms)
        holder.note(at_ms=at_ms, delivered=delivered, opt_outs=opt_outs, received=1)
        book, now_ms = holder.book, holder.now_ms
        assert book.red == totals_of(book.buckets, reputation.red.over_ms, BUCKET_MS, now_ms)
        assert book.green == totals_of(book.buckets, reputation.green.over_ms, BUCKET_MS, now_ms)
        starts = [bucket.start_ms for bucket in book.buckets]
        assert starts == sorted(set(starts))


def test_sums_of_another_window_are_not_taken_for_this_one() -> None:
    totals = Totals(7 * DAY, bucket_ms(START - 7 * DAY))
    assert totals.holds_at(7 * DAY, BUCKET_MS, START)
    assert not totals.holds_at(8 * DAY, BUCKET_MS, START)
    assert totals.holds_at(7 * DAY, BUCKET_MS, START + BUCKET_MS - 1)
    assert not totals.holds_at(7 * DAY, BUCKET_MS, START + BUCKET_MS)


def test_facts_and_buckets_have_the_same_counts() -> None:
    bucket = Bucket(0)
    bucket.add(Facts(0, 1, 2, 3, 4, 5))
    assert bucket == Bucket(0, 1, 2, 3, 4, 5)
