"""The faults, and when they strike: a plan out of a seed, carried out one after the other.

A fault strikes either soon after the one before, whatever state it has left things in, or when all
partitions are at work again. Being asked to end and the broker's death always wait for that.
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from streams.local.kafka import LocalKafka
    from tests.chaos.crew import Crew

PATIENCE_S: Final = 90.0
"""For a crew to be whole again on a machine that is slow and shared."""


class Counts(NamedTuple):
    """How many faults of each kind."""

    kills: int = 0
    zombies: int = 0
    terms: int = 0
    broker: int = 0


class Fault(NamedTuple):
    """What strikes which worker, how long after the fault before; `calm`: once all is whole."""

    kind: str
    worker: int
    after_s: float
    calm: bool


def plan(random: Random, counts: Counts, workers: int) -> list[Fault]:
    """All faults in a random order."""
    kinds = [kind for kind, count in counts._asdict().items() for _ in range(count)]
    random.shuffle(kinds)
    return [
        Fault(
            kind,
            random.randrange(workers),
            random.uniform(0.2, 4.0),
            kind != "kills" or random.random() < 0.5,
        )
        for kind in kinds
    ]


@dataclass
class Saboteur:
    """Carries out a plan."""

    crew: Crew
    broker: LocalKafka | None
    zombie_s: float
    say: Callable[[str], None]

    async def run(self, faults: list[Fault]) -> list[tuple[str, float]]:
        """All faults, then wait until everything is whole; which struck when (UTC seconds)."""
        struck: list[tuple[str, float]] = []
        for fault in faults:
            if fault.calm:
                await self.crew.whole(PATIENCE_S)
            await asyncio.sleep(fault.after_s)
            self.say(f"{fault.kind} (worker {fault.worker})")
            struck.append((fault.kind, time.time()))
            await self._strike(fault)
        await self.crew.whole(PATIENCE_S)
        return struck

    async def _strike(self, fault: Fault) -> None:
        slot = self.crew.slots[fault.worker]
        if fault.kind == "kills":
            slot.meant = "killed"
            slot.signal(signal.SIGKILL)
        elif fault.kind == "terms":
            slot.meant = "asked"
            slot.signal(signal.SIGTERM)
        elif fault.kind == "zombies":
            slot.signal(signal.SIGSTOP)
            await asyncio.sleep(self.zombie_s)
            slot.signal(signal.SIGCONT)
        elif self.broker is not None:
            await asyncio.to_thread(self.broker.kill)
            await asyncio.to_thread(self.broker.start)
