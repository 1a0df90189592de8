"""One batch, one transaction: outputs, changed state and watermarks become visible together.

The producer behind it was fenced in: from then on no earlier owner of the unit can commit.
A failed write is never repeated here; the process ends and recovery decides the batch again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from streams.lane.clients import transactional_producer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping

    from aiokafka import AIOKafkaProducer, TopicPartition

    from streams.lane.batch import Item, Writes

OFFSETS_EVERY_S: Final = 1.0  # the group's offsets only feed lag monitors
KEEP_ALIVE_S: Final = 86_400.0  # brokers forget an id that writes nothing for seven days


class Transactions:
    """The transactions of one unit, one after the other."""

    def __init__(self, producer: AIOKafkaProducer, group: str) -> None:
        """Take over a producer that has fenced off its predecessors."""
        self._producer = producer
        self._group = group
        self._offsets_at = 0.0
        self._wrote_at = time.monotonic()
        self._offsets_due = False

    @classmethod
    async def fence(
        cls, options: Mapping[str, Any], transactional_id: str, group: str
    ) -> Transactions:
        """Lock every earlier owner of this id out for good; aborts what one has left open."""
        return cls(await transactional_producer(options, transactional_id), group)

    @property
    def owes(self) -> bool:
        """Whether something should be written though there is nothing to decide: the group's
        offsets are behind what is committed, or the broker is about to forget this producer.
        """
        return self._offsets_due or time.monotonic() - self._wrote_at > KEEP_ALIVE_S

    async def write(self, writes: Writes, positions: Mapping[TopicPartition, int]) -> None:
        """Write and commit; once a second the group's offsets as well. Raises KafkaError."""
        producer = self._producer
        await producer.begin_transaction()
        pending: list[asyncio.Future[Any]] = []
        for (topic, partition), items in writes.items():
            pending += await self._send(topic, partition, items)
        now = time.monotonic()
        self._offsets_due = now - self._offsets_at < OFFSETS_EVERY_S
        if not self._offsets_due:
            self._offsets_at = now
            await producer.send_offsets_to_transaction(positions, self._group)
        for future in pending:
            await future
        await producer.commit_transaction()
        self._wrote_at = time.monotonic()

    async def close(self) -> None:
        """Give up the connections; waits for nothing, as no transaction may be open."""
        await self._producer.stop()

    async def _send(
        self, topic: str, partition: int, items: Iterable[Item]
    ) -> list[asyncio.Future[Any]]:
        """Queue items in their order, in as many producer batches as they fill."""
        producer, pending = self._producer, []
        batch = producer.create_batch()
        for key, value in items:
            if batch.append(key=key, value=value, timestamp=None) is None:
                pending.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        batch.close()
        pending.append(await producer.send_batch(batch, topic, partition=partition))
        return pending
