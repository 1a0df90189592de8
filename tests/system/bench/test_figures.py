from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, cast

import pytest

from tests.system.bench.history import ledgers
from tests.system.bench.load import ACCOUNTS, MIX, accepted, campaign, mixed
from tests.system.bench.report import BenchError, Row, latencies, quantile, table
from tests.system.bench.throughput import throughput
from tests.system.bench.toy import DAY_MS, MONTH_MS, decide

if TYPE_CHECKING:
    from tests.system.bench.program import Program


@pytest.mark.parametrize(
    ("share", "value"), [(0.001, 1), (0.5, 50), (0.501, 51), (0.99, 99), (1, 100)]
)
def test_a_quantile_is_the_smallest_value_not_below_its_share(share: float, value: int) -> None:
    assert quantile(range(1, 101), share) == value


def test_nothing_measured_is_an_error_and_not_a_zero() -> None:
    with pytest.raises(BenchError):
        latencies([])


class _Program:
    def cpu_s(self, since: float, until: float) -> float:
        return (until - since) / 2


def test_a_rate_counts_what_arrived_between_15_and_85_percent() -> None:
    # Slow at both ends, 1,000 a second between.
    arrived = [*range(0, 3_000, 20), *range(3_000, 3_700), *range(3_700, 6_700, 20)]
    found = throughput([ms * 10 for ms in arrived], cast("Program", _Program()))
    assert found.per_s == pytest.approx(100)
    assert found.cpu_us == pytest.approx(5_000)
    assert found.busy == pytest.approx(0.5)


def test_no_rate_is_given_over_few_arrivals_or_a_moment() -> None:
    program = cast("Program", _Program())
    assert throughput([ms // 1_000 * 1_000 for ms in range(10_000)], program).per_s is None
    assert throughput(list(range(1_000)), program).per_s is None


def test_the_table_names_a_bench_once() -> None:
    text = table([Row("a", "x", "1"), Row("a", "y", "2"), Row("b", "z", "3", "how")])
    assert [line.split() for line in text.splitlines()[2:]] == [
        ["a", "x", "1"],
        ["y", "2"],
        ["b", "z", "3", "how"],
    ]


def test_the_load_is_the_same_every_time_and_names_each_intent_once() -> None:
    items = list(mixed(2_000, 500))
    assert items == list(mixed(2_000, 500))
    intents = [accepted(value) for _, value in items]
    assert len({intent.id for intent in intents}) == 2_000
    assert {intent.kind for intent in intents} == set(MIX)
    assert len({intent.account_id for intent in intents}) == ACCOUNTS
    assert len({who for intent in intents for who in intent.customer_ids}) == 500


def test_a_campaign_names_every_customer_once() -> None:
    named = [who for _, value in campaign(250, 100) for who in accepted(value).customer_ids]
    assert len(named) == len(set(named)) == 250


def test_the_toy_rule_frees_a_contact_exactly_when_it_leaves_the_window() -> None:
    log = array("q", [0, 10, 20])
    assert decide(log, DAY_MS - 1) == (False, "day_full", 0, DAY_MS)
    assert decide(log, DAY_MS) == (True, "ok", 0, DAY_MS)
    month = array("q", [n * DAY_MS for n in range(20)])
    assert decide(month, 25 * DAY_MS) == (False, "month_full", 0, MONTH_MS)
    assert decide(month, MONTH_MS).allowed


def test_history_leaves_ledgers_that_the_stage_itself_has_written() -> None:
    values = ledgers(50)
    assert 0 < len(values) <= 50
    assert all(values)
