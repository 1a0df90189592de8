"""The demo's worker: the real one, by a faster clock.

Run as `python -m streams.demo.worker START_MS SPEED` with settings in the environment. The
first line on its standard input is the machine's millisecond at which the day begins; until then
the clock stands still. The end of that input is the end of the demo, and of this process.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Final, TextIO

from streams import worker
from streams.logs import configure_logs
from streams.runtime.clock import FastClock
from streams.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

LEFT_ALONE: Final = 1


def main(arguments: Sequence[str]) -> int:
    """Work until told to stop, or until the demo is gone."""
    start_ms, speed = arguments
    clock = FastClock(int(start_ms), float(speed))
    threading.Thread(target=_listen, args=(sys.stdin, clock), daemon=True).start()
    configure_logs(terminal=False)
    return worker.run(load_settings(), clock=clock)


def _listen(demo: TextIO, clock: FastClock) -> None:
    for line in demo:
        clock.begin(int(line))
    os._exit(LEFT_ALONE)  # like a kill: nothing open gets committed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
