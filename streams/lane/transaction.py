"""One batch, one transaction: outputs, changed state and watermarks become visible together.

The producer behind it was fenced in: from then on no earlier one of the unit can commit. A failed
write is never repeated here: `commits` finds out what became of it, behind a new fence.
"""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition

from streams.lane.clients import transactional_producer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping

    from aiokafka.structs import RecordMetadata

    from streams.lane.aiokafka_room import OnceProducer
    from streams.lane.batch import Item, Writes

OFFSETS_EVERY_S: Final = 1.0  # the group's offsets only feed lag monitors


class Transactions:
    """The transactions of one producer, one after the other."""

    def __init__(self, producer: OnceProducer, group: str) -> None:
        """Take over a producer that has fenced off its predecessors."""
        self.owes = False
        """Whether the group's offsets are behind what is committed."""
        self._producer = producer
        self._group = group
        self._offsets_at = 0.0

    @classmethod
    async def fence(
        cls, options: Mapping[str, Any], transactional_id: str, group: str
    ) -> Transactions:
        """Lock every earlier owner of this id out for good; aborts what one has left open."""
        return cls(await transactional_producer(options, transactional_id), group)

    def cause_of(self, error: BaseException) -> BaseException:
        """Why a write failed, of which `error` may be a consequence."""
        return self._producer.cause_of(error)

    async def write(
        self, writes: Writes, positions: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Write and commit; once a second the group's offsets as well. Where each partition's part
        begins. After an error it may or may not be committed, and only `give_up` is left to do.
        """
        pending: dict[TopicPartition, list[asyncio.Future[RecordMetadata]]] = {}
        try:
            await self._producer.begin_transaction()
            for target, items in writes.items():
                pending[TopicPartition(*target)] = await self._send(*target, items)
            await self._tell_group(positions)
            offsets = {tp: [(await one).offset for one in sent] for tp, sent in pending.items()}
            await self._producer.commit_transaction()
        except BaseException:
            for future in chain.from_iterable(pending.values()):
                future.add_done_callback(_looked_at)
            raise
        return {tp: found[0] for tp, found in offsets.items()}

    async def give_up(self) -> None:
        """Say nothing more, whatever is under way."""
        await self._producer.give_up()

    async def close(self) -> None:
        """Give up the connections; waits for nothing, as no transaction may be open."""
        await self._producer.stop()

    async def _tell_group(self, positions: Mapping[TopicPartition, int]) -> None:
        now = time.monotonic()
        self.owes = now - self._offsets_at < OFFSETS_EVERY_S
        if not self.owes:
            self._offsets_at = now
            await self._producer.send_offsets_to_transaction(positions, self._group)

    async def _send(
        self, topic: str, partition: int, items: Iterable[Item]
    ) -> list[asyncio.Future[RecordMetadata]]:
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


def _looked_at(future: asyncio.Future[Any]) -> None:
    """One failure is told once, and not by each of the futures that it ended."""
    if not future.cancelled():
        future.exception()
