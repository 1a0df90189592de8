"""Record batches as the broker's log has them, and the records that can be read in one.

Rules of this file: bytes in, values out, and no I/O; whatever the bytes are, a batch costs bounded
time and memory, and what cannot be read leaves as a BrokenBatchError and nothing else. Headers of
records are skipped unread. The layout: https://kafka.apache.org/documentation/#recordbatch

A producer chooses most of these bytes. The broker checks sizes, checksum, count and offsets when it
takes a batch, but neither that text is text nor how much there is to unpack, and a disk may spoil
anything later.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

import cramjam
from aiokafka.record.default_records import DefaultRecordBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Bytes = bytes | memoryview
    UnpackInto = Callable[[bytes, mmap.mmap], int]

MOST_UNPACKED: Final = 32 << 20
"""Bytes of records in a batch. What a producer can send in 1 MiB unpacks to GBs if it wants to."""
MOST_RECORDS: Final = 250_000
"""Records in a batch; each takes its time and memory, however small it is."""

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_SIZE: Final = struct.Struct(">qi")  # what every format begins with
_MAGIC_AT: Final = 16
_ATTRIBUTES: Final = struct.Struct(">h")
_ATTRIBUTES_AT: Final = 21
_LEAST: Final = 26  # bytes of the smallest batch, of the oldest format
_FORMAT: Final = 2
_CODEC: Final = 0x07
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20
_APPEND_TIME: Final = 0x08
_NO_TIME: Final = -1
_LONGEST_VARINT: Final = 70
_INT64: Final = 1 << 64


class BrokenBatchError(Exception):
    """Why a batch, or what is left of it, cannot be read; one line for a person."""


class Item(NamedTuple):
    """A record that was read without aiokafka's help."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class RecordBatch(NamedTuple):
    """One batch: its bytes, and what its header says."""

    raw: memoryview
    base_offset: int
    last_offset: int
    magic: int
    attributes: int = 0
    first_timestamp: int = _NO_TIME
    max_timestamp: int = _NO_TIME
    producer_id: int = -1
    holds: int = 0
    """How many records it has, as it says."""

    @property
    def is_transactional(self) -> bool:
        """Whether its producer's transaction decides if it counts."""
        return bool(self.attributes & _TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        """Whether the broker wrote it, to mark a transaction's end."""
        return bool(self.attributes & _CONTROL)


class Batches:
    """The whole batches in the bytes of a fetch; a last one that is cut off is left out."""

    def __init__(self, data: Bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def size_in_bytes(self) -> int:
        """Of the whole fetch."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether another whole one is here."""
        left = len(self._data) - self._at
        return left >= _LEAST and self._next_size() <= left

    def next_batch(self) -> RecordBatch:
        """The next one. BrokenBatchError if it does not say where it begins and ends."""
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
    if magic != _FORMAT:  # of the old formats this is the offset of the last record
        return RecordBatch(raw, base, base, magic)
    if len(raw) < _HEADER.size:
        raise BrokenBatchError(f"a batch of format {_FORMAT} cannot have {len(raw)} bytes")
    head = _HEADER.unpack_from(raw)
    attributes, last_delta, first_ms, max_ms, producer, _, _, count = head[5:]
    batch = RecordBatch(
        raw, base, base + last_delta, magic, attributes, first_ms, max_ms, producer, count
    )
    if last_delta < 0 or (last_delta + 1 != count and not _is_sound(raw)):
        raise BrokenBatchError("its header is broken, and how many records it held is not known")
    return batch


def _is_sound(raw: memoryview) -> bool:
    sound: bool = DefaultRecordBatch(raw).validate_crc()
    return sound


def read(batch: RecordBatch) -> Iterator[tuple[int, Item]]:
    """Its records and their offsets, which grow.

    Those before the first that cannot be read are read all the same; then BrokenBatchError.
    """
    offsets, body = range(batch.base_offset, batch.last_offset + 1), _body(batch)
    if len(offsets) == batch.holds:  # a producer may number its records as it likes: the log counts
        yield from zip(offsets, _records(batch, body), strict=False)
    else:
        yield from _thinned(batch, body, offsets)


def _thinned(batch: RecordBatch, body: Bytes, offsets: range) -> Iterator[tuple[int, Item]]:
    """Of a batch that the cleaner has taken records out of, or all of them."""
    records = list(_records(batch, body))
    theirs = [record.offset for record in records]
    if theirs != sorted(set(theirs)) or not set(theirs) <= set(offsets):
        raise BrokenBatchError("its records' offsets contradict each other")
    return zip(theirs, records, strict=True)


def _records(batch: RecordBatch, body: Bytes) -> Iterator[Item]:
    done = 0
    try:
        for record in _fast(batch, body):
            yield record
            done += 1
    except Exception:  # noqa: BLE001 - aiokafka raises what it likes; what is wrong is found below
        yield from _slow(batch, body, done)


def _body(batch: RecordBatch) -> Bytes:
    """The records' bytes, unpacked."""
    if batch.magic != _FORMAT:
        raise BrokenBatchError(f"it has message format {batch.magic}, which is not read here")
    if not _is_sound(batch.raw):
        raise BrokenBatchError("its checksum is wrong")
    if not 0 <= batch.holds <= MOST_RECORDS:
        raise BrokenBatchError(f"it holds {batch.holds} records, and {MOST_RECORDS} are the most")
    packed, codec = batch.raw[_HEADER.size :], batch.attributes & _CODEC
    if not codec:
        return packed
    if codec not in _CODECS:
        raise BrokenBatchError(f"it is compressed by a codec with number {codec}")
    name, unpack = _CODECS[codec]
    try:
        body = unpack(packed.tobytes())
    except Exception as error:
        raise BrokenBatchError(f"its {name} cannot be unpacked: {error}") from error
    if body is None:
        raise BrokenBatchError(f"its {name} unpacks to more than {MOST_UNPACKED >> 20} MiB")
    return body


def _fast(batch: RecordBatch, body: Bytes) -> Iterator[Item]:
    """Through aiokafka's C, which reads headers too, and gives up at one that is not UTF-8."""
    if not batch.attributes & _CODEC:
        return iter(DefaultRecordBatch(batch.raw))
    head = bytearray(batch.raw[: _HEADER.size])
    _ATTRIBUTES.pack_into(head, _ATTRIBUTES_AT, batch.attributes & ~_CODEC)
    return iter(DefaultRecordBatch(b"".join((head, body))))


# ---- record by record --------------------------------------------------------------------------


def _slow(batch: RecordBatch, body: Bytes, first: int) -> Iterator[Item]:
    """The records from the one with this number on, without a look at their headers."""
    data, at = memoryview(body), 0
    for number in range(batch.holds):
        try:
            record, at = _framed(data, at)
            if number >= first:
                yield _item(batch, record)
        except IndexError:
            raise BrokenBatchError(f"record {number} of {batch.holds} is cut off") from None
        except ValueError as error:
            raise BrokenBatchError(f"record {number} of {batch.holds}: {error}") from error


def _framed(data: memoryview, at: int) -> tuple[memoryview, int]:
    """What follows its own length, and where the next thing is."""
    length, at = _varint(data, at)
    if not 0 <= length <= len(data) - at:
        raise ValueError(f"{length} bytes are announced where {len(data) - at} are left")
    return data[at : at + length], at + length


def _item(batch: RecordBatch, data: memoryview) -> Item:
    at = 1  # behind its attributes, of which none is in use
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
    field, behind = _framed(data, at)
    return field.tobytes(), behind


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, its sign in the lowest bit, and where the next thing is."""
    number = shift = 0
    while shift < _LONGEST_VARINT:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return (number >> 1) ^ -(number & 1), at
        shift += 7
    raise ValueError("a number is too long")


# ---- codecs: None for more than MOST_UNPACKED --------------------------------------------------


_GZIP: Final = b"\x1f\x8b\x08"


def _gunzip(packed: bytes) -> bytes | None:
    """What follows the last member is no part of it, as to Java, which the broker asks."""
    pieces: list[bytes] = []
    room = MOST_UNPACKED + 1
    while room and (not pieces or packed.startswith(_GZIP)):
        stream = zlib.decompressobj(wbits=31)
        slice_ = stream.decompress(packed, room)
        pieces.append(slice_)
        room -= len(slice_)
        if room and not stream.eof:
            raise ValueError("it is cut off")
        packed = stream.unused_data
    return b"".join(pieces) if room else None


_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_SIZE: Final = 16  # with two versions, which say nothing to us
_BLOCK: Final = struct.Struct(">i")


def _unsnappy(packed: bytes) -> bytes | None:
    """Plain, or in blocks as Java's library writes them."""
    blocks = _blocks(packed) if packed.startswith(_XERIAL) else [packed]
    if sum(map(cramjam.snappy.decompress_raw_len, blocks)) > MOST_UNPACKED:
        return None
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _blocks(packed: bytes) -> list[bytes]:
    found, at = [], _XERIAL_SIZE
    while at < len(packed):
        (size,) = _BLOCK.unpack_from(packed, at)
        at += _BLOCK.size
        if not 0 < size <= len(packed) - at:
            raise ValueError(f"{size} bytes are announced where {len(packed) - at} are left")
        found.append(packed[at : at + size])
        at += size
    return found


def _into_room(unpack_into: UnpackInto) -> Callable[[bytes], bytes | None]:
    """Unpacks into memory that is taken only as far as it is filled."""

    def unpack(packed: bytes) -> bytes | None:
        with mmap.mmap(-1, MOST_UNPACKED) as room:
            try:
                return room[: unpack_into(packed, room)]
            except cramjam.DecompressionError as error:
                if "whole buffer" in str(error):  # what Rust says of a buffer that is full
                    return None
                raise

    return unpack


_CODECS: Final[Mapping[int, tuple[str, Callable[[bytes], bytes | None]]]] = {
    1: ("gzip", _gunzip),
    2: ("snappy", _unsnappy),
    3: ("lz4", _into_room(cramjam.lz4.decompress_into)),
    4: ("zstd", _into_room(cramjam.zstd.decompress_into)),
}
