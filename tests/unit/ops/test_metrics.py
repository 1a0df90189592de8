from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from streams.ops.catalogue import LABEL_VALUES, METRICS, OTHER
from streams.ops.distribution import Distribution
from streams.ops.metrics import Observer
from streams.runtime.snapshot import StageSnapshot
from streams.stages.balance import Balance


@pytest.fixture
def observer() -> Observer:
    return Observer("stage-")


def commit(observer: Observer, *entries: tuple[tuple[str, ...], int]) -> None:
    observer.committed("customer", 3, Counter(dict(entries)), records=10, seconds=0.02)


def value(observer: Observer, name: str, **labels: str) -> float | None:
    return observer.registry.get_sample_value(f"decorum_{name}", labels)


def test_a_tally_is_counted(observer: Observer) -> None:
    entry = ("decisions_total", "broadcast", "deferred", "window_full")
    commit(observer, (entry, 2))
    commit(observer, (entry, 5), (("interactions_total", "decorum.complained.v1"), 1))

    labels = {"kind": "broadcast", "outcome": "deferred", "reason": "window_full"}
    assert value(observer, "decisions_total", **labels) == 7
    assert value(observer, "interactions_total", type="decorum.complained.v1") == 1


def test_topics_lose_their_prefix(observer: Observer) -> None:
    commit(observer, (("dead_letters_total", "stage-interactions", "not_json"), 1))
    commit(observer, (("rerouted_total", "outbound-intents"), 1))

    labels = {"topic": "interactions", "reason": "not_json"}
    assert value(observer, "dead_letters_total", **labels) == 1
    assert value(observer, "rerouted_total", topic="outbound-intents") == 1


def test_an_id_never_becomes_a_label(observer: Observer) -> None:
    for number in range(100):
        commit(observer, (("interactions_total", f"customer-{number}"), 1))

    assert value(observer, "interactions_total", type=OTHER) == 100
    assert b"customer-" not in observer.exposition()
    assert observer._children == {}


def test_a_misspelt_tally_is_loud(observer: Observer) -> None:
    with pytest.raises(KeyError):
        commit(observer, (("decision_total", "broadcast", "approved", "ok"), 1))
    with pytest.raises(ValueError, match="zip"):
        commit(observer, (("decisions_total", "broadcast", "approved"), 1))


def test_latency_counts_many_at_once_and_reaches_to_the_commit(observer: Observer) -> None:
    # The batch took 20 ms from the reading of the clock to the end of its commit.
    commit(observer, (("latency_ms", "30"), 3), (("latency_ms", "31"), 2))

    assert value(observer, "decision_latency_seconds_bucket", le="0.03") == 0
    assert value(observer, "decision_latency_seconds_bucket", le="0.05") == 3
    assert value(observer, "decision_latency_seconds_bucket", le="0.075") == 5
    assert value(observer, "decision_latency_seconds_bucket", le="+Inf") == 5
    assert value(observer, "decision_latency_seconds_count") == 5
    assert value(observer, "decision_latency_seconds_sum") == pytest.approx(0.252)


def test_a_wait_that_two_clocks_make_negative_still_has_its_batch(observer: Observer) -> None:
    commit(observer, (("latency_ms", "-400"), 1))
    assert value(observer, "decision_latency_seconds_sum") == pytest.approx(0.02)


def test_the_brake_reaches_to_the_commit_of_the_limit(observer: Observer) -> None:
    commit(observer, (("brake_ms", "80"), 1))
    assert value(observer, "brake_seconds_bucket", le="0.075") == 0
    assert value(observer, "brake_seconds_bucket", le="0.1") == 1


def test_a_distribution_takes_every_value() -> None:
    distribution = Distribution("seconds", "Some.", (0.001, 0.01))
    for value_ms in (-5, 0, 1, 2, 10, 11, 10**9):
        distribution.add(value_ms, 1)

    (family,) = distribution.collect()
    buckets = {s.labels["le"]: s.value for s in family.samples if s.name == "seconds_bucket"}
    assert buckets == {"0.001": 3, "0.01": 5, "+Inf": 7}


def test_batches_are_measured_by_stage(observer: Observer) -> None:
    commit(observer)

    assert value(observer, "chunk_seconds_sum", stage="customer") == 0.02
    assert value(observer, "chunk_records_sum", stage="customer") == 10
    assert value(observer, "chunk_records_bucket", stage="customer", le="10.0") == 1


