"""What a simulation hands back, and the table it makes."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Row(NamedTuple):
    """One line of the table: who, how much of them was lived, and what came out."""

    who: str
    lived: str
    figures: str


def table(rows: Iterable[Row]) -> str:
    """As Markdown, for the docs."""
    head = ["| who | simulated | what came of it |", "|---|---|---|"]
    return "\n".join([*head, *(f"| {row.who} | {row.lived} | {row.figures} |" for row in rows)])


def share(hits: Iterable[object]) -> float:
    found = [bool(hit) for hit in hits]
    return sum(found) / len(found)


def percent(part: float) -> str:
    return f"{round(100 * part, 2):g} %"


def middle(days: Iterable[float | None]) -> float | None:
    """The median of those that came."""
    came = [day for day in days if day is not None]
    return median(came) if came else None


def shown(number: float | None, digits: int = 1) -> str:
    return "–" if number is None else f"{number:,.{digits}f}"


def point(values: Iterable[float], part: float) -> float:
    """The smallest value that is not below this share of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
