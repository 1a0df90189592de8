"""The room for what has to be mended or set in aiokafka's own clients.

What classes and constants need is done by importing it; `persistent` and `farewell` are called. It
decides nothing and knows nothing of the lane. Each private name is listed in PRIVATE_NAMES and held
by a contract test, so that an upgrade fails there and not in a running worker. What lies between
Faust and aiokafka is in `faust_room`; no third file may touch a private name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError
from aiokafka.producer import sender
from aiokafka.protocol.group import LeaveGroupRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiokafka import AIOKafkaProducer

PRIVATE_NAMES: Final = (
    (sender, ("BACKOFF_OVERRIDE",)),
    (fetcher.PartitionRecords, ("_contains_abort_marker",)),
    (fetcher, ("ABORT_MARKER", "ControlRecord")),
)

# A transaction begun before the last one's markers are written is told to try again; aiokafka then
# waits 20 ms, which is more than the markers take.
TRANSACTION_RETRY_S: Final = 0.003


def _contains_abort_marker(_records: fetcher.PartitionRecords, batch: Iterator[Any]) -> bool:
    """As aiokafka's, but for a marker whose record is gone, which marks nothing any more.

    The cleaner keeps the batch of a producer's last marker when it drops the record
    (https://kafka.apache.org/documentation/#recordbatch); aiokafka refuses such a log for good.
    """
    record = next(batch, None)
    if record is None:
        return False
    marker: bool = fetcher.ControlRecord.parse(record.key) == fetcher.ABORT_MARKER
    return marker


def persistent(producer: AIOKafkaProducer) -> AIOKafkaProducer:
    """The same producer, which asks another node when the one it asks for a coordinator dies.

    aiokafka asks any node, and takes a lost connection to it for the end of the producer.
    """
    look_up = producer.client.coordinator_lookup

    async def look_again(kind: int, key: str) -> int:
        try:
            node: int = await look_up(kind, key)
        except KafkaConnectionError as error:
            raise NodeNotReadyError(str(error)) from error
        return node

    producer.client.coordinator_lookup = look_again
    return producer


async def farewell(options: Mapping[str, Any], group: str, member: str) -> None:
    """Take a member out of its group, on a connection of its own: on the member's, a join that is
    under way would come first. Raises KafkaError.
    """
    client = AIOKafkaClient(**options)
    try:
        await client.bootstrap()
        node = await client.coordinator_lookup(CoordinationType.GROUP, group)
        await client.send(node, LeaveGroupRequest(group, member))
    finally:
        await client.close()


sender.BACKOFF_OVERRIDE = TRANSACTION_RETRY_S
fetcher.PartitionRecords._contains_abort_marker = _contains_abort_marker  # noqa: SLF001
