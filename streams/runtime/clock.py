"""The clocks by which units decide: the machine's, and a faster one for the demo and for tests."""

from __future__ import annotations

import math
import time
from typing import Final, Protocol

MS_PER_S: Final = 1_000


def real_ms() -> int:
    """The machine's clock, UTC milliseconds."""
    return time.time_ns() // 1_000_000


class Clock(Protocol):
    """UTC milliseconds; a clock other than the machine's may run at another speed."""

    def __call__(self) -> int:
        """The time now."""

    def seconds_until(self, moment_ms: int) -> float:
        """Real seconds until the clock shows `moment_ms`; negative once it has passed."""


class WallClock:
    """The machine's clock."""

    def __call__(self) -> int:
        """The time now."""
        return real_ms()

    def seconds_until(self, moment_ms: int) -> float:
        """Seconds until `moment_ms`; negative once it has passed."""
        return (moment_ms - self()) / MS_PER_S


WALL_CLOCK: Final = WallClock()


class FastClock:
    """Shows `start_ms` until it begins, then advances `speed` milliseconds for each real one.

    It follows the machine's clock: processes that begin it at the same moment agree on the time,
    and a process that restarts continues with the same day. Not for workers that govern real
    messages.
    """

    def __init__(self, start_ms: int, speed: float, began_real_ms: int | None = None) -> None:
        """`began_real_ms`: the machine's UTC milliseconds at which it begins or began to run."""
        self.start_ms = start_ms
        self.speed = speed
        self.began_real_ms = began_real_ms

    def begin(self, began_real_ms: int) -> None:
        """Run from that moment on."""
        self.began_real_ms = began_real_ms

    def __call__(self) -> int:
        """The time now."""
        return self.at(real_ms())

    def at(self, moment_real_ms: int) -> int:
        """What it shows, or showed, at a moment of the machine's clock, UTC milliseconds."""
        if self.began_real_ms is None:
            return self.start_ms
        return self.start_ms + int(max(0, moment_real_ms - self.began_real_ms) * self.speed)

    def seconds_until(self, moment_ms: int) -> float:
        """Real seconds until it shows `moment_ms`; infinite while it stands still before that."""
        ahead_ms = moment_ms - self()
        if self.began_real_ms is None and ahead_ms > 0:
            return math.inf
        return ahead_ms / self.speed / MS_PER_S
