"""The worker under fire: the real one, on a clock that others can step while it works.

Run as `python -m tests.system.chaos.worker FILE`. The file holds by how many milliseconds the clock
is ahead of the machine's (behind: negative) and is looked at again and again, so that the clock
jumps as a machine's does that is corrected: between two readings, in either direction. All that is
decided rests on this one clock; what has to do with patience alone is monotonic anyway.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

from streams import worker
from streams.logs import configure_logs
from streams.runtime.clock import real_ms
from streams.settings import load_settings

LOOK_S: Final = 0.02


def set_ahead(file: Path, ahead_ms: int) -> None:
    """Say how far ahead the clocks are that read this file."""
    new = file.with_suffix(".new")
    new.write_text(str(ahead_ms))
    new.replace(file)  # nobody may find it half written


class SteppedClock:
    """The machine's clock, and what the file adds to it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead_ms = 0
        self._look_at = 0.0

    def __call__(self) -> int:
        """UTC milliseconds, as this worker has them."""
        if time.monotonic() >= self._look_at:
            self._ahead_ms = int(self._file.read_text())
            self._look_at = time.monotonic() + LOOK_S
        return real_ms() + self._ahead_ms

    def seconds_until(self, moment_ms: int) -> float:
        """Real seconds until it shows this, if it is not stepped before."""
        return (moment_ms - self()) / 1000


def main(arguments: list[str]) -> int:
    """One worker with the settings of the environment."""
    configure_logs(terminal=False)
    return worker.run(load_settings(), clock=SteppedClock(Path(arguments[0])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
