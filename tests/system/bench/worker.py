"""The worker under measurement: the real one, on a clock that the bench sets.

Most rules depend on the time of day, and a bench must come out the same at night. Run as `python -m
tests.system.bench.worker START_MS [BEGAN_REAL_MS]`: the clock shows START_MS at the machine's
millisecond BEGAN_REAL_MS; without that it stands still until a line of input names it. The end of
that input is the end of the bench, and of this process.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Final

from streams import worker
from streams.logs import configure_logs
from streams.runtime.clock import FastClock
from streams.settings import load_settings

LEFT_ALONE: Final = 1


def main(arguments: list[str]) -> int:
    start_ms, *began_ms = map(int, arguments)
    clock = FastClock(start_ms, speed=1.0)
    if began_ms:
        clock.begin(began_ms[0])
    threading.Thread(target=_listen, args=(clock,), daemon=True).start()
    configure_logs(terminal=False)
    return worker.run(load_settings(), clock=clock)


def _listen(clock: FastClock) -> None:
    for line in sys.stdin:
        clock.begin(int(line))
    os._exit(LEFT_ALONE)  # like a kill: nothing open gets committed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
