"""Until when what waits in a queue may wait: by its own deadline, or by the policy in force.

A version of the policy may give less time, or more, to what waits already. So a default deadline
is never fixed: the oldest of each kind is the first that the policy of the moment gives up.
Rules of this file: an index in memory, made anew from what waits, in any order; no clock.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

from streams.core.customer.request import deadline_ms

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from streams.core.customer.request import Request
    from streams.core.customer.rules import KindRules

_OWN: Final = -1
"""The heap of what brought a deadline; the others are named for their kind."""

_STALE_ALLOWED: Final = 64


class Deadlines:
    """The deadlines of all that waits for one account; what does no longer is passed over."""

    __slots__ = ("_heaps",)

    def __init__(self) -> None:
        self._heaps: dict[int, list[tuple[int, int]]] = {}

    def add(self, seq: int, request: Request, live: Container[int]) -> None:
        """Watch over a slice; `live`: the numbers of those that wait."""
        kind = _OWN if request.deadline_ms is not None else request.kind
        heap = self._heaps.setdefault(kind, [])
        heappush(heap, (deadline_ms(request, 0), seq))
        if len(heap) > 2 * len(live) + _STALE_ALLOWED:  # type: ignore[arg-type]
            self._heaps[kind] = [entry for entry in heap if entry[1] in live]
            heapify(self._heaps[kind])

    def first(
        self, kind_rules: Sequence[KindRules], live: Container[int]
    ) -> tuple[int, int] | None:
        """The earliest deadline under these rules, and whose it is; None where nothing waits."""
        found: tuple[int, int] | None = None
        for kind, heap in list(self._heaps.items()):
            while heap and heap[0][1] not in live:
                heappop(heap)
            if not heap:
                del self._heaps[kind]
                continue
            base_ms, seq = heap[0]
            patience_ms = 0 if kind == _OWN else kind_rules[kind].deadline_ms
            found = min(found or (base_ms + patience_ms, seq), (base_ms + patience_ms, seq))
        return found
