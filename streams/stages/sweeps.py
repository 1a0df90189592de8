"""Sweeps through a partition's customers or accounts, in slices, by a durable timer.

A sweep that arrives becomes a timer; each time it fires, a slice of those it is about is handed out
to be looked at again, until there are none left. How far it has come stands in the timer, so that
it goes on there after a crash; the list of those to come is only in memory.

However many sweeps there are, a batch makes `SLICE` visits and no more, shared among them. A sweep
about the same ones as another that has not begun yet is one with it; where that has begun, it waits
for its end, and then all are visited once more.
Rules of this file: it decides nothing; it says whom to look at.
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
"""Visits a batch: held intents of so many are decided in some tens of milliseconds."""

RULES_LATE_MS: Final = 20
"""How soon to ask again whether this worker knows the rules that the sweep is for."""

_BEGUN: Final = SWEEP_TIMER + b"0"
_WAITS: Final = SWEEP_TIMER + b"1"
"""In the order in which they come up: what has begun goes first. The scope follows."""

_LISTS: Final = "sweeps"
_AT_ONCE: Final = 0
"""A time that has always come, so that sweeps of one scope are one timer."""


def begin(sweep: Sweep, state: State, now_ms: int) -> None:
    """Take a sweep in and set its timer."""
    due_ms = sweep.from_ms if sweep.from_ms > now_ms else _AT_ONCE
    state.set_timer(due_ms, _WAITS + scope_of(sweep), encode_sweep(sweep))


def is_sweep(timer: DueTimer) -> bool:
    """Whether a timer is a sweep's."""
    return timer.name.startswith(SWEEP_TIMER)


class SweepVisits:
    """Goes through those whom the sweeps of one batch are about.

    `whom`: the keys that a sweep has to visit, in order; None if that is not known yet.
    """

    def __init__(
        self, state: State, now_ms: int, whom: Callable[[Sweep], list[bytes] | None]
    ) -> None:
        self._state, self._now_ms, self._whom = state, now_ms, whom

    def visits(self, timers: Sequence[DueTimer], generation: int) -> Iterator[tuple[bytes, Sweep]]:
        """The next ones to look at, and why; timers are set again while some are left.

        `generation`: up to where this worker knows the rules.
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
