"""Bytes of a log as if a broker had sent them, read the way a worker's consumer reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher

from streams.runtime.fetch_patches import KEEP_UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.runtime.fetch_patches import Fetched

TP: Final = TopicPartition("outbound-intents", 0)


def log_of(batches: Iterable[bytes], start: int = 0) -> bytes:
    """Batches one behind the other, with the offsets that a broker gives them."""
    found, offset = [], start
    for batch in batches:
        found.append(offset.to_bytes(8, "big") + batch[8:])
        offset += int.from_bytes(batch[23:27], "big", signed=True) + 1
    return b"".join(found)


def fetch(
    log: bytes,
    offset: int = 0,
    aborted: Iterable[tuple[int, int]] = (),
    check_crcs: object = KEEP_UNREADABLE,
) -> tuple[list[Fetched], int]:
    """What one look at a fetch gives, and where the next fetch begins. `aborted`: the producer and
    the first offset of each such transaction.
    """
    records = fetcher.PartitionRecords(
        TP,
        fetcher.MemoryRecords(log),
        list(aborted),
        offset,
        None,
        None,
        check_crcs,
        fetcher.READ_COMMITTED,
    )
    return list(records), records.next_fetch_offset


def fetch_all(log: bytes, end: int, offset: int = 0) -> list[Fetched]:
    """Everything up to this offset, in as many looks as it takes."""
    found: list[Fetched] = []
    while offset < end:
        records, position = fetch(log, offset)
        assert position > offset, f"stuck at {offset}"
        found += records
        offset = position
    return found
