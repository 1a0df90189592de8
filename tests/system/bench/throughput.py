"""How fast a full topic is worked off, and at what cost.

The rate is taken between 15 % and 85 % of the results by the broker's time of arrival, so that
neither the start nor the last, half-empty batches count; the processor time is taken between the
same two moments. Results arrive a batch at a time, and batches of all partitions may arrive
together: over few of them a rate is an accident, and then none is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tests.system.bench.report import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.system.bench.program import Program

FROM: Final = 0.15
UNTIL: Final = 0.85
LEAST_S: Final = 2.0
LEAST_ARRIVALS: Final = 40
"""Under load each of 8 partitions has a batch under way: over fewer than five rounds of them, one
more or less would change the figure by a fifth."""


class Throughput(NamedTuple):
    """`cpu_us`: of the measured program for each result. None for what could not be measured."""

    per_s: float | None
    cpu_us: float | None = None
    busy: float | None = None

    def result(self) -> str:
        return "too short to tell" if self.per_s is None else f"{counted(self.per_s)}/s"

    def cost(self) -> str:
        """The processor's side of it, in words."""
        if self.cpu_us is None or self.busy is None:
            return "processor time not measured"
        return f"{self.cpu_us:.1f} µs of processor each, core {self.busy:.0%} busy"

    def times(self, other: Throughput) -> str:
        """How many times as fast as another it is, in words."""
        if self.per_s is None or other.per_s is None:
            return "not compared"
        return f"{self.per_s / other.per_s:.2f} times"


def throughput(arrived_ms: Sequence[int], program: Program) -> Throughput:
    """`arrived_ms`: when each result arrived at the broker, in any order."""
    ordered = sorted(arrived_ms)
    first, last = int(len(ordered) * FROM), int(len(ordered) * UNTIL)
    stretch = ordered[first : last + 1]
    since, until, count = stretch[0] / 1_000, stretch[-1] / 1_000, last - first
    if until - since < LEAST_S or len(set(stretch)) < LEAST_ARRIVALS:
        return Throughput(None)
    per_s, cpu_s = count / (until - since), program.cpu_s(since, until)
    if cpu_s is None:
        return Throughput(per_s)
    return Throughput(per_s, cpu_s / count * 1e6, cpu_s / (until - since))
