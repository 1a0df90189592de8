"""Every metric of a worker, fed only with what is committed.

Labels take their values from closed sets; anything else is counted as `other`, so that no id can
ever become a label. Nothing here may slow a batch down or depend on a single message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from streams import __version__
from streams.core.kinds import KIND_NAMES
from streams.core.reasons import Outcome, Reason
from streams.events.interactions import INTERACTION_TYPES
from streams.ops.distribution import Distribution
from streams.topics import TOPICS, Topics

if TYPE_CHECKING:
    from collections import Counter as Tally

    from streams.lane.crew import StageSnapshot
    from streams.stages.balance import Balance

OTHER: Final = "other"

_TOPIC_NAMES: Final = frozenset(topic.name for topic in TOPICS)
LABEL_VALUES: Final[dict[str, frozenset[str]]] = {
    "kind": frozenset(KIND_NAMES),
    "outcome": frozenset(Outcome),
    "reason": frozenset(Reason),
    "type": frozenset(INTERACTION_TYPES),
    "topic": _TOPIC_NAMES,
    "refusal": frozenset(
        {
            *("not_utf8", "not_json", "invalid", "unknown_type", "too_large"),
            *("refused_policy", "refused_control"),
        }
    ),
    "direction": frozenset({"up", "down"}),
}


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter that stages feed through their tally: `(name, *label values) → how many`."""

    labels: tuple[str, ...]
    sets: tuple[str, ...]
    """For each label the closed set of its values, a key of LABEL_VALUES."""
    help: str


COUNTED: Final[dict[str, Counted]] = {
    "decisions_total": Counted(
        ("kind", "outcome", "reason"), ("kind", "outcome", "reason"), "Decisions committed."
    ),
    "interactions_total": Counted(("type",), ("type",), "Interactions taken into account."),
    "dead_letters_total": Counted(
        ("topic", "reason"), ("topic", "refusal"), "Input records refused, by input topic."
    ),
    "rerouted_total": Counted(
        ("topic",), ("topic",), "Records that came with another key or partition than theirs."
    ),
    "ceiling_changes_total": Counted(
        ("direction",), ("direction",), "Changes of an account's ceilings."
    ),
}

# Durations that stages tally as `(name, milliseconds as text) → how many`.
MEASURED: Final[dict[str, tuple[str, str]]] = {
    "latency_ms": ("decision_latency_seconds", "Intent accepted until its decision is committed."),
    "brake_ms": ("brake_seconds", "Complaint accepted until the limit it moves is committed."),
}

CHUNK_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
CHUNK_RECORDS: Final = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)


class Observer:
    """Collects the metrics of one worker in a registry of its own.

    `prefix` is `DECORUM_PREFIX`: topics appear under their logical names.
    """

    def __init__(self, prefix: str = "") -> None:
        self.registry = CollectorRegistry()
        self._names = Topics(prefix)
        self._counters = {
            name: Counter(f"decorum_{name}", what.help, what.labels, registry=self.registry)
            for name, what in COUNTED.items()
        }
        self._durations = {
            entry: Distribution(f"decorum_{name}", text) for entry, (name, text) in MEASURED.items()
        }
        for duration in self._durations.values():
            self.registry.register(duration)
        self._children: dict[tuple[str, ...], Counter] = {}
        self._balances: dict[str, int] = {}
        self._make_stage_metrics()
        self._make_process_metrics()

    def _make_stage_metrics(self) -> None:
        stage, registry = ("stage",), self.registry
        self._chunk_seconds = Histogram(
            "decorum_chunk_seconds",
            "From taking a batch's records to the end of its commit.",
            stage,
            registry=registry,
            buckets=CHUNK_SECONDS,
        )
        self._chunk_records = Histogram(
            "decorum_chunk_records",
            "Input records in a batch.",
            stage,
            registry=registry,
            buckets=CHUNK_RECORDS,
        )
        self._recovery = Gauge(
            "decorum_recovery_seconds",
            "The longest restoring of a partition's state, of those held now.",
            stage,
            registry=registry,
        )
        self._deferred = Gauge(
            "decorum_deferred", "Intents held for later.", stage, registry=registry
        )
        self._state_keys = Gauge(
            "decorum_state_keys", "Keys of restored state.", stage, registry=registry
        )
        self._unbalanced = Gauge(
            "decorum_unbalanced",
            "Intents accepted - outcomes - deferred, of this worker's partitions; the sum over "
            "all workers is 0 at rest.",
            registry=registry,
        )

    def _make_process_metrics(self) -> None:
        build = Gauge(
            "decorum_build_info", "The running version.", ["version"], registry=self.registry
        )
        build.labels(__version__).set(1)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def committed(
        self,
        stage: str,
        partition: int,
        tally: Tally[tuple[str, ...]],
        records: int,
        seconds: float,
    ) -> None:
        """A batch is committed: count what its handler tallied. KeyError for an unknown entry."""
        del partition  # A label of it would multiply the series, and no alert needs it.
        self._chunk_seconds.labels(stage).observe(seconds)
        self._chunk_records.labels(stage).observe(records)
        for entry, times in tally.items():
            duration = self._durations.get(entry[0])
            if duration is not None:
                duration.add(int(entry[1]), times)
                continue
            child = self._children.get(entry)
            if child is None:
                child = self._child(entry)
            child.inc(times)

    def _child(self, entry: tuple[str, ...]) -> Counter:
        """The counter of a tally's entry, remembered unless its values are not of the sets."""
        name, *values = entry
        closed = [
            self._closed(kind, value)
            for kind, value in zip(COUNTED[name].sets, values, strict=True)
        ]
        child = self._counters[name].labels(*closed)
        if OTHER not in closed:
            self._children[entry] = child
        return child

    def _closed(self, kind: str, value: str) -> str:
        if kind == "topic":
            value = self._names.logical(value)
        return value if value in LABEL_VALUES[kind] else OTHER

    def stands(self, stage: str, snapshot: StageSnapshot, balance: Balance) -> None:
        """How a stage stands on this worker now, and its partitions' durable counts, summed."""
        self._balances[stage] = balance.accepted - balance.settled - balance.held
        self._unbalanced.set(sum(self._balances.values()))
        self._deferred.labels(stage).set(balance.held)
        self._state_keys.labels(stage).set(snapshot.state_keys)
        self._recovery.labels(stage).set(snapshot.recovery_seconds)

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)
