"""Runs the demo's worker the way a supervisor does: a process that is started again when it dies.

It must never hide a death that the demo did not cause: `died` counts those. The worker's log is a
file of the demo's temporary directory.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import aiohttp

from streams.runtime.clock import real_ms
from streams.runtime.failure import EXIT_REFUSED

if TYPE_CHECKING:
    from pathlib import Path

    from streams.runtime.clock import FastClock
    from streams.settings import Settings

READY_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 15.0
CHECK_S: Final = 0.05
LOG_LINES_SHOWN: Final = 12
DEATHS_MOST: Final = 3
INSTANCE: Final = "demo"
"""Static membership: started again, the worker has its partitions at once, not after 6 s."""


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


class Supervisor:
    """The worker's process, as a context manager: it never outlives the block."""

    def __init__(self, settings: Settings, clock: FastClock, log: Path) -> None:
        self.settings, self.clock, self.log = settings, clock, log
        self.killed = self.died = 0
        """How often the demo killed it, and how often it died by itself."""
        self.down_seconds = 0.0
        """Real seconds from the last kill until the worker was ready again."""
        self.down_ms = (0, 0)
        """The same by the machine's clock: from when to when."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the worker serves metrics and health."""
        return f"http://{self.settings.http}"

    def start(self) -> None:
        """Start the process; it joins the day where that stands."""
        arguments = [str(self.clock.start_ms), str(self.clock.speed)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.demo.worker", *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **_environment(self.settings), "TMPDIR": str(self.log.parent)},
                start_new_session=True,  # Ctrl-C is for the demo, which stops it in good order
            )
        self.tell_beginning()

    def tell_beginning(self) -> None:
        """Tell the worker when the day began, once it has."""
        if self._process and self._process.stdin and self.clock.began_real_ms is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(b"%d\n" % self.clock.began_real_ms)
                self._process.stdin.flush()

    async def ready(self) -> None:
        """Return when the worker has its state and accepts records. Raises DemoError."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        async with aiohttp.ClientSession() as session:
            while not await self._is_ready(session):
                if time.monotonic() > deadline:
                    raise DemoError(f"the worker was not ready in time:\n{self.log_end()}")
                await asyncio.sleep(CHECK_S)

    async def metric(self, name: str) -> float:
        """One of the worker's metrics without labels."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.address}/metrics") as answer,
        ):
            lines = (await answer.text()).splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    async def keep_alive(self) -> None:
        """Start the worker again whenever it dies, until cancelled. Raises DemoError."""
        while True:
            process = self._process
            if process is not None and process.poll() is not None:
                _hang_up(process)
                self._mourn(process.returncode)
                self.start()
            await asyncio.sleep(CHECK_S)

    async def kill(self) -> None:
        """Kill -9, on purpose; returns when the worker, started again, is ready."""
        if self._process is None:
            return
        began, began_ms = time.monotonic(), real_ms()
        process = self._process
        self.killed += 1
        process.kill()
        while self._process is process:  # noqa: ASYNC110 (a process ends without an event)
            await asyncio.sleep(CHECK_S)
        await self.ready()
        self.down_seconds, self.down_ms = time.monotonic() - began, (began_ms, real_ms())

    def stop(self) -> None:
        """Stop in good order; kill what does not end in time."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        process.kill()
        process.wait()
        _hang_up(process)

    def log_end(self) -> str:
        """The last lines of the worker's log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _mourn(self, status: int) -> None:
        if status == -signal.SIGKILL and self.killed:
            return
        self.died += 1
        if self.died > DEATHS_MOST or status == EXIT_REFUSED:
            raise DemoError(f"the worker ends by itself (status {status}):\n{self.log_end()}")

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.address}/readyz") as answer:
                return answer.ok
        except (aiohttp.ClientError, OSError):
            return False


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        process.stdin.close()


def _environment(settings: Settings) -> dict[str, str]:
    """What differs from the settings that the demo itself was given."""
    return {
        "DECORUM_KAFKA": settings.kafka,
        "DECORUM_PREFIX": settings.prefix,
        "DECORUM_PARTITIONS": str(settings.partitions),
        "DECORUM_HTTP": settings.http,
        "DECORUM_INSTANCE": INSTANCE,
    }
