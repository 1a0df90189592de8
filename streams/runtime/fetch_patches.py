"""Patches of how aiokafka's consumers unpack fetched record batches.

aiokafka's own code ends a consumer for good at the first batch that it cannot read, and unpacks a
batch whatever memory that takes. Importing this file replaces it for every consumer of the process;
`record_batches` does the reading. A consumer with the option KEEP_UNREADABLE goes on past broken
batches.

Rules of this file: as in `aiokafka_patches`, each private name is listed in PRIVATE_NAMES and held
by a contract test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from aiokafka import ConsumerRecord
from aiokafka.consumer import fetcher

from streams.runtime.failure import StartRefusedError
from streams.runtime.record_batches import Batches, BrokenBatchError, Item, RecordBatch, read
from streams.runtime.records import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiokafka import TopicPartition

    Fetched: TypeAlias = ConsumerRecord[bytes, bytes] | Unreadable

PRIVATE_NAMES: Final = (
    (fetcher.PartitionRecords, ("_unpack_records", "_consume_aborted_up_to")),
    (fetcher, ("ABORT_MARKER", "ControlRecord", "MemoryRecords", "READ_COMMITTED")),
)

KEEP_UNREADABLE: Final = "keep"
"""As a consumer's `check_crcs`: it gets `Unreadable` where others raise. All check CRCs."""
MOST_AT_ONCE: Final = 8 << 20
"""Bytes unpacked of one partition at once: a fetch may unpack to far more than its own size."""
_OVERHEAD: Final = 512  # bytes of memory for a record, whatever its size
_NO_TIME: Final = -1


def _unpack_records(self: fetcher.PartitionRecords) -> Iterator[Fetched]:
    """Replaces aiokafka's method.

    It stops at MOST_AT_ONCE; the rest is fetched again from there.
    """
    bytes_left = MOST_AT_ONCE
    while self._records.has_next():
        batch = _next_batch(self)
        for record in _records_of(self, batch) if _is_counted(self, batch) else ():
            bytes_left -= _OVERHEAD + max(0, record.serialized_value_size)
            yield record
            if bytes_left < 0:
                return
        self.next_fetch_offset = max(self.next_fetch_offset, batch.last_offset + 1)


def _next_batch(self: fetcher.PartitionRecords) -> RecordBatch:
    try:
        batch: RecordBatch = self._records.next_batch()
    except BrokenBatchError as error:
        what = f"what begins at offset {self.next_fetch_offset}"
        raise _lost(self._tp, what, error) from error
    return batch


def _is_counted(self: fetcher.PartitionRecords, batch: RecordBatch) -> bool:
    """Whether a batch's records count: they are neither aborted nor transaction markers.

    A marker batch without its record marks nothing: the cleaner drops the record and keeps the
    batch, for the producer's sequence.
    """
    if self._isolation_level == fetcher.READ_COMMITTED:
        self._consume_aborted_up_to(batch.base_offset)
        aborted: set[int] = self._aborted_producers
        if batch.is_control and _is_abort(self._tp, batch):
            aborted.discard(batch.producer_id)
        elif batch.is_transactional and batch.producer_id in aborted:
            return False
    return not batch.is_control


def _is_abort(tp: TopicPartition, batch: RecordBatch) -> bool:
    try:
        marker = next(read(batch), None)
    except BrokenBatchError as error:
        raise _lost(tp, f"the end of a transaction at offset {batch.base_offset}", error) from error
    if marker is None:
        return False
    aborts: bool = fetcher.ControlRecord.parse(marker[1].key) == fetcher.ABORT_MARKER
    return aborts


def _records_of(self: fetcher.PartitionRecords, batch: RecordBatch) -> Iterator[Fetched]:
    """A batch's records from the next offset on, and an `Unreadable` for broken ones."""
    tp: TopicPartition = self._tp
    try:
        for offset, record in read(batch):
            if offset >= self.next_fetch_offset:
                self.next_fetch_offset = offset + 1
                yield _fetched(tp, offset, record)
    except BrokenBatchError as error:
        first, last = max(batch.base_offset, self.next_fetch_offset), batch.last_offset
        if self._check_crcs != KEEP_UNREADABLE:
            raise _lost(tp, f"what stood at offsets {first} to {last}", error) from error
        if first <= last:
            self.next_fetch_offset = last + 1
            yield Unreadable(
                topic=tp.topic,
                partition=tp.partition,
                first_offset=first,
                offset=last,
                timestamp=batch.max_timestamp,
                value=bytes(batch.raw),
                error=str(error),
            )


def _fetched(tp: TopicPartition, offset: int, record: Item) -> ConsumerRecord[bytes, bytes]:
    """As aiokafka's own, without headers; a missing timestamp becomes -1."""
    timestamp = _NO_TIME if record.timestamp is None else record.timestamp
    key, value = record.key, record.value
    sizes = (-1 if key is None else len(key), -1 if value is None else len(value))
    return ConsumerRecord(
        tp.topic, tp.partition, offset, timestamp, 0, key, value, None, *sizes, ()
    )


def _lost(tp: TopicPartition, what: str, why: BrokenBatchError) -> StartRefusedError:
    return StartRefusedError(
        f"{tp.topic}-{tp.partition}: {what} cannot be read: {why}. No producer can do this: look at"
        " the brokers' disks, and restore the partition from a replica or a copy"
    )


fetcher.PartitionRecords._unpack_records = _unpack_records  # noqa: SLF001
fetcher.MemoryRecords = Batches