def snapshot(**differs: Any) -> StageSnapshot:
    usual: dict[str, Any] = {
        "assigned": (0,),
        "accepting": (0,),
        "warming": (),
        "waiting_records": 0,
        "state_keys": 0,
        "timers": 0,
        "restore_seconds": 0.0,
        "progress_age_seconds": 0.0,
        "waiting_age_seconds": 0.0,
    }
    return StageSnapshot(**usual | differs)


def test_the_balance_is_over_all_stages(observer: Observer) -> None:
    observer.record_stage("account", snapshot(), Balance(accepted=10, settled=1, held=2))
    observer.record_stage("customer", snapshot(), Balance(accepted=0, settled=3, held=4))

    assert value(observer, "unbalanced") == 0
    assert value(observer, "deferred", stage="account") == 2
    assert value(observer, "deferred", stage="customer") == 4

    observer.record_stage("customer", snapshot(), Balance(accepted=0, settled=3, held=3))
    assert value(observer, "unbalanced") == 1
    assert value(observer, "deferred", stage="customer") == 3


def test_a_stage_without_partitions_counts_elsewhere(observer: Observer) -> None:
    observer.record_stage(
        "customer", snapshot(state_keys=7, restore_seconds=0.3), Balance(accepted=5, held=1)
    )
    assert value(observer, "state_keys", stage="customer") == 7
    assert value(observer, "recovery_seconds", stage="customer") == 0.3

    observer.record_stage("customer", snapshot(), Balance())

    assert value(observer, "unbalanced") == 0
    assert value(observer, "deferred", stage="customer") == 0
    assert value(observer, "state_keys", stage="customer") == 0


def test_partitions_are_told_by_whether_they_take_records(observer: Observer) -> None:
    observer.record_stage("customer", snapshot(assigned=(1, 4, 7), accepting=(4,)), Balance())
    assert value(observer, "partitions", stage="customer", status="deciding") == 1
    assert value(observer, "partitions", stage="customer", status="recovering") == 2

    observer.record_stage("customer", snapshot(assigned=(1, 4, 7), accepting=(1, 4, 7)), Balance())
    assert value(observer, "partitions", stage="customer", status="deciding") == 3
    assert value(observer, "partitions", stage="customer", status="recovering") == 0


def test_what_is_read_ahead_is_told_apart_from_what_is_here(observer: Observer) -> None:
    observer.record_stage(
        "customer", snapshot(assigned=(1,), accepting=(1,), warming=(4, 7)), Balance()
    )
    assert value(observer, "partitions", stage="customer", status="deciding") == 1
    assert value(observer, "partitions", stage="customer", status="recovering") == 0
    assert value(observer, "partitions", stage="customer", status="warming") == 2


def test_how_many_partitions_a_stage_has_is_told_beside_how_many_are_here(
    observer: Observer,
) -> None:
    observer.record_expected({"rules": 1, "customer": 24})
    assert value(observer, "partitions_expected", stage="rules") == 1
    assert value(observer, "partitions_expected", stage="customer") == 24


def test_what_stands_still_and_what_waits_is_told(observer: Observer) -> None:
    ages = snapshot(progress_age_seconds=61.5, waiting_age_seconds=12.25)
    observer.record_stage("account", ages, Balance())
    observer.record_ages("account", oldest_seconds=86_400.0, overdue_seconds=3.5)

    assert value(observer, "progress_age_seconds", stage="account") == 61.5
    assert value(observer, "waiting_age_seconds", stage="account") == 12.25
    assert value(observer, "deferred_oldest_seconds", stage="account") == 86_400
    assert value(observer, "overdue_seconds", stage="account") == 3.5


def test_accounts_are_counted_by_grade_and_those_that_are_gone_are_not(observer: Observer) -> None:
    observer.record_grades({"new": 3, "paused": 1})
    observer.record_grades({"new": 2, "green": 2})

    grades = {grade: value(observer, "accounts", grade=grade) for grade in LABEL_VALUES["grade"]}
    assert grades == {"new": 2, "green": 2, "amber": 0, "red": 0, "paused": 0, "off": 0}


def test_an_account_without_a_grade_yet_is_not_counted(observer: Observer) -> None:
    observer.record_grades({"": 5, "new": 1})
    assert value(observer, "accounts", grade="new") == 1
    assert b'grade=""' not in observer.exposition()


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.from_start])
def test_a_first_count_is_seen_by_a_rate(observer: Observer, name: str) -> None:
    """Every series that an alert adds up stands at 0 before anything happens."""
    family = next(f for f in observer.registry.collect() if f"{f.name}_total" == f"decorum_{name}")
    assert {sample.value for sample in family.samples} == {0}
    sizes = [len(LABEL_VALUES[kind]) for kind in METRICS[name].labels.values()]
    assert len(family.samples) == math.prod(sizes)
