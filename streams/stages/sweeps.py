"""Sweeps through a partition's customers or accounts, in slices, by a durable timer.

A sweep that arrives becomes a timer. Each time the timer fires, the next slice of the keys that the
sweep is about is visited, until none is left. The timer's value says how far the sweep has come, so
that it continues there after a crash; the list of keys is only in memory.

All sweeps together make at most `SLICE` visits a batch. A sweep with the same scope as one that has
not begun is merged into it. If that one has begun, the new one waits for its end and then visits
all keys once more.

Rules of this file: it chooses whom to visit, and decides nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from streams.events.internal import decode_sweep, encode_sweep, scope_of
from streams.stages.state_keys import SWEEP_TIMER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streams.events.internal import Sweep
    from streams.runtime.state import DueTimer, State

SLICE: Final = 500
"""Visits in one batch: their held requests are decided in some tens of milliseconds."""

RULES_LATE_MS: Final = 20
"""How long to wait before checking again whether this worker knows the sweep's rules."""

_BEGUN: Final = SWEEP_TIMER + b"0"
_WAITS: Final = SWEEP_TIMER + b"1"
"""The names of timers, by their order: sweeps that have begun go first. The scope follows."""

_LISTS: Final = "sweeps"
_AT_ONCE: Final = 0
"""A time in the past, so that all waiting sweeps of one scope share one timer."""


def begin(sweep: Sweep, state: State, now_ms: int) -> None:
    """Set the timer of a sweep that has arrived."""
    due_ms = sweep.from_ms if sweep.from_ms > now_ms else _AT_ONCE
    state.set_timer(due_ms, _WAITS + scope_of(sweep), encode_sweep(sweep))


def is_sweep(timer: DueTimer) -> bool:
    """Whether this is a sweep's timer."""
    return timer.name.startswith(SWEEP_TIMER)


class SweepVisits:
    """The visits of one batch.

    `whom`: the keys that a sweep has to visit, sorted; None while they are not known.
    """

    def __init__(
        self, state: State, now_ms: int, whom: Callable[[Sweep], list[bytes] | None]
    ) -> None:
        self._state, self._now_ms, self._whom = state, now_ms, whom

    def visits(self, timers: Sequence[DueTimer], generation: int) -> Iterator[tuple[bytes, Sweep]]:
        """The next keys to visit, each with its sweep. Sets the timers again while keys are left.

        `generation`: the latest rules that this worker knows.
        """
        state, left = self._state, SLICE
        scopes: set[bytes] = set()
        for sharers, timer in zip(range(len(timers), 0, -1), timers, strict=True):
            sweep, scope = decode_sweep(timer.payload), timer.name[len(_WAITS) :]
            if sweep.generation > generation:
                state.set_timer(self._now_ms + RULES_LATE_MS, timer.name, timer.payload)
            elif scope in scopes or not state.budget.has_room():
                state.put_back(timer)
            else:
                scopes.add(scope)
                for key in self._some(scope, sweep, max(1, left // sharers)):
                    left -= 1
                    yield key, sweep

    def _some(self, scope: bytes, sweep: Sweep, most: int) -> Iterator[bytes]:
        state = self._state
        lists: dict[bytes, list[bytes]] = state.derived.setdefault(_LISTS, {})
        keys = lists.pop(scope, None)
        if keys is None:
            keys = self._whom(sweep)
        if keys is None:
            state.set_timer(_AT_ONCE, _WAITS + scope, encode_sweep(sweep))
            return
        first = at = 0 if sweep.after is None else bisect_right(keys, sweep.after)
        while at < len(keys) and at - first < most and (at == first or state.budget.has_room()):
            yield keys[at]
            at += 1
        if at < len(keys):
            lists[scope] = keys
            begun = replace(sweep, after=keys[at - 1])
            state.set_timer(_AT_ONCE, _BEGUN + scope, encode_sweep(begun))
