"""Decompresses record batches, never to more than MOST_UNPACKED bytes.

Rules of this file: bytes in, bytes out. A function returns None if there is more than MOST_UNPACKED
to unpack, and raises any exception if its input is broken; the caller catches all of them.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from typing import TYPE_CHECKING, Final

import cramjam

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_UNPACKED: Final = 32 << 20
"""Bytes of records in a batch: 1 MiB that a producer sends may unpack to gigabytes."""

_GZIP: Final = b"\x1f\x8b\x08"
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_SIZE: Final = 16  # with two version numbers, which are not needed
_BLOCK: Final = struct.Struct(">i")


def _gunzip(packed: bytes) -> bytes | None:
    """All members; whatever follows the last one is ignored, as in Java, which the broker uses."""
    pieces: list[bytes] = []
    bytes_left = MOST_UNPACKED + 1
    while bytes_left and (not pieces or packed.startswith(_GZIP)):
        stream = zlib.decompressobj(wbits=31)
        piece = stream.decompress(packed, bytes_left)
        pieces.append(piece)
        bytes_left -= len(piece)
        if bytes_left and not stream.eof:
            raise ValueError("it is cut off")
        packed = stream.unused_data
    return b"".join(pieces) if bytes_left else None


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


def _into_buffer(unpack_into: Callable[[bytes, mmap.mmap], int]) -> Callable[[bytes], bytes | None]:
    """Unpacks into a mapped buffer, which takes memory only as far as it is filled."""

    def unpack(packed: bytes) -> bytes | None:
        with mmap.mmap(-1, MOST_UNPACKED) as buffer:
            try:
                return buffer[: unpack_into(packed, buffer)]
            except cramjam.DecompressionError as error:
                if "whole buffer" in str(error):  # the Rust library's message for a full buffer
                    return None
                raise

    return unpack


CODECS: Final[Mapping[int, tuple[str, Callable[[bytes], bytes | None]]]] = {
    1: ("gzip", _gunzip),
    2: ("snappy", _unsnappy),
    3: ("lz4", _into_buffer(cramjam.lz4.decompress_into)),
    4: ("zstd", _into_buffer(cramjam.zstd.decompress_into)),
}
"""Name and function of each codec, by its number in a batch's attributes."""
