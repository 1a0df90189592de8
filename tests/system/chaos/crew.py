"""Worker processes under a supervisor that starts each one again at once, whatever ended it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp

from streams.local.kafka import free_port
from streams.settings import PREFIX
from tests.support.paths import ROOT
from tests.system.chaos.worker import set_ahead

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from tests.system.chaos.network import Network

RESTART_S: Final = 0.2
LOOK_S: Final = 0.1
ANSWER_S: Final = 0.5
FAREWELL_S: Final = 60.0
INFANCY_S: Final = 10.0


@dataclass
class Slot:
    """One place in the crew: its process now, and why we mean it to end, if we do.

    `clock`: the file that says how far its clock is ahead; `way`: to the broker, where it is ours.
    """

    number: int
    port: int
    instance: str | None
    clock: Path
    way: Network | None = None
    process: asyncio.subprocess.Process | None = None
    meant: str = ""
    since: float = 0.0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if there is still a process to get it."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    def set_clock(self, ahead_ms: int) -> None:
        """Let its clock step to so far ahead of the machine's; 0: be right again."""
        set_ahead(self.clock, ahead_ms)


@dataclass
class Crew:
    """Supervised workers; an async context manager that leaves no process behind."""

    settings: dict[str, str]
    count: int
    logs: Path
    static: str = "some"
    """Which workers have a lasting name in their group: `none`, `some` (every second) or `all`."""
    exits: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Exits that should not have been."""
    fell: list[tuple[float, int]] = field(default_factory=list)
    """Which worker ended by itself, and when (UTC seconds)."""
    covered: list[tuple[float, bool]] = field(default_factory=list)
    """Over time: whether every partition of every stage was accepting records somewhere."""
    partitions: int = 8
    ways: Sequence[Network] = ()
    """Each worker's own way to the broker; without, all take the settings'."""

    async def __aenter__(self) -> Self:
        self._over = False
        self.slots = [self._slot(number) for number in range(self.count)]
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S))
        self._tasks = [asyncio.create_task(self._supervise(slot)) for slot in self.slots]
        self._tasks.append(asyncio.create_task(self._watch()))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        for slot in self.slots:
            slot.signal(signal.SIGKILL)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()

    async def whole(self, patience_s: float) -> None:
        """Wait until every partition is accepting records somewhere."""
        since = time.monotonic()
        while not any(at > since and whole for at, whole in self.covered[-3:]):
            if time.monotonic() > since + patience_s:
                raise AssertionError(f"not all partitions came back in {patience_s} s")
            await asyncio.sleep(LOOK_S)

    async def dismiss(self) -> None:
        """Ask all workers to end for good."""
        self._over = True
        for slot in self.slots:
            slot.meant = slot.meant or "asked"
            slot.signal(signal.SIGTERM)
        async with asyncio.timeout(FAREWELL_S):
            await asyncio.gather(*self._tasks[:-1])

    def _slot(self, number: int) -> Slot:
        lasting = {"none": False, "all": True, "some": number % 2 == 0}[self.static]
        slot = Slot(
            number,
            free_port(),
            f"w{number}" if lasting else None,
            self.logs / f"clock-{number}",
            self.ways[number] if self.ways else None,
        )
        slot.set_clock(0)
        return slot

    async def _supervise(self, slot: Slot) -> None:
        while not self._over:
            slot.meant, slot.since = "", time.monotonic()
            slot.process = await self._start(slot)
            code = await slot.process.wait()
            self._note(slot, code)
            if not self._over:
                await asyncio.sleep(RESTART_S)

    async def _start(self, slot: Slot) -> asyncio.subprocess.Process:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        environment |= self.settings | {"DECORUM_HTTP": f"127.0.0.1:{slot.port}"}
        if slot.instance is not None:
            environment["DECORUM_INSTANCE"] = slot.instance
        if slot.way is not None:
            environment["DECORUM_KAFKA"] = slot.way.bootstrap
        with (self.logs / f"worker-{slot.number}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.system.chaos.worker", str(slot.clock)),
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def _note(self, slot: Slot, code: int) -> None:
        self.exits[f"{slot.meant or 'by itself'}: {code}"] += 1
        if not slot.meant and not self._over:
            self.fell.append((time.time(), slot.number))
        expected = {"killed": {-9}, "asked": {0}}.get(slot.meant, {70})
        if time.monotonic() - slot.since < INFANCY_S:
            expected |= {-15}  # asked to end before it could listen, and before it had begun
        if code not in expected:
            self.wrong.append(
                f"worker {slot.number}, {slot.meant or 'by itself'}, ended with {code}"
            )

    async def _watch(self) -> None:
        while True:
            at = time.monotonic()
            answers = await asyncio.gather(*(self._ask(slot) for slot in self.slots))
            self.covered.append((at, self._is_whole(answers)))
            await asyncio.sleep(LOOK_S)

    async def _ask(self, slot: Slot) -> dict[str, Any]:
        try:
            async with self._http.get(f"http://127.0.0.1:{slot.port}/readyz") as response:
                stages: dict[str, Any] = (await response.json()).get("stages", {})
                return stages
        except (aiohttp.ClientError, TimeoutError, OSError):
            return {}

    def _is_whole(self, answers: list[dict[str, Any]]) -> bool:
        for stage, wanted in (
            ("rules", 1),
            ("account", self.partitions),
            ("customer", self.partitions),
        ):
            held = {n for answer in answers for n in answer.get(stage, {}).get("accepting", [])}
            if held != set(range(wanted)):
                return False
        return True
