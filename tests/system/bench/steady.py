"""A steady rate of records in, and when the result of each could be read.

The moment before `send` is compared with the moment at which a `read_committed` reader in the same
process has the result in its hands: one clock, and everything in between counts.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from streams.runtime.partitioner import partition_for
from tests.system.bench.cluster import fresh_reader, producer
from tests.system.bench.report import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka import AIOKafkaConsumer

    from streams.settings import Settings
    from tests.system.bench.cluster import Item

AFTER_S: Final = 30.0


class Steady:
    """Sends `items` at `per_s` from one topic's end to the other's; ids are the results' own."""

    def __init__(
        self,
        settings: Settings,
        source: str,
        results: str,
        items: Sequence[tuple[str, Item]],
        *,
        id_of: Callable[[bytes], str],
        per_s: int,
    ) -> None:
        self._settings, self._source, self._results = settings, source, results
        self._items, self._id_of, self._per_s = items, id_of, per_s
        self.sent: dict[str, float] = {}
        self.seen: dict[str, float] = {}
        self.began = self.ended = 0.0

    async def run(self) -> None:
        """Returns when every record has its result. Raises BenchError if one does not come."""
        async with fresh_reader(self._settings, self._results) as consumer:
            tasks = [asyncio.create_task(self._read(consumer)), asyncio.create_task(self._send())]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()

    def waits_s(self, leave_out_s: float) -> list[float]:
        """Each record's wait, those sent in the first seconds left out."""
        since = self.began + leave_out_s
        return [self.seen[name] - at for name, at in self.sent.items() if at >= since]

    async def _send(self) -> None:
        partitions = self._settings.partitions
        async with producer(self._settings, linger_ms=0) as client:
            self.began = time.time()
            for number, (name, (key, value)) in enumerate(self._items):
                ahead_s = self.began + number / self._per_s - time.time()
                if ahead_s > 0:
                    await asyncio.sleep(ahead_s)
                place = partition_for(key, partitions)
                self.sent[name] = time.time()
                await client.send(self._source, value, key=key, partition=place)
            self.ended = time.time()
        await self._rest()

    async def _rest(self) -> None:
        give_up_at = time.time() + AFTER_S
        while len(self.seen) < len(self.sent):
            if time.time() > give_up_at:
                raise BenchError(
                    f"{len(self.sent) - len(self.seen)} of {len(self.sent)} had no result "
                    f"{AFTER_S:.0f} s after the last was sent"
                )
            await asyncio.sleep(0.05)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                now = time.time()
                for record in records:
                    self.seen.setdefault(self._id_of(record.value), now)
