"""How long partitions were silent, as told by the times of their decisions' records.

Under a load that always asks of every partition, a time without a decision is a time in which
nobody worked on it, or in which whoever did was not allowed to commit. A record's time is that of
the machine when it was written, before its commit; what a decision says of itself is no measure,
for the clocks of workers are stepped.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from streams.topics import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.system.chaos.evidence import Evidence


class Gap(NamedTuple):
    """A time without a decision; `from_s` counts from the load's start."""

    seconds: float
    partition: int
    from_s: float


class Silences:
    """The moments of decision of each partition. `began_s`: the load's start, UTC seconds."""

    def __init__(self, evidence: Evidence, began_s: float) -> None:
        self._began_s = began_s
        self._moments: dict[int, list[float]] = defaultdict(list)
        for record in evidence.topics[DECISIONS]:
            self._moments[record.partition].append(record.timestamp / 1000)
        for moments in self._moments.values():
            moments.sort()  # two stages write, and either may wait for its commit

    @property
    def longest(self) -> Gap:
        """The longest silence of any partition."""
        gaps = [
            Gap(after_s - before_s, partition, before_s - self._began_s)
            for partition, moments in self._moments.items()
            for before_s, after_s in pairwise([self._began_s, *moments])
        ]
        return max(gaps, default=Gap(0.0, 0, 0.0))

    def recoveries_s(self, struck: Iterable[tuple[str, float]]) -> list[tuple[float, str]]:
        """For each fault (its kind, UTC seconds): how long until every partition had decided
        something again. Another fault may have struck before that.
        """
        return [
            (max(self._next_s(partition, at_s) for partition in self._moments) - at_s, kind)
            for kind, at_s in struck
        ]

    def _next_s(self, partition: int, at_s: float) -> float:
        moments = self._moments[partition]
        place = bisect_right(moments, at_s)
        return moments[min(place, len(moments) - 1)]
