"""Checks the cluster's topics before a worker starts.

Faust reports Ready even if its topics are missing, and a stage whose topics differ in partition
counts would look for a key's state in the wrong partition. Both refuse the start, with one line
that tells an operator what to do.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from streams.runtime.failure import StartRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.runtime.stage import Stage


def topics_needed(stages: Iterable[Stage], others: Iterable[str]) -> set[str]:
    """Every topic that must exist: those of the stages, and others that they write to."""
    return {t for stage in stages for t in (*stage.sources, stage.changelog)} | set(others)


def check_topics(
    stages: Sequence[Stage], others: Iterable[str], partitions: Mapping[str, int]
) -> None:
    """Raise StartRefusedError if a topic is missing, a stage's topics are not co-partitioned, or a
    topic belongs to two stages.

    `partitions`: how many each existing topic has.
    """
    missing = sorted(topics_needed(stages, others) - partitions.keys())
    if missing:
        raise StartRefusedError(
            f"topics missing, or hidden from this user: {', '.join(missing)}: run `decorum topics`,"
            " or give it its ACLs (`decorum acls`)"
        )
    for stage in stages:
        _check_copartitioned(stage, partitions)
    _check_shared(stages)


def _check_shared(stages: Sequence[Stage]) -> None:
    """A worker reads each topic once and passes its records to one stage."""
    counts = Counter(topic for stage in stages for topic in stage.sources)
    shared = sorted(topic for topic, count in counts.items() if count > 1)
    if shared:
        raise StartRefusedError(f"topics of more than one stage: {', '.join(shared)}")


def _check_copartitioned(stage: Stage, partitions: Mapping[str, int]) -> None:
    counts = {topic: partitions[topic] for topic in (*stage.sources, stage.changelog)}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
        raise StartRefusedError(
            f"the topics of stage {stage.name} need the same number of partitions: {listed}"
        )
