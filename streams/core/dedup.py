"""Duplicate detection: which intents and events were seen, by the first 64 bits of their names.

The memory is one row of bytes, the oldest entry first: 8 bytes of key (big-endian), then 6 bytes of
time (UTC milliseconds). Rules of this file: bytes in, bytes out; what a key means is the caller's
affair.
"""

from __future__ import annotations

from typing import Final, Protocol

SEEN_MOST: Final = 4_096
"""Repeats known at once, a customer: 56 kB. A customer is not written of more often in two days."""

_MARK, _ENTRY = 8, 14


class Remembers(Protocol):
    """Whatever keeps a row of repeats."""

    seen: bytes


def seen_before(book: Remembers, decision_key: int) -> bool:
    """Whether that intent or event is remembered."""
    seen, wanted = book.seen, decision_key.to_bytes(_MARK, "big")
    found = seen.find(wanted)
    while found % _ENTRY and found >= 0:
        found = seen.find(wanted, found + 1)
    return found >= 0


def remember(book: Remembers, decision_key: int, now_ms: int) -> None:
    """Know this intent or event again from now on."""
    book.seen += decision_key.to_bytes(_MARK, "big") + now_ms.to_bytes(_ENTRY - _MARK, "big")


def forget_repeats(book: Remembers, before_ms: int) -> None:
    """Drop what was first seen at or before `before_ms`, and what is over the bound."""
    seen = book.seen
    start = max(0, len(seen) - SEEN_MOST * _ENTRY)
    while start < len(seen) and _time_at(seen, start) <= before_ms:
        start += _ENTRY
    if start:
        book.seen = seen[start:]


def last_ms(seen: bytes) -> int:
    """When the last of a row was told; 0 where there is none."""
    return _time_at(seen, len(seen) - _ENTRY) if seen else 0


def _time_at(seen: bytes, start: int) -> int:
    return int.from_bytes(seen[start + _MARK : start + _ENTRY], "big")
