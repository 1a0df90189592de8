"""A clock that runs faster than time, so that a demo can live through a day in a minute.

It follows the machine's clock, so that processes that begin it at the same moment agree on it, and
a process that is started again goes on where the day stands. It must never drive a worker that
governs real messages.
"""

from __future__ import annotations

import math
import time
from typing import Final

REAL_MS_PER_S: Final = 1_000


def real_ms() -> int:
    """The machine's clock, UTC milliseconds."""
    return time.time_ns() // 1_000_000


class FastClock:
    """Shows `start_ms` until it is begun, then `speed` milliseconds for each real one."""

    def __init__(self, start_ms: int, speed: float, began_real_ms: int | None = None) -> None:
        """`began_real_ms`: the machine's UTC milliseconds at which it begins, or began, to run."""
        self.start_ms = start_ms
        self.speed = speed
        self.began_real_ms = began_real_ms

    def begin(self, began_real_ms: int) -> None:
        """Run from that moment on."""
        self.began_real_ms = began_real_ms

    def __call__(self) -> int:
        """The time now, UTC milliseconds."""
        return self.at(real_ms())

    def at(self, moment_real_ms: int) -> int:
        """What it shows, or showed, at a moment of the machine's clock, UTC milliseconds."""
        if self.began_real_ms is None:
            return self.start_ms
        return self.start_ms + int(max(0, moment_real_ms - self.began_real_ms) * self.speed)

    def seconds_until(self, moment_ms: int) -> float:
        """Real seconds until it shows `moment_ms`; without end while it stands still before it."""
        ahead_ms = moment_ms - self()
        if self.began_real_ms is None and ahead_ms > 0:
            return math.inf
        return ahead_ms / self.speed / REAL_MS_PER_S
