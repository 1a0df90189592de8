"""Reads record batches from the bytes of the broker's log, and the records in them.

A producer chooses most of these bytes. When the broker takes a batch, it checks sizes, checksum,
count and offsets, but not whether text is valid, nor how much there is to unpack. Later, a disk may
damage anything. The layout: https://kafka.apache.org/documentation/#recordbatch

Rules of this file: bytes in, values out, and no I/O. Whatever the bytes are, a batch costs bounded
time and memory, and the only exception is BrokenBatchError. Record headers are skipped unread.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch

from streams.runtime.decompression import CODECS, MOST_UNPACKED

if TYPE_CHECKING:
    from collections.abc import Iterator

    Bytes = bytes | memoryview

MOST_RECORDS: Final = 250_000
"""Records in a batch; each costs time and memory, however small it is."""

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_SIZE: Final = struct.Struct(">qi")  # the beginning of every format
_MAGIC_AT: Final = 16
_ATTRIBUTES: Final = struct.Struct(">h")
_ATTRIBUTES_AT: Final = 21
_LEAST: Final = 26  # bytes of the smallest batch of the oldest format
_FORMAT: Final = 2
_CODEC: Final = 0x07
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20
_APPEND_TIME: Final = 0x08
_NO_TIME: Final = -1
_LONGEST_VARINT: Final = 70
_INT64: Final = 1 << 64


class BrokenBatchError(Exception):
    """Why a batch, or the rest of it, cannot be read; one line for a person."""


class Item(NamedTuple):
    """A record, with the names of aiokafka's own."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class RecordBatch(NamedTuple):
    """One batch: its bytes and its header."""

    raw: memoryview
    base_offset: int
    last_offset: int
    magic: int
    attributes: int = 0
    first_timestamp: int = _NO_TIME
    max_timestamp: int = _NO_TIME
    producer_id: int = -1
    record_count: int = 0
    """How many records its header announces."""

    @property
    def is_transactional(self) -> bool:
        """Whether it belongs to a transaction, which may be aborted."""
        return bool(self.attributes & _TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        """Whether the broker wrote it to mark the end of a transaction."""
        return bool(self.attributes & _CONTROL)


class Batches:
    """The whole batches in the bytes of a fetch, without a last one that is cut off.

    It takes the place of aiokafka's `MemoryRecords`, with the methods that its fetcher calls.
    """

    def __init__(self, data: Bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def size_in_bytes(self) -> int:
        """The size of the whole fetch; aiokafka's fetcher asks for it."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether there is another whole batch."""
        left = len(self._data) - self._at
        return left >= _LEAST and self._next_size() <= left

    def next_batch(self) -> RecordBatch:
        """The next batch. BrokenBatchError if its header does not say where it ends."""
        size = self._next_size()
        if size < _LEAST:
            raise BrokenBatchError(f"a batch cannot have {size} bytes")
        raw = self._data[self._at : self._at + size]
        batch = _headed(raw)
        self._at += size
        return batch

    def _next_size(self) -> int:
        length: int = _SIZE.unpack_from(self._data, self._at)[1]
        return _SIZE.size + length


def _headed(raw: memoryview) -> RecordBatch:
    base, magic = _SIZE.unpack_from(raw)[0], raw[_MAGIC_AT]
    if magic != _FORMAT:  # in old formats this is the offset of the last record
        return RecordBatch(raw, base, base, magic)
    if len(raw) < _HEADER.size:
        raise BrokenBatchError(f"a batch of format {_FORMAT} cannot have {len(raw)} bytes")
    head = _HEADER.unpack_from(raw)
    attributes, last_delta, first_ms, max_ms, producer, _, _, count = head[5:]
    batch = RecordBatch(
        raw, base, base + last_delta, magic, attributes, first_ms, max_ms, producer, count
    )
    if last_delta < 0 or (last_delta + 1 != count and not _is_sound(raw)):
        raise BrokenBatchError("its header is broken, and the number of its records is unknown")
    return batch


def _is_sound(raw: memoryview) -> bool:
    sound: bool = DefaultRecordBatch(raw).validate_crc()
    return sound


def read(batch: RecordBatch) -> Iterator[tuple[int, Item]]:
    """The records of a batch, with growing offsets.

    BrokenBatchError at the first record that cannot be read, after those before it.
    """
    offsets, body = range(batch.base_offset, batch.last_offset + 1), _body(batch)
    if (
        len(offsets) == batch.record_count
    ):  # the log counts; a producer may number records as it likes
        yield from zip(offsets, _records(batch, body), strict=False)
    else:
        yield from _read_compacted(batch, body, offsets)


def _read_compacted(batch: RecordBatch, body: Bytes, offsets: range) -> Iterator[tuple[int, Item]]:
    """The records of a batch from which the log cleaner has removed some, or all."""
    records = list(_records(batch, body))
    found = [record.offset for record in records]
    if found != sorted(set(found)) or not set(found) <= set(offsets):
        raise BrokenBatchError("its records' offsets contradict each other")
    return zip(found, records, strict=True)


def _records(batch: RecordBatch, body: Bytes) -> Iterator[Item]:
    done = 0
    try:
        for record in _read_fast(batch, body):
            yield record
            done += 1
    except Exception:  # noqa: BLE001 - aiokafka raises anything; the slow way finds the cause
        yield from _read_slowly(batch, body, done)


def _body(batch: RecordBatch) -> Bytes:
    """The records' bytes, unpacked."""
    if batch.magic != _FORMAT:
        raise BrokenBatchError(f"it has message format {batch.magic}, which is not supported")
    if not _is_sound(batch.raw):
        raise BrokenBatchError("its checksum is wrong")
    if not 0 <= batch.record_count <= MOST_RECORDS:
        raise BrokenBatchError(
            f"it holds {batch.record_count} records, and {MOST_RECORDS} are the most"
        )
    packed, codec = batch.raw[_HEADER.size :], batch.attributes & _CODEC
    if not codec:
        return packed
    if codec not in CODECS:
        raise BrokenBatchError(f"it is compressed by a codec with number {codec}")
    name, unpack = CODECS[codec]
    try:
        body = unpack(packed.tobytes())
    except Exception as error:
        raise BrokenBatchError(f"its {name} cannot be unpacked: {error}") from error
    if body is None:
        raise BrokenBatchError(f"its {name} unpacks to more than {MOST_UNPACKED >> 20} MiB")
    return body


def _read_fast(batch: RecordBatch, body: Bytes) -> Iterator[Item]:
    """With aiokafka's C code, which also reads headers and fails at one that is not UTF-8."""
    if not batch.attributes & _CODEC:
        return iter(DefaultRecordBatch(batch.raw))
    head = bytearray(batch.raw[: _HEADER.size])
    _ATTRIBUTES.pack_into(head, _ATTRIBUTES_AT, batch.attributes & ~_CODEC)
    return iter(DefaultRecordBatch(b"".join((head, body))))


def _read_slowly(batch: RecordBatch, body: Bytes, first: int) -> Iterator[Item]:
    """The records from number `first` on, in Python and without their headers."""
    data, at = memoryview(body), 0
    for number in range(batch.record_count):
        try:
            record, at = _take_sized(data, at)
            if number >= first:
                yield _item(batch, record)
        except IndexError:
            raise BrokenBatchError(f"record {number} of {batch.record_count} is cut off") from None
        except ValueError as error:
            raise BrokenBatchError(f"record {number} of {batch.record_count}: {error}") from error


def _take_sized(data: memoryview, at: int) -> tuple[memoryview, int]:
    """The bytes after their own length, and the position behind them."""
    length, at = _varint(data, at)
    if not 0 <= length <= len(data) - at:
        raise ValueError(f"{length} bytes are announced where {len(data) - at} are left")
    return data[at : at + length], at + length


def _item(batch: RecordBatch, data: memoryview) -> Item:
    at = 1  # behind its attributes, which are not in use
    passed_ms, at = _varint(data, at)
    delta, at = _varint(data, at)
    key, at = _bytes(data, at)
    value, at = _bytes(data, at)
    timestamp = batch.first_timestamp + passed_ms
    if batch.attributes & _APPEND_TIME:
        timestamp = batch.max_timestamp
    timestamp = (timestamp + _INT64 // 2) % _INT64 - _INT64 // 2
    return Item(batch.base_offset + delta, timestamp, key, value)


def _bytes(data: memoryview, at: int) -> tuple[bytes | None, int]:
    length, behind = _varint(data, at)
    if length < 0:
        return None, behind
    field, behind = _take_sized(data, at)
    return field.tobytes(), behind


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A zigzag varint (seven bits a byte, sign in the lowest bit), and the position behind it."""
    number = shift = 0
    while shift < _LONGEST_VARINT:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit for "more bytes follow"
            return (number >> 1) ^ -(number & 1), at
        shift += 7
    raise ValueError("a number is too long")
