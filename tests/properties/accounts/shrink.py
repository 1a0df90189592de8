"""The smallest plot that still shows a fault (delta debugging, Zeller 2002)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.properties.accounts.plot import Step


def smallest(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """A part of the steps, the first always in it, without which none of the rest still fails."""
    head, rest = steps[:1], steps[1:]
    size = max(1, len(rest) // 2)
    while True:
        shorter = _without(head, rest, size, fails)
        if size == 1 and len(shorter) == len(rest):
            return head + rest
        rest, size = shorter, max(1, size // 2)


def _without(
    head: list[Step], rest: list[Step], size: int, fails: Callable[[list[Step]], bool]
) -> list[Step]:
    """Leave out each piece of that size that the fault does not need."""
    place = 0
    while place < len(rest):
        shorter = rest[:place] + rest[place + size :]
        if fails(head + shorter):
            rest = shorter
        else:
            place += size
    return rest
