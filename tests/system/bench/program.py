"""A process under measurement: started on its cores, watched, and ended.

It must never leave a process behind: a program is a context manager, and its end is a kill.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from bisect import bisect_left
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from streams.local.kafka import END_WITH_PARENT
from tests.support import workers
from tests.support.paths import ROOT
from tests.system.bench.machine import placed
from tests.system.bench.report import BenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.settings import Settings

STOP_S: Final = 30.0
READY_S: Final = 600.0
SAMPLE_S: Final = 0.1
LOG_LINES_SHOWN: Final = 20


class Program:
    """One process; its output goes to a file beside the bench's other scratch."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        cores: frozenset[int] | None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Starts it at once."""
        self.log = log
        self.began = time.time()
        with log.open("ab") as output, placed(cores):
            self._process = subprocess.Popen(
                self._line(command),
                cwd=ROOT,
                env=environment or workers.inherited(),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._samples: list[tuple[float, float]] = []
        self._sampler = asyncio.create_task(self._sample())

    def _line(self, command: Sequence[str]) -> list[str]:
        """It must not outlive us, even when we are killed."""
        return ["/bin/sh", "-c", END_WITH_PARENT, "bench", *command]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raise BenchError, with the end of its log, if it has ended by itself."""
        status = self._process.poll()
        if status is not None:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            end = "\n".join(lines[-LOG_LINES_SHOWN:])
            raise BenchError(f"the program ended with status {status}:\n{end}")

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        if self._process.stdin is None:
            raise BenchError("the program has no standard input")
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    async def stop(self) -> None:
        """SIGTERM and wait; kill what does not follow."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, STOP_S)
        self.kill()

    def kill(self) -> None:
        """Like a power failure."""
        self._sampler.cancel()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # and what waits for our end with it
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def resident_bytes(self) -> int:
        """What it has in memory now; 0 where the system does not tell."""
        with suppress(OSError):
            pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE")
        return 0

    def cpu_s(self, since: float, until: float) -> float | None:
        """User and system seconds between two moments; None where the system does not tell."""
        if len(self._samples) < 2:
            return None
        return self._cpu_at(until) - self._cpu_at(since)

    def _cpu_at(self, moment: float) -> float:
        samples = self._samples
        right = min(max(bisect_left(samples, (moment,)), 1), len(samples) - 1)
        (t0, c0), (t1, c1) = samples[right - 1], samples[right]
        return c0 + (c1 - c0) * (moment - t0) / max(t1 - t0, 1e-9)

    async def _sample(self) -> None:
        with suppress(OSError):
            while True:
                self._samples.append((time.time(), _used_s(self.pid)))
                await asyncio.sleep(SAMPLE_S)


class Worker(Program):
    """A worker of ours, on a clock that the bench sets (`tests.system.bench.worker`)."""

    def __init__(
        self,
        settings: Settings,
        log: Path,
        cores: frozenset[int] | None,
        start_ms: int,
        *,
        stands_still: bool = False,
    ) -> None:
        """`stands_still`: the clock shows `start_ms` until `begin`."""
        environment = workers.environment(settings, DECORUM_INSTANCE=settings.instance or "")
        self._address = environment["DECORUM_HTTP"]
        clock = [str(start_ms)] if stands_still else [str(start_ms), str(real_ms())]
        super().__init__(
            [sys.executable, "-m", "tests.system.bench.worker", *clock],
            log,
            cores,
            environment,
        )

    def _line(self, command: Sequence[str]) -> list[str]:
        """Its input is the bench's to speak on; it watches for the end of it by itself."""
        return list(command)

    def begin(self) -> int:
        """Let its clock run; the machine's UTC milliseconds at which it began."""
        now_ms = real_ms()
        self.tell(str(now_ms))
        return now_ms

    async def ready(self) -> float:
        """Wait until it has its state; the seconds since its start."""
        while not await asyncio.to_thread(workers.is_ready, self._address):
            self.check()
            if time.time() - self.began > READY_S:
                raise BenchError(f"the worker was not ready after {READY_S:.0f} s")
            await asyncio.sleep(0.02)
        return time.time() - self.began

    def metric(self, name: str) -> float:
        """One metric's value, by its full name and labels."""
        for line in workers.get(self._address, "/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.rsplit(" ", 1)[1])
        raise BenchError(f"the worker has no metric {name}")


def _used_s(pid: int) -> float:
    """User and system seconds of a process so far. Raises OSError where /proc does not tell."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    fields = text.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def real_ms() -> int:
    """The machine's clock, UTC milliseconds."""
    return time.time_ns() // 1_000_000
