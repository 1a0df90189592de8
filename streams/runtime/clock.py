"""The clock by which units decide."""

from __future__ import annotations

import time
from typing import Final, Protocol


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
        return time.time_ns() // 1_000_000

    def seconds_until(self, moment_ms: int) -> float:
        """Seconds until `moment_ms`; negative once it has passed."""
        return (moment_ms - self()) / 1000


WALL_CLOCK: Final = WallClock()
