"""The faults, and when they strike: a plan out of a seed, carried out one after the other.

A fault strikes either soon after the one before, whatever state it has left things in, or when all
partitions are at work again: only a kill may come into the middle of what another has done.

A disk that hangs is played by stopping the broker, which then answers nobody and writes nothing.
One that is only slow is not among the faults: it takes a device of its own (root), a limit of the
kernel's on this one's I/O (root as well), or a library before the broker's calls (a compiler).
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.system.chaos.network import Weather

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from random import Random

    from tests.support.cluster import Cluster, Node
    from tests.system.chaos.crew import Crew, Slot
    from tests.system.chaos.network import Network

PATIENCE_S: Final = 90.0
"""For a crew to be whole again on a machine that is slow and shared."""
ALIBI_S: Final = 45.0
"""For so long after a fault a worker that ends by itself may have ended because of that one."""
DEADLY: Final = frozenset({"zombies", "broker", "freezes", "slow", "holds", "cuts"})
"""Faults after which a worker may end by itself, to be started anew."""
BAD_WEATHER: Final = Weather(delay_s=0.1, jitter_s=0.2, bytes_per_s=200_000)
"""A continent away, over a line that is full: a transaction takes seconds."""


class Counts(NamedTuple):
    """How many faults of each kind."""

    kills: int = 0
    zombies: int = 0
    terms: int = 0
    broker: int = 0
    freezes: int = 0
    slow: int = 0
    holds: int = 0
    cuts: int = 0
    ahead: int = 0
    behind: int = 0


class Lasting(NamedTuple):
    """How long faults last, in seconds; `away_s` is more than a session, so that the others take
    over from a worker that lives. `step_s`: by how much a clock steps, `skew_s`: for how long.
    """

    zombie_s: float = 12.0
    away_s: float = 9.0
    slow_s: float = 8.0
    step_s: float = 30.0
    skew_s: float = 5.0


class Fault(NamedTuple):
    """What strikes which worker, how long after the fault before; `calm`: once all is whole.
    `share`: in [0, 1), of what is left to chance.
    """

    kind: str
    worker: int
    after_s: float
    calm: bool
    share: float = 0.0


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
            random.random(),
        )
        for kind in kinds
    ]


@dataclass
class Saboteur:
    """Carries out a plan."""

    crew: Crew
    cluster: Cluster
    lasting: Lasting
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
        strikes: dict[str, Callable[[], Awaitable[None]]] = {
            "kills": lambda: self._end(slot, "killed", signal.SIGKILL),
            "terms": lambda: self._end(slot, "asked", signal.SIGTERM),
            "zombies": lambda: self._stop(slot.signal, self.lasting.zombie_s),
            "broker": lambda: self._restart(self._node(fault)),
            "freezes": lambda: self._stop(self._node(fault).signal, 1 + 3 * fault.share),
            "slow": lambda: self._spoil(slot, self.lasting.slow_s, _slow),
            "holds": lambda: self._spoil(slot, self.lasting.away_s, lambda way: way.hold()),
            "cuts": lambda: self._spoil(slot, self.lasting.away_s, lambda way: way.cut()),
            "ahead": lambda: self._step(slot, self.lasting.step_s),
            "behind": lambda: self._step(slot, -self.lasting.step_s),
        }
        await strikes[fault.kind]()

    async def _end(self, slot: Slot, meant: str, number: signal.Signals) -> None:
        slot.meant = meant
        slot.signal(number)

    async def _stop(self, tell: Callable[[signal.Signals], None], lasts_s: float) -> None:
        """A worker that is thought to be dead; or a broker whose disk does not answer."""
        tell(signal.SIGSTOP)
        try:
            await asyncio.sleep(lasts_s)
        finally:
            tell(signal.SIGCONT)

    def _node(self, fault: Fault) -> Node:
        nodes = list(self.cluster.nodes.values())
        return nodes[int(fault.share * len(nodes))]

    async def _restart(self, node: Node) -> None:
        await asyncio.to_thread(node.kill)
        await asyncio.to_thread(node.start)
        await self.cluster.healthy()

    async def _spoil(self, slot: Slot, lasts_s: float, how: Callable[[Network], None]) -> None:
        assert slot.way is not None
        how(slot.way)
        try:
            await asyncio.sleep(lasts_s)
        finally:
            slot.way.heal()

    async def _step(self, slot: Slot, by_s: float) -> None:
        """Wrong for a while, then right again: two steps, one in each direction."""
        slot.set_clock(int(by_s * 1_000))
        await asyncio.sleep(self.lasting.skew_s)
        slot.set_clock(0)


def unexplained(
    fell: Iterable[tuple[float, int]], struck: Sequence[tuple[str, float]]
) -> list[str]:
    """Workers that ended by themselves though nothing had struck that ends one."""
    return [
        f"worker {number} ended by itself, and nothing had struck it"
        for at_s, number in fell
        if not any(kind in DEADLY and at <= at_s < at + ALIBI_S for kind, at in struck)
    ]


def _slow(way: Network) -> None:
    way.weather = BAD_WEATHER
