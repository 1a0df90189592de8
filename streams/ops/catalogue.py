"""Every metric of Decorum: name, type, labels and meaning. `docs/metrics.md` is printed from here.

Rules of this file: the contract fixes the names; a counter ends in `_total`, a time in `_seconds`;
a label takes its values from a closed set and never from data, so it can never be an id. Nothing is
registered or counted here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from streams.core.kinds import KIND_NAMES
from streams.core.reasons import Outcome, Reason
from streams.events.interactions import INTERACTION_TYPES
from streams.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "decorum_"
OTHER: Final = "other"
"""The label value of everything outside its set."""

LABEL_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "stage": ("rules", "account", "customer"),
    "kind": tuple(KIND_NAMES),
    "outcome": tuple(Outcome),
    "reason": tuple(Reason),
    "type": tuple(sorted(INTERACTION_TYPES)),
    "topic": tuple(topic.name for topic in TOPICS if topic.direction == "in"),
    "refusal": (
        *("not_utf8", "not_json", "invalid", "unknown_type", "too_large"),
        *("unreadable", "refused_policy", "refused_control"),
    ),
    "grade": ("new", "green", "amber", "red", "paused", "off"),
    "direction": ("up", "down"),
    "status": ("deciding", "recovering", "warming"),
    "found": ("committed", "repeated"),
}
"""The closed sets of label values, by the name of the set."""


class Metric(NamedTuple):
    """One metric: its type, its meaning, and for each label the name of its set of values."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Mapping[str, str] = {}
    from_start: bool = False
    """Every combination of labels is exported as 0 from the start: a rate cannot see the first
    count of a counter that begins with it."""


_BY_STAGE: Final = {"stage": "stage"}

METRICS: Final[Mapping[str, Metric]] = {
    "intents_total": Metric("counter", "Intents accepted.", {"kind": "kind"}, from_start=True),
    "interactions_total": Metric(
        "counter", "Interactions taken into account.", {"type": "type"}, from_start=True
    ),
    "dead_letters_total": Metric(
        "counter",
        "Input records refused, by input topic.",
        {"topic": "topic", "reason": "refusal"},
        from_start=True,
    ),
    "rerouted_total": Metric(
        "counter",
        "Records that came with another key or partition than theirs.",
        {"topic": "topic"},
        from_start=True,
    ),
    "repeats_total": Metric(
        "counter",
        "Intents (for each customer) and interactions that tell nothing that was not told before.",
        {"topic": "topic"},
        from_start=True,
    ),
    "decisions_total": Metric(
        "counter",
        "Decisions committed, each change of a held one included.",
        {"kind": "kind", "outcome": "outcome", "reason": "reason"},
    ),
    "decision_latency_seconds": Metric(
        "histogram", "Intent accepted until its first decision is committed, for each customer."
    ),
    "deferred": Metric("gauge", "Intents held for later.", _BY_STAGE),
    "deferred_oldest_seconds": Metric(
        "gauge",
        "Age of the oldest intent held, where each customer's next to be looked at stands for "
        "all of theirs; up to half a minute old.",
        _BY_STAGE,
    ),
    "overdue_seconds": Metric(
        "gauge",
        "Since the earliest timer came due that has not fired yet; 0 when none is due.",
        _BY_STAGE,
    ),
    "unbalanced": Metric(
        "gauge",
        "Intents accepted - outcomes - deferred, of this worker's partitions; the sum over all "
        "workers is 0 at rest.",
    ),
    "accounts": Metric("gauge", "Accounts by grade.", {"grade": "grade"}),
    "ceiling_changes_total": Metric(
        "counter",
        "Changes of an account's ceilings.",
        {"direction": "direction"},
        from_start=True,
    ),
    "brake_seconds": Metric(
        "histogram", "Complaint accepted until the limit it moves is committed."
    ),
    "chunk_seconds": Metric(
        "histogram", "From taking a batch's records to the end of its commit.", _BY_STAGE
    ),
    "chunk_records": Metric("histogram", "Input records in a batch.", _BY_STAGE),
    "transactions_in_doubt_total": Metric(
        "counter",
        "Transactions of which it was unknown whether they were committed: an answer was lost, or "
        "the producer was fenced off. Found committed, or not and so repeated; no worker ended.",
        {"stage": "stage", "found": "found"},
        from_start=True,
    ),
    "partitions": Metric(
        "gauge",
        "Partitions assigned to this worker: those that take records, and those that do not yet; "
        "warming: read ahead here, because they are to move here, and another's until then.",
        {"stage": "stage", "status": "status"},
    ),
    "partitions_expected": Metric(
        "gauge",
        "Partitions of a stage's topics: so many are deciding or recovering, over all workers.",
        _BY_STAGE,
    ),
    "waiting_age_seconds": Metric(
        "gauge",
        "Since the oldest input record that waits here was written to Kafka; 0 when none waits.",
        _BY_STAGE,
    ),
    "progress_age_seconds": Metric(
        "gauge",
        "Since the partition that is furthest behind, of those that are deciding, last committed "
        "or found nothing to do.",
        _BY_STAGE,
    ),
    "recovery_seconds": Metric(
        "gauge", "The longest restoring of a partition's state, of those held now.", _BY_STAGE
    ),
    "state_keys": Metric("gauge", "Keys of state in memory.", _BY_STAGE),
    "build_info": Metric("gauge", "The running version, always 1.", {"version": "version"}),
}
