"""A histogram that counts many equal observations at once.

Prometheus's own client counts one at a time, and a batch has hundreds. Buckets are in seconds,
observations in whole milliseconds. Not thread-safe: only one thread may add.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Seconds. Dense around the target of 50 ms; the last ones show recovery and held traffic.
LATENCY_BUCKETS_S: Final = (
    *(0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)


class Distribution(Collector):
    """Counts of observations up to each bound, as a Prometheus histogram of seconds."""

    def __init__(
        self, name: str, documentation: str, bounds_s: Sequence[float] = LATENCY_BUCKETS_S
    ) -> None:
        self._name, self._documentation = name, documentation
        self._bounds_ms = [round(bound * 1000) for bound in bounds_s]
        self._labels = [*map(str, bounds_s), "+Inf"]
        self._counts = [0] * len(self._labels)
        self._sum_ms = 0

    def add(self, value_ms: int, times: int) -> None:
        """Count `times` observations of `value_ms`; a negative one (two machines' clocks) is 0."""
        value_ms = max(value_ms, 0)
        self._counts[bisect_left(self._bounds_ms, value_ms)] += times
        self._sum_ms += value_ms * times

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The histogram in Prometheus's form, where each bucket includes the lower ones."""
        family = HistogramMetricFamily(self._name, self._documentation)
        buckets = list(zip(self._labels, accumulate(self._counts), strict=True))
        family.add_metric([], buckets, self._sum_ms / 1000)
        yield family

    describe = collect
