"""Names, units, help and labels of every metric, and the reference drawn from them."""

from __future__ import annotations

import re
from typing import Final

import pytest

from streams.ops.catalogue import LABEL_VALUES, METRICS, OTHER, PREFIX
from streams.ops.metrics import BUCKETS, DURATIONS, Observer
from streams.ops.metrics_docs import markdown
from streams.settings import Settings
from streams.worker import Worker
from tests.support.paths import ROOT

REFERENCE: Final = ROOT / "docs" / "metrics.md"
UNITS: Final = ("_seconds", "_bytes")
WITHOUT_UNIT: Final = {
    *("deferred", "accounts", "partitions", "state_keys", "unbalanced", "chunk_records"),
    *("build_info", "partitions_expected"),
}
"""Counts of things, which the name says itself."""

CONTRACT: Final = {
    "decisions_total": {"kind", "outcome", "reason"},
    "decision_latency_seconds": set(),
    "chunk_seconds": {"stage"},
    "chunk_records": {"stage"},
    "interactions_total": {"type"},
    "dead_letters_total": {"topic", "reason"},
    "deferred": {"stage"},
    "deferred_oldest_seconds": {"stage"},
    "accounts": {"grade"},
    "ceiling_changes_total": {"direction"},
    "brake_seconds": set(),
    "state_keys": {"stage"},
    "recovery_seconds": {"stage"},
    "rerouted_total": {"topic"},
    "repeats_total": {"topic"},
    "unbalanced": set(),
    "build_info": {"version"},
}


def test_the_contracts_metrics_are_there_with_its_labels() -> None:
    kept = {name: set(METRICS[name].labels) for name in CONTRACT}
    assert kept == CONTRACT


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_named_as_prometheus_wants_it(name: str) -> None:
    metric = METRICS[name]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
    assert name.endswith("_total") == (metric.kind == "counter")
    assert metric.kind == "counter" or name.endswith(UNITS) or name in WITHOUT_UNIT
    assert metric.help.endswith(".")
    assert metric.help[0].isupper()


@pytest.mark.parametrize("name", METRICS)
def test_a_label_has_a_closed_set_and_is_no_name_of_prometheus(name: str) -> None:
    labels = dict(METRICS[name].labels)
    if name == "build_info":
        assert labels.pop("version") == "version"
    assert set(labels.values()) <= set(LABEL_VALUES)
    assert not labels.keys() & {"job", "instance", "le", "quantile"}


def test_a_set_has_values_each_once_and_never_the_one_for_others() -> None:
    for name, values in LABEL_VALUES.items():
        assert len(set(values)) == len(values) > 1, name
        assert OTHER not in values, name


def test_every_series_of_ours_is_in_the_catalogue() -> None:
    kinds = {}
    for line in Observer().exposition().decode().splitlines():
        if line.startswith(f"# TYPE {PREFIX}"):
            _, _, name, kind = line.split()
            kinds[name.removeprefix(PREFIX)] = kind
    assert kinds == {name: metric.kind for name, metric in METRICS.items()}


def test_every_histogram_has_its_buckets() -> None:
    histograms = {name for name, metric in METRICS.items() if metric.kind == "histogram"}
    assert histograms == BUCKETS.keys() | set(DURATIONS.values())
    assert all(list(bounds) == sorted(bounds) for bounds in BUCKETS.values())


def test_stages_are_the_workers() -> None:
    assert set(LABEL_VALUES["stage"]) == {stage.name for stage in Worker(Settings()).app._stages}


def test_the_clients_own_metrics_are_served_as_well() -> None:
    text = Observer().exposition().decode()
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "python_info"):
        assert f"\n{name}" in text


def test_the_reference_is_what_the_catalogue_says() -> None:
    again = "run `python -m streams.ops.metrics_docs > docs/metrics.md`"
    assert REFERENCE.read_text(encoding="utf-8") == markdown(), again


def test_a_worker_tells_how_many_partitions_each_stage_has() -> None:
    """Without it nobody could see that one of them is nobody's."""
    observer = Worker(Settings(partitions=24)).observer
    found = {
        stage: observer.registry.get_sample_value(f"{PREFIX}partitions_expected", {"stage": stage})
        for stage in LABEL_VALUES["stage"]
    }
    assert found == {"rules": 1, "account": 24, "customer": 24}
