"""Duplicate detection: which intents and events were seen, by the first 64 bits of their names.

The memory is one row of bytes, the oldest entry first: 8 bytes of key (big-endian), then 6 bytes of
time (UTC milliseconds). Rules of this file: bytes in, bytes out; what a key means is the caller's
affair.
"""

from __future__ import annotations

from typing import Final, Protocol

SEEN_MOST: Final = 4_096
"""Entries that one memory holds: 56 kB. No customer has more requests and events in two days."""

_MARK, _ENTRY = 8, 14


class HasMemory(Protocol):
    """Something with a duplicate memory in `seen`."""

    seen: bytes


def seen_before(owner: HasMemory, key: int) -> bool:
    """Whether this intent or event is remembered."""
    seen, wanted = owner.seen, key.to_bytes(_MARK, "big")
    found = seen.find(wanted)
    while found % _ENTRY and found >= 0:
        found = seen.find(wanted, found + 1)
    return found >= 0


def remember(owner: HasMemory, key: int, now_ms: int) -> None:
    """Remember this intent or event from `now_ms` on."""
    owner.seen += key.to_bytes(_MARK, "big") + now_ms.to_bytes(_ENTRY - _MARK, "big")


def forget_repeats(owner: HasMemory, before_ms: int) -> None:
    """Forget what was first seen at or before `before_ms`, and the oldest above `SEEN_MOST`."""
    seen = owner.seen
    start = max(0, len(seen) - SEEN_MOST * _ENTRY)
    while start < len(seen) and _time_at(seen, start) <= before_ms:
        start += _ENTRY
    if start:
        owner.seen = seen[start:]


def last_ms(seen: bytes) -> int:
    """When the newest entry was seen; 0 if there is none."""
    return _time_at(seen, len(seen) - _ENTRY) if seen else 0


def _time_at(seen: bytes, start: int) -> int:
    return int.from_bytes(seen[start + _MARK : start + _ENTRY], "big")
