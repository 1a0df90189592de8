"""One batch, one transaction: outputs, changed state and checkpoints become visible together.

Its producer is fenced in, so no earlier producer of the unit can commit. A failed write is never
repeated here: `commits` finds out, behind a new fence, whether it was committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from streams.runtime.clients import transactional_producer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping

    from aiokafka.structs import RecordMetadata

    from streams.runtime.aiokafka_patches import OnceProducer
    from streams.runtime.batch import Item, Writes


class Transactions:
    """The transactions of one producer, one after another."""

    def __init__(self, producer: OnceProducer, group: str) -> None:
        """Take over a producer that has fenced off its predecessors."""
        self._producer = producer
        self._group = group

    @classmethod
    async def fence(
        cls, options: Mapping[str, Any], transactional_id: str, group: str
    ) -> Transactions:
        """Lock out every earlier owner of this id for good, and abort what it left open."""
        return cls(await transactional_producer(options, transactional_id), group)

    def cause_of(self, error: BaseException) -> BaseException:
        """The cause of a failed write; `error` may only be a consequence of it."""
        return self._producer.cause_of(error)

    async def write(
        self, writes: Writes, positions: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Write and commit, with the group's offsets if `positions` has any; returns the offset at
        which each partition's part begins. After an error the write may or may not be committed,
        and only `give_up` may follow.
        """
        await self._producer.begin_transaction()
        pending: dict[TopicPartition, list[asyncio.Future[RecordMetadata]]] = {}
        for target, items in writes.items():
            pending[TopicPartition(*target)] = await self._send(*target, items)
        if positions:
            await self._producer.send_offsets_to_transaction(positions, self._group)
        offsets = {tp: [(await one).offset for one in sent] for tp, sent in pending.items()}
        await self._producer.commit_transaction()
        return {tp: found[0] for tp, found in offsets.items()}

    async def give_up(self) -> None:
        """Send nothing more, whatever is in progress."""
        await self._producer.give_up()

    async def close(self) -> None:
        """Close the connections; no transaction may be open."""
        await self._producer.stop()

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
