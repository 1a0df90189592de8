from __future__ import annotations

from collections import Counter

import pytest

from streams.lane.crew import StageSnapshot
from streams.ops.distribution import Distribution
from streams.ops.metrics import COUNTED, LABEL_VALUES, OTHER, Observer
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


def test_every_label_of_a_tally_has_a_closed_set() -> None:
    for what in COUNTED.values():
        assert len(what.labels) == len(what.sets)
        assert set(what.sets) <= set(LABEL_VALUES)
    assert all(values and OTHER not in values for values in LABEL_VALUES.values())


def test_a_misspelt_tally_is_loud(observer: Observer) -> None:
    with pytest.raises(KeyError):
        commit(observer, (("decision_total", "broadcast", "approved", "ok"), 1))
    with pytest.raises(ValueError, match="zip"):
        commit(observer, (("decisions_total", "broadcast", "approved"), 1))


def test_latency_counts_many_at_once(observer: Observer) -> None:
    commit(observer, (("latency_ms", "50"), 3), (("latency_ms", "51"), 2))

    assert value(observer, "decision_latency_seconds_bucket", le="0.03") == 0
    assert value(observer, "decision_latency_seconds_bucket", le="0.05") == 3
    assert value(observer, "decision_latency_seconds_bucket", le="0.075") == 5
    assert value(observer, "decision_latency_seconds_bucket", le="+Inf") == 5
    assert value(observer, "decision_latency_seconds_count") == 5
    assert value(observer, "decision_latency_seconds_sum") == pytest.approx(0.252)


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


def snapshot(*, state_keys: int = 0, recovery_seconds: float = 0.0) -> StageSnapshot:
    return StageSnapshot(
        assigned=(0,),
        accepting=(0,),
        waiting_records=0,
        state_keys=state_keys,
        timers=0,
        recovery_seconds=recovery_seconds,
        progress_age_seconds=0.0,
    )


def test_the_balance_is_over_all_stages(observer: Observer) -> None:
    observer.stands("account", snapshot(), Balance(accepted=10, settled=1, held=2))
    observer.stands("customer", snapshot(), Balance(accepted=0, settled=3, held=4))

    assert value(observer, "unbalanced") == 0
    assert value(observer, "deferred", stage="account") == 2
    assert value(observer, "deferred", stage="customer") == 4

    observer.stands("customer", snapshot(), Balance(accepted=0, settled=3, held=3))
    assert value(observer, "unbalanced") == 1
    assert value(observer, "deferred", stage="customer") == 3


def test_a_stage_without_partitions_counts_elsewhere(observer: Observer) -> None:
    observer.stands(
        "customer", snapshot(state_keys=7, recovery_seconds=0.3), Balance(accepted=5, held=1)
    )
    assert value(observer, "state_keys", stage="customer") == 7
    assert value(observer, "recovery_seconds", stage="customer") == 0.3

    observer.stands("customer", snapshot(), Balance())

    assert value(observer, "unbalanced") == 0
    assert value(observer, "deferred", stage="customer") == 0
    assert value(observer, "state_keys", stage="customer") == 0


def test_names_are_the_contracts(observer: Observer) -> None:
    text = observer.exposition().decode()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE decorum_")}
    assert {f"decorum_{name}" for name in CONTRACT} <= names
    assert "process_cpu_seconds_total" in text


CONTRACT = (
    "decisions_total",
    "decision_latency_seconds",
    "chunk_seconds",
    "chunk_records",
    "interactions_total",
    "dead_letters_total",
    "deferred",
    "ceiling_changes_total",
    "brake_seconds",
    "state_keys",
    "recovery_seconds",
    "rerouted_total",
    "unbalanced",
    "build_info",
)
