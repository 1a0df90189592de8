"""What the dashboard's panels are made of: their two forms, and the queries' common shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    Limits = Sequence[tuple[float, str]]

OURS: Final = 'job="$job"'
RATE: Final = "$__rate_interval"


class Number(NamedTuple):
    """A panel with one number, coloured from its first limit on."""

    title: str
    query: str
    unit: str
    limits: Limits
    help: str


class Graph(NamedTuple):
    """A panel over time: queries with their legends."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    help: str = ""
    stacked: bool = False


def rate(metric: str, by: str, more: str = "") -> str:
    """Events a second, by these labels; `more` matchers begin with a comma."""
    return f"sum by ({by}) (rate({metric}{{{OURS}{more}}}[{RATE}]))"


def increase(metric: str, by: str) -> str:
    """Events within a step of the graph, by these labels."""
    return f"sum by ({by}) (increase({metric}{{{OURS}}}[{RATE}]))"


def mean(metric: str, by: str) -> str:
    """The mean of a histogram's observations, by these labels."""
    return f"{rate(f'{metric}_sum', by)} / {rate(f'{metric}_count', by)}"


def quantile(share: float, metric: str, by: str = "le") -> str:
    """A quantile of a histogram; `by` names `le` and what else to keep."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', by)})"


def highest(metric: str, by: str = "stage") -> str:
    """The highest of all workers, by these labels."""
    return f"max by ({by}) ({metric}{{{OURS}}})"
