"""How fast a full topic is worked off, and at what cost.

The rate is taken between 15 % and 85 % of the results by the broker's time of arrival, so that
neither the start nor the last, half-empty batches count; the processor time is taken between the
same two moments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tests.bench.report import BenchError, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.program import Program

FROM: Final = 0.15
UNTIL: Final = 0.85
LEAST_S: Final = 1.0
"""Over less than this, processor time sampled ten times a second says nothing."""


class Throughput(NamedTuple):
    """`cpu_us`: of the measured program for each result; None where it is not known."""

    per_s: float
    cpu_us: float | None
    busy: float | None

    def result(self) -> str:
        return f"{counted(self.per_s)}/s"

    def cost(self) -> str:
        """The processor's side of it, in words."""
        if self.cpu_us is None or self.busy is None:
            return "processor time not known (too short, or not this system's to tell)"
        return f"{self.cpu_us:.1f} µs of processor each, core {self.busy:.0%} busy"


def throughput(arrived_ms: Sequence[int], program: Program) -> Throughput:
    """`arrived_ms`: when each result arrived at the broker, in any order."""
    ordered = sorted(arrived_ms)
    first, last = int(len(ordered) * FROM), int(len(ordered) * UNTIL)
    since, until = ordered[first] / 1_000, ordered[last] / 1_000
    if until <= since:
        raise BenchError(f"{len(ordered)} results came within one millisecond: too few to measure")
    cpu_s, count = program.cpu_s(since, until), last - first
    if cpu_s is None or until - since < LEAST_S:
        return Throughput(count / (until - since), None, None)
    return Throughput(count / (until - since), cpu_s / count * 1e6, cpu_s / (until - since))
