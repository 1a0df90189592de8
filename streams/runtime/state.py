"""The state of one partition: bytes under bytes, and timers that survive a restart.

Guarantees: the changelog gets exactly what a batch changes; timers come due in the order of
(due_ms, name), whatever order they were set in; state restored from the changelog equals the state
that wrote it.

A changelog has three sorts of keys. Keys that begin with a zero byte belong to the runtime:
`00 't' due_ms(8, big endian) name` is a timer, `00 'w'` the checkpoint. All others are the stage's.

Rules of this file: no clock and no I/O.
"""

from __future__ import annotations

import heapq
from collections import Counter
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.runtime.budget import RECORD_WEIGHT, Budget

if TYPE_CHECKING:
    from collections.abc import Iterator

RESERVED: Final = b"\x00"
CHECKPOINT_KEY: Final = RESERVED + b"w"

_TIMER: Final = RESERVED + b"t"
_DUE: Final = Struct(">Q")  # big endian, so that the order of bytes is the order of time
_NAME_AT: Final = len(_TIMER) + _DUE.size
_STALE_ALLOWED: Final = 1_000  # cancelled timers tolerated in the heap before it is rebuilt


def is_reserved(key: bytes) -> bool:
    """Whether a changelog key belongs to the runtime and not to the stage."""
    return key[:1] == RESERVED


def _timer_key(due_ms: int, name: bytes) -> bytes:
    return _TIMER + _DUE.pack(due_ms) + name


class DueTimer(NamedTuple):
    """A durable timer that is due; it is already removed from the state."""

    due_ms: int
    name: bytes
    payload: bytes


class State:
    """All that a stage may remember. Values are replaced, never changed in place."""

    __slots__ = ("_changes", "_heap", "_timers", "_values", "budget", "counters", "derived")

    def __init__(self) -> None:
        """Start empty; a restore fills it with `load` and `finish_loading`.

        `derived`: what a stage computes from the values, such as an index. It is never stored, so
        after a restart it cannot disagree with the values. `budget`: what the current batch may
        still write; it counts changes of the state by itself. `counters`: what the stage counts;
        the observer gets them when the batch is committed.
        """
        self.budget = Budget()
        self.counters: Counter[tuple[str, ...]] = Counter()
        self.derived: dict[str, Any] = {}
        self._values: dict[bytes, bytes] = {}
        self._timers: dict[bytes, bytes] = {}
        self._heap: list[bytes] = []
        self._changes: dict[bytes, bytes | None] = {}

    def __contains__(self, key: bytes) -> bool:
        """Whether the stage keeps a value under this key."""
        return key in self._values

    def __len__(self) -> int:
        """How many keys the stage keeps; timers and the runtime's own keys do not count."""
        return len(self._values)

    def __iter__(self) -> Iterator[bytes]:
        """The stage's keys."""
        return iter(self._values)

    @property
    def timers(self) -> int:
        """How many timers are set."""
        return len(self._timers)

    def timer_names(self) -> list[bytes]:
        """The names of all timers that are set, in no particular order."""
        return [key[_NAME_AT:] for key in self._timers]

    def timer_name_slices(self, size: int) -> Iterator[list[bytes]]:
        """The names of the timers that are set when iteration starts, at most `size` at a time; the
        state may change meanwhile.
        """
        keys = list(self._timers)
        for first in range(0, len(keys), size):
            yield [key[_NAME_AT:] for key in keys[first : first + size]]

    def get(self, key: bytes) -> bytes | None:
        """The value under this key, or None."""
        return self._values.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value. ValueError for a key that begins with a zero byte."""
        if key[:1] == RESERVED:
            raise ValueError(f"keys that begin with a zero byte are reserved: {key!r}")
        self._values[key] = self._changes[key] = value
        self.budget.spent += len(key) + len(value) + RECORD_WEIGHT

    def delete(self, key: bytes) -> None:
        """Delete a key; nothing happens if it is not there."""
        if self._values.pop(key, None) is not None:
            self._changes[key] = None
            self.budget.spent += len(key) + RECORD_WEIGHT

    def set_timer(self, due_ms: int, name: bytes, payload: bytes = b"") -> None:
        """Fire at or soon after due_ms (UTC milliseconds, not negative). A timer with the same time
        and name gets the new payload.
        """
        key = _timer_key(due_ms, name)
        if key not in self._timers:
            heapq.heappush(self._heap, key)
        self._timers[key] = self._changes[key] = payload
        self.budget.spent += len(key) + len(payload) + RECORD_WEIGHT

    def cancel_timer(self, due_ms: int, name: bytes) -> None:
        """Remove a timer; nothing happens if it is not set."""
        key = _timer_key(due_ms, name)
        if self._timers.pop(key, None) is None:
            return
        self._changes[key] = None  # its entry in the heap is skipped later
        self.budget.spent += len(key) + RECORD_WEIGHT
        if len(self._heap) > 2 * len(self._timers) + _STALE_ALLOWED:
            self._rebuild_heap()

    def put_back(self, timer: DueTimer) -> None:
        """Leave a due timer to the next batch, as if it were not due in this one."""
        key = _timer_key(timer.due_ms, timer.name)
        if key not in self._timers:
            heapq.heappush(self._heap, key)
        self._timers[key] = timer.payload
        del self._changes[key]

    # From here on for the runtime alone.

    def next_due_ms(self) -> int | None:
        """When the earliest timer is due; None without timers."""
        heap = self._heap
        while heap and heap[0] not in self._timers:
            heapq.heappop(heap)
        return _DUE.unpack_from(heap[0], len(_TIMER))[0] if heap else None

    def pop_due(self, now_ms: int, limit: int) -> list[DueTimer]:
        """Remove and return at most `limit` due timers, earliest first."""
        due: list[DueTimer] = []
        while len(due) < limit:
            due_ms = self.next_due_ms()
            if due_ms is None or due_ms > now_ms:
                break
            key = heapq.heappop(self._heap)
            due.append(DueTimer(due_ms, key[_NAME_AT:], self._timers.pop(key)))
            self._changes[key] = None
        return due

    def take_changes(self) -> tuple[dict[bytes, bytes | None], Counter[tuple[str, ...]]]:
        """The batch's changed keys (None: deleted) and its counters; both start empty again."""
        changes, counters = self._changes, self.counters
        self._changes, self.counters = {}, Counter()
        return changes, counters

    def load(self, key: bytes, value: bytes | None) -> None:
        """Apply one changelog record. For a restore only; `finish_loading` must follow the last."""
        kept = self._timers if key.startswith(_TIMER) else self._values
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value

    def finish_loading(self) -> None:
        """End a restore: from now on timers can be due."""
        self._rebuild_heap()

    def _rebuild_heap(self) -> None:
        self._heap = list(self._timers)
        heapq.heapify(self._heap)  # linear: a unit may have half a million timers
