"""Record batches made by hand, and put on a broker's log as they are.

Rules of this file: no client writes here but a socket, because no sane one can write what these
tests need. What a test does not say is as a good producer would have it.
"""

from __future__ import annotations

import gzip
import socket
import struct
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from aiokafka.codec import lz4_encode, snappy_encode, zstd_encode

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER: Final = struct.Struct(">hiqqqhii")
PATIENCE_S: Final = 10.0
PRODUCE: Final = 0
PRODUCE_VERSION: Final = 7  # the first that takes zstd
CODECS: Final = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def varint(number: int) -> bytes:
    """Zigzag, seven bits a byte."""
    left = (number << 1) ^ (number >> 63) if number >= 0 else ((-number) << 1) - 1
    found = bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*found, left])


def field(value: bytes | None) -> bytes:
    return varint(-1) if value is None else varint(len(value)) + value


class Raw(NamedTuple):
    """One record; `headers` are their count and bytes, as they stand in it."""

    value: bytes | None = b""
    key: bytes | None = None
    offset_delta: int | None = None
    passed_ms: int = 0
    headers: bytes = b"\0"
    attributes: int = 0
    length: int | None = None

    def encode(self, number: int) -> bytes:
        delta = number if self.offset_delta is None else self.offset_delta
        body = bytes([self.attributes]) + varint(self.passed_ms) + varint(delta)
        body += field(self.key) + field(self.value) + self.headers
        return varint(len(body) if self.length is None else self.length) + body


def header(key: bytes, value: bytes | None) -> bytes:
    return field(key) + field(value)


def records(*items: Raw) -> bytes:
    return b"".join(item.encode(number) for number, item in enumerate(items))


def batch(
    body: bytes,
    count: int,
    *,
    attributes: int = 0,
    last_delta: int | None = None,
    first_ms: int | None = None,
    max_ms: int | None = None,
    producer: tuple[int, int, int] = (-1, -1, -1),
    magic: int = 2,
    base: int = 0,
    checksum: int | None = None,
) -> bytes:
    """`body`: the records, compressed or not; `producer`: id, epoch, first sequence."""
    now_ms = time.time_ns() // 1_000_000
    first = now_ms if first_ms is None else first_ms
    checked = HEADER.pack(
        attributes,
        count - 1 if last_delta is None else last_delta,
        first,
        first if max_ms is None else max_ms,
        *producer,
        count,
    )
    checked += body
    crc = crc32c(checked) if checksum is None else checksum
    head = struct.pack(">ibI", -1, magic, crc)
    return struct.pack(">qi", base, len(head) + len(checked)) + head + checked


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE: Final = _table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


_PACK: Final[dict[str, Callable[[bytes], bytes]]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "snappy": snappy_encode,
    "lz4": lz4_encode,
    "zstd": zstd_encode,
}


def pack(codec: str, body: bytes) -> bytes:
    """Compressed as a producer would, by another way than it is unpacked."""
    return _PACK[codec](body)


def sound(*items: Raw, codec: str = "none", **more: Any) -> bytes:
    """A batch of these records as a good producer makes it; `more`: what is to be otherwise."""
    attributes = CODECS[codec] | more.pop("attributes", 0)
    return batch(pack(codec, records(*items)), len(items), attributes=attributes, **more)


class Refused(Exception):  # noqa: N818 - what the broker does, not what went wrong here
    """The broker did not take it; the code is Kafka's."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.code = code


class RawProducer:
    """A connection to the broker that leads every partition; a context manager."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.partition(",")[0].rpartition(":")
        self._at = (host, int(port))
        self._socket = socket.create_connection(self._at, PATIENCE_S)
        self._file = self._socket.makefile("rwb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def put(
        self, topic: str, partition: int, data: bytes, transactional_id: str | None = None
    ) -> int:
        """Where it stands now. Raises Refused."""
        name = topic.encode()
        request = _text(transactional_id) + struct.pack(">hii", -1, 10_000, 1)
        request += struct.pack(">h", len(name)) + name
        request += struct.pack(">iii", 1, partition, len(data)) + data
        head = struct.pack(">hhi", PRODUCE, PRODUCE_VERSION, 1) + _text("raw")
        self._file.write(struct.pack(">i", len(head) + len(request)) + head + request)
        self._file.flush()
        answer = self._file.read(struct.unpack(">i", self._file.read(4))[0])
        at = 4 + 4 + 2 + len(name) + 4 + 4  # correlation, topics, the name, partitions, the number
        code, offset = struct.unpack_from(">hq", answer, at)
        if code:
            raise Refused(code)
        found: int = offset
        return found


def _text(text: str | None) -> bytes:
    if text is None:
        return struct.pack(">h", -1)
    return struct.pack(">h", len(text)) + text.encode()
