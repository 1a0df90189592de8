"""A whole worker whose clock is a file; run as a process by `flow_world`.

Arguments: the file that holds the time (8 bytes, UTC milliseconds). Settings come from the
environment, as for `decorum worker`. It prints a line for every policy and control it follows.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

from streams.logs import configure_logs
from streams.settings import load_settings
from streams.stages.rules import Rules
from streams.worker import run

LOOK_S = 0.02


class FileClock:
    """Stands still until somebody writes another time into the file, and may jump by a day."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)

    def __call__(self) -> int:
        return int.from_bytes(self._shared[:8], "big")

    def seconds_until(self, moment_ms: int) -> float:
        return LOOK_S if moment_ms > self() else 0.0


def tell_what_is_followed() -> None:
    apply = Rules.apply

    def telling(rules: Rules, key: bytes, value: bytes | None) -> None:
        apply(rules, key, value)
        print(f"follows {key.decode()}", flush=True)  # noqa: T201

    Rules.apply = telling  # type: ignore[method-assign,assignment]


def main() -> int:
    configure_logs()
    tell_what_is_followed()
    return run(load_settings(), FileClock(Path(sys.argv[1])))


if __name__ == "__main__":
    sys.exit(main())
