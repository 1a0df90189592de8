"""What a bench hands back, and how it is printed.

Every row was measured in this run. What could not be measured is a row that says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEAD: Final = ("bench", "measured", "result", "how")


class BenchError(Exception):
    """A bench gave no figure, or a wrong result; the text says what happened."""


class Row(NamedTuple):
    """One figure."""

    bench: str
    measured: str
    result: str
    how: str = ""


def table(rows: Iterable[Row]) -> str:
    """All rows, columns aligned, a bench's name only once."""
    shown, last = [HEAD], ""
    for row in rows:
        shown.append(("" if row.bench == last else row.bench, *row[1:]))
        last = row.bench
    widths = [max(len(row[column]) for row in shown) for column in range(3)]
    lines = [_line(row, widths) for row in shown]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    bench, measured, result, how = row
    line = f"{bench:{widths[0]}}  {measured:{widths[1]}}  {result:>{widths[2]}}  {how}"
    return line.rstrip()


def counted(number: float) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,.0f}"


def latencies(values_s: Sequence[float]) -> str:
    """p50, p95, p99 and the maximum, in milliseconds."""
    ordered = sorted(value * 1_000 for value in values_s)
    points = [quantile(ordered, share) for share in (0.5, 0.95, 0.99, 1)]
    return " / ".join(f"{point:.0f}" for point in points) + " ms"


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ordered values that is not below this share of them."""
    if not ordered:
        raise BenchError("nothing was measured")
    place = -(-len(ordered) * share // 1)
    return ordered[max(0, int(place) - 1)]
