"""Prints the reference of all metrics, `docs/metrics.md`, from `catalogue.METRICS`.

`python -m streams.ops.metrics_docs > docs/metrics.md` writes it anew; a test compares. Rules of
this file: it adds nothing to the catalogue.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from streams.ops.catalogue import LABEL_VALUES, METRICS, PREFIX
from streams.ops.distribution import LATENCY_BUCKETS_S
from streams.ops.metrics import BUCKETS, DURATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD: Final = """\
# Metrics

What every worker serves under `/metrics` on `DECORUM_HTTP`. Times are in seconds; a label's value
is always one of the set named here, or `other`; no metric carries an id. Beside these stand the
usual `process_…` and `python_…` of the Prometheus client. Gauges tell of this worker's partitions:
sum them, or take their maximum, over all workers.

This file is written by `python -m streams.ops.metrics_docs > docs/metrics.md`. How to use it:
[operate.md](operate.md); what to do when an alert fires: [runbooks.md](runbooks.md).

| metric | type | it tells |
|---|---|---|
"""


def markdown() -> str:
    """The whole document."""
    return "".join([HEAD, *_table(), "\n## Values of labels\n\n", *_sets(), *_buckets()])


def _table() -> Iterator[str]:
    for name, metric in METRICS.items():
        labels = ",".join(metric.labels)
        shown = PREFIX + name + (f"{{{labels}}}" if labels else "")
        yield f"| `{shown}` | {metric.kind} | {metric.help} |\n"


def _sets() -> Iterator[str]:
    for name, values in LABEL_VALUES.items():
        used = ", ".join(f"`{PREFIX}{metric}`" for metric in _users(name))
        label = next(
            label for m in METRICS.values() for label, of in m.labels.items() if of == name
        )
        yield f"- `{label}` of {used}: {', '.join(f'`{value}`' for value in values)}\n"


def _users(name: str) -> Iterator[str]:
    return (metric for metric, what in METRICS.items() if name in what.labels.values())


def _buckets() -> Iterator[str]:
    yield "\n## Buckets of histograms\n\n"
    for name, metric in METRICS.items():
        if metric.kind == "histogram":
            bounds = LATENCY_BUCKETS_S if name in DURATIONS.values() else BUCKETS[name]
            yield f"- `{PREFIX}{name}`: {', '.join(map(str, bounds))}\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
