"""Deaths of nodes, one after the other: each is survived by two, and healed before the next.

A node is chosen by what it does at the moment. Every death lasts until all partitions have decided
again without it, except for `blink`, after which it is started at once.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.integration.replication.pulse import Pulse
    from tests.support.cluster import Cluster
    from tests.system.chaos.crew import Crew

PATIENCE_S: Final = 90.0
HELD_S: Final = 2.0
KINDS: Final = {
    "leader": "leads most partitions",
    "group": "coordinates the group",
    "transactions": "coordinates most transactions",
    "controller": "is the active controller",
    "together": "leads most, and a worker dies with it",
    "blink": "leads most, and is started at once",
    "disk": "leads most, and comes back with an empty disk",
}
"""Each kind of death, and whom it takes."""


class Death(NamedTuple):
    """How one went; all times in seconds."""

    kind: str
    node: int
    led: int
    """How many of our partitions the node led."""
    at_s: float
    """When, UTC."""
    silent_s: float
    """From the death until every partition had decided again, and it could be read."""
    healed_s: float
    """From the death until all replicas were in sync again."""


@dataclass
class Reaper:
    """Carries the deaths out. `units`: the transactional ids of the workers."""

    cluster: Cluster
    crew: Crew
    pulse: Pulse
    prefix: str
    units: Iterable[str]
    say: Callable[[str], None]

    async def run(self, kinds: Iterable[str]) -> list[Death]:
        """All of them, each on a cluster that is whole."""
        return [await self._one(kind, turn) for turn, kind in enumerate(kinds)]

    async def _one(self, kind: str, turn: int) -> Death:
        await self.crew.whole(PATIENCE_S)
        number = await self._victim(kind)
        led = (await self.cluster.leading(self.prefix))[number]
        self.say(f"node {number} dies, which {KINDS[kind]}; it leads {led} partitions")
        at_s = await self._kill(kind, number, turn)
        node = self.cluster.nodes[number]
        silence = asyncio.create_task(self.pulse.again(at_s, PATIENCE_S))
        if kind != "blink":
            await silence
            await self._served_by_two(number)
        await asyncio.to_thread(node.start)
        silent_s = await silence
        await self.cluster.healthy()
        healed_s = time.time() - at_s
        self.say(f"silent for {silent_s:.1f} s; all in sync again after {healed_s:.1f} s")
        return Death(kind, number, led, at_s, silent_s, healed_s)

    async def _kill(self, kind: str, number: int, turn: int) -> float:
        at_s = time.time()
        await asyncio.to_thread(self.cluster.nodes[number].kill)
        if kind == "together":
            slot = self.crew.slots[turn % len(self.crew.slots)]
            slot.meant = "killed"
            slot.signal(signal.SIGKILL)
        if kind == "disk":
            self.cluster.nodes[number].lose_disk()
        return at_s

    async def _served_by_two(self, number: int) -> None:
        """Nothing is led by the dead, and every partition goes on deciding."""
        left = (await self.cluster.leading(self.prefix))[number]
        assert left == 0, f"node {number} is dead and leads {left} partitions"
        await self.pulse.again(time.time() + HELD_S, PATIENCE_S)

    async def _victim(self, kind: str) -> int:
        if kind == "group":
            return await self.cluster.group_coordinator(f"{self.prefix}decorum")
        if kind == "transactions":
            found = [await self.cluster.transaction_coordinator(unit) for unit in self.units]
            return Counter(found).most_common(1)[0][0]
        if kind == "controller":
            return await self.cluster.controller()
        led = await self.cluster.leading(self.prefix)
        return max(led, key=lambda number: led[number])
