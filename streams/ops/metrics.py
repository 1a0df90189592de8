"""Every metric of a worker, fed only with what is committed.

The metrics themselves are `catalogue.METRICS`; this file keeps their values. Labels take their
values from closed sets; anything else is counted as `other`, so that no id can ever become a label.
Nothing here may slow a batch down or depend on a single message.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from streams import __version__
from streams.ops.catalogue import LABEL_VALUES, METRICS, OTHER, PREFIX
from streams.ops.distribution import Distribution
from streams.topics import Topics

if TYPE_CHECKING:
    from collections import Counter as Tally
    from collections.abc import Mapping

    from streams.ops.catalogue import Metric
    from streams.runtime.snapshot import StageSnapshot
    from streams.stages.balance import Balance

DURATIONS: Final = {"latency_ms": "decision_latency_seconds", "brake_ms": "brake_seconds"}
"""Durations that stages tally as `(name, milliseconds as text) → how many`: the wait until a batch
was begun, to which its own time is added. All other entries are `(counter, *labels) → how many`."""

BUCKETS: Final[Mapping[str, tuple[float, ...]]] = {
    "chunk_seconds": (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    "chunk_records": (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000),
}

# When a series began is twice the lines, and no query of ours asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Observer:
    """Collects the metrics of one worker in a registry of its own.

    `prefix` is `DECORUM_PREFIX`: topics appear under their logical names.
    """

    def __init__(self, prefix: str = "") -> None:
        self.registry = CollectorRegistry()
        self._names = Topics(prefix)
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        self._durations: dict[str, Distribution] = {}
        self._children: dict[tuple[str, ...], Counter] = {}
        self._balances: dict[str, int] = {}
        for name, metric in METRICS.items():
            self._register(name, metric)
        self._gauges["build_info"].labels(__version__).set(1)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def _register(self, name: str, metric: Metric) -> None:
        full, labels, registry = PREFIX + name, tuple(metric.labels), self.registry
        if name in DURATIONS.values():
            self._durations[name] = Distribution(full, metric.help)
            registry.register(self._durations[name])
        elif metric.kind == "counter":
            self._counters[name] = Counter(full, metric.help, labels, registry=registry)
            if metric.from_start:
                for values in product(*(LABEL_VALUES[kind] for kind in metric.labels.values())):
                    self._counters[name].labels(*values)
        elif metric.kind == "gauge":
            self._gauges[name] = Gauge(full, metric.help, labels, registry=registry)
        else:
            self._histograms[name] = Histogram(
                full, metric.help, labels, registry=registry, buckets=BUCKETS[name]
            )

    def committed(
        self,
        stage: str,
        partition: int,
        counters: Tally[tuple[str, ...]],
        records: int,
        seconds: float,
    ) -> None:
        """Count what a committed batch did. Raises KeyError for an unknown counter."""
        del partition  # A label of it would multiply the series, and no alert needs it.
        self._histograms["chunk_seconds"].labels(stage).observe(seconds)
        self._histograms["chunk_records"].labels(stage).observe(records)
        batch_ms = round(seconds * 1000)
        for entry, times in counters.items():
            duration = DURATIONS.get(entry[0])
            if duration is not None:
                self._durations[duration].add(max(int(entry[1]), 0) + batch_ms, times)
                continue
            child = self._children.get(entry)
            if child is None:
                child = self._child(entry)
            child.inc(times)

    def was_in_doubt(self, stage: str, *, committed: bool) -> None:
        """Count a batch whose commit was in doubt, by its outcome."""
        self._counters["transactions_in_doubt_total"].labels(
            stage, "committed" if committed else "repeated"
        ).inc()

    def _child(self, entry: tuple[str, ...]) -> Counter:
        """The counter of an entry, cached unless one of its values is outside its set."""
        name, *values = entry
        kinds = METRICS[name].labels.values()
        closed = [self._label_value(kind, value) for kind, value in zip(kinds, values, strict=True)]
        child = self._counters[name].labels(*closed)
        if OTHER not in closed:
            self._children[entry] = child
        return child

    def _label_value(self, kind: str, value: str) -> str:
        if kind == "topic":
            value = self._names.logical(value)
        return value if value in LABEL_VALUES[kind] else OTHER

    def record_expected(self, partitions: Mapping[str, int]) -> None:
        """Set how many partitions each stage has over all workers: compared with the sum of the
        workers' partitions, it shows a partition that no worker has.
        """
        for stage, count in partitions.items():
            self._gauges["partitions_expected"].labels(stage).set(count)

    def record_stage(self, stage: str, snapshot: StageSnapshot, balance: Balance) -> None:
        """Set a stage's gauges: its partitions here, and the sum of their stored counts."""
        self._balances[stage] = balance.accepted - balance.settled - balance.held
        self._gauges["unbalanced"].set(sum(self._balances.values()))
        partitions = self._gauges["partitions"]
        deciding = len(snapshot.accepting)
        partitions.labels(stage, "deciding").set(deciding)
        partitions.labels(stage, "recovering").set(len(snapshot.assigned) - deciding)
        partitions.labels(stage, "warming").set(len(snapshot.warming))
        for name, value in (
            ("deferred", balance.held - balance.queued),
            ("state_keys", snapshot.state_keys),
            ("recovery_seconds", snapshot.restore_seconds),
            ("progress_age_seconds", snapshot.progress_age_seconds),
            ("waiting_age_seconds", snapshot.waiting_age_seconds),
        ):
            self._gauges[name].labels(stage).set(value)

    def record_ages(self, stage: str, oldest_seconds: float, overdue_seconds: float) -> None:
        """Set how long ago the oldest held intent of a stage was accepted, and how long ago the
        earliest timer that has not fired was due; 0 where there is none.
        """
        self._gauges["deferred_oldest_seconds"].labels(stage).set(oldest_seconds)
        self._gauges["overdue_seconds"].labels(stage).set(overdue_seconds)

    def record_queued(self, stage: str, customers: int) -> None:
        """Set how many customers wait in the queues of this stage's partitions on this worker."""
        self._gauges["deferred"].labels(stage).set(customers)

    def record_grades(self, counts: Mapping[str, int]) -> None:
        """Set how many accounts on this worker have each grade; a grade without an entry has none,
        and an unknown grade is not counted.
        """
        for grade in LABEL_VALUES["grade"]:
            self._gauges["accounts"].labels(grade).set(counts.get(grade, 0))

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)
