"""Noise on the brokers' log: batches of records that no sane client writes, amid those of the load.

Rules of this file: what is spoilt can never become an intent, so that the audit knows what is to be
made of it; what the load wanted to say is in whole records alone, of every codec, beside broken
ones. No client writes here but a socket (`tests.support.rawlog`).
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from streams.topics import CONTROLS, INTENTS, INTERACTIONS, POLICIES
from tests.properties.fuzz.batches import thrown
from tests.support.rawlog import CODECS, Raw, RawProducer, Refused, sound
from tests.system.chaos.inputs import place_of
from tests.system.chaos.traffic import wall_clock_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.support.cluster import Cluster
    from tests.system.chaos.load import Load

INPUTS: Final = (INTENTS, INTERACTIONS, POLICIES, CONTROLS)
SINGLE: Final = {POLICIES, CONTROLS}
"""Topics of one partition."""
BEHIND_HEADER: Final = 61
"""Where in a batch stands what the broker leaves as it was."""
ELSEWHERE: Final = {3, 5, 6, 7, 19, 20}
"""Errors that say: not I, or not now."""
EVERY_S: Final = 1.0
AGAIN_S: Final = 0.3
PATIENCE_S: Final = 30.0
BROKEN: Final = Raw(b"", b"k", length=5_000)


@dataclass
class Noise:
    """Throws batches at whichever broker leads, and knows which were not whole."""

    cluster: Cluster
    physical: Callable[[str], str]
    load: Load
    random: Random
    taken: Counter[str] = field(default_factory=Counter)
    spoilt: set[bytes] = field(default_factory=set)
    """What stands behind the header of batches in which anything is wrong."""

    async def run(self, wanted: int) -> None:
        """Throw so many, one after the other."""
        for number in range(wanted):
            await asyncio.sleep(EVERY_S)
            throw = self._amid if number % 2 else self._spoilt
            topic, partition, data, how = throw(number)
            said = await asyncio.to_thread(self._put, topic, partition, data)
            self.taken[how if said == "ok" else said] += 1

    def _amid(self, number: int) -> tuple[str, int, bytes, str]:
        """A record of the load's in a batch with noise; every other time what follows is broken."""
        put = self.load.next(wall_clock_ms())
        partition = put.partition
        if partition is None:
            partition = place_of(put.key or b"", self.load.partitions)
        items = [self._garbage(number), Raw(put.value, put.key)]
        is_whole = number % 4 == 1
        codec = list(CODECS)[number // 2 % len(CODECS)]
        data = sound(*items, self._garbage(number) if is_whole else BROKEN, codec=codec)
        if not is_whole:
            self.spoilt.add(data[BEHIND_HEADER:])
        return put.topic, partition, data, codec

    def _spoilt(self, number: int) -> tuple[str, int, bytes, str]:
        topic = INPUTS[number // 2 % len(INPUTS)]
        partition = 0 if topic in SINGLE else self.random.randrange(self.load.partitions)
        count = self.random.randint(1, 4)
        one = thrown(self.random, [self._garbage(number) for _ in range(count)])
        self.spoilt.add(one.data[BEHIND_HEADER:])
        return topic, partition, one.data, "spoilt"

    def _garbage(self, number: int) -> Raw:
        return Raw(b"noise %d %d" % (number, self.random.getrandbits(32)), b"acme/noise")

    def _put(self, topic: str, partition: int, data: bytes) -> str:
        give_up_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_at:
            for node in self.cluster.nodes.values():
                try:
                    with RawProducer(node.bootstrap) as producer:
                        producer.put(self.physical(topic), partition, data)
                except Refused as refused:
                    if refused.code not in ELSEWHERE:
                        return "refused"
                except (OSError, struct.error):
                    continue  # it may stand there all the same
                else:
                    return "ok"
            time.sleep(AGAIN_S)
        return "unheard"
