"""Sweeps through a partition's customers or accounts, in slices, by a durable timer.

A sweep that arrives becomes a timer; each time it fires, a slice of those it is about is handed
out to be looked at again, until there are none left. The list is only in memory: after a crash or a
move the timer is still there and the sweep begins anew, which changes no answer.
Rules of this file: it decides nothing; it says whom to look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.events.sweeps import decode_sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.events.sweeps import Sweep
    from streams.lane.stage import Due
    from streams.lane.state import State

SLICE: Final = 500
"""Visits a batch: held intents of so many are decided in some tens of milliseconds."""

RULES_LATE_MS: Final = 20
"""How soon to ask again whether this worker knows the rules that the sweep is for."""

SWEEP_HEAD: Final = b"\xff"
"""Begins the names of sweeps' timers; those of held intents begin with an urgency of 0 to 100."""


def begin(value: bytes, offset: int, state: State, now_ms: int) -> None:
    """Take a sweep in and set its timer."""
    sweep = decode_sweep(value)
    state.set_timer(max(now_ms, sweep.from_ms), SWEEP_HEAD + offset.to_bytes(8, "big"), value)


def is_sweep(timer: Due) -> bool:
    """Whether a timer is a sweep's."""
    return timer.name.startswith(SWEEP_HEAD)


class Sweeping:
    """What is left of the sweeps under way on this worker; `whom`: the keys one has to visit."""

    def __init__(self, whom: Callable[[State], Iterable[bytes]]) -> None:
        self._whom = whom
        self._left: dict[tuple[int, bytes], list[bytes]] = {}

    def go_on(
        self, partition: int, timer: Due, state: State, now_ms: int, generation: int
    ) -> list[bytes]:
        """The keys of the next ones to look at; the timer is set again while some are left."""
        sweep = decode_sweep(timer.payload)
        if sweep.generation > generation:
            state.set_timer(now_ms + RULES_LATE_MS, timer.name, timer.payload)
            return []
        left = self._left.pop((partition, timer.name), None)
        if left is None:
            left = _of(sweep, self._whom(state))
        if len(left) > SLICE:
            self._left[partition, timer.name] = left[SLICE:]
            state.set_timer(now_ms, timer.name, timer.payload)
        return left[:SLICE]


def _of(sweep: Sweep, keys: Iterable[bytes]) -> list[bytes]:
    if sweep.enterprise is None:
        return sorted(keys)
    head = f"{sweep.enterprise}/".encode()
    return sorted(key for key in keys if key.startswith(head))
