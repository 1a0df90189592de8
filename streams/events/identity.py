"""Names that are the same on every retry: of decisions, and of events already counted.

Rules of this file: pure functions of the event's own fields. A changed formula would decide retries
a second time, so the tests hold golden values of each.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_NAME_DIGITS: Final = 32
_MARK_DIGITS: Final = 16

NO_MARK: Final = 0
"""No decision; also the mark of a contact whose outcome is final."""

# Parts are joined by NUL, which no part contains: identifiers by their characters, `id` and
# `source` because `checks` refuses control characters. So two lists of parts never join alike.


def decision_id(enterprise_id: str, source: str, intent_id: str, customer_id: str) -> str:
    """The id of the decision about one intent and customer: 32 lower-case hex digits.

    BLAKE2b (RFC 7693) of 128 bits: among 10^12 decisions a collision has odds below 10^-14.
    """
    name = f"{enterprise_id}\0{source}\0{intent_id}\0{customer_id}"
    return blake2b(name.encode(), digest_size=16).hexdigest()


def fingerprint(source: str, event_id: str, content: bytes = b"") -> int:
    """Identifies an event within one customer or account: 0 to 2^64 - 1.

    `content`: a used id with other content is another event. Among the 1,000 events that are
    remembered of one customer, a false match has odds below 10^-13.
    """
    digest = blake2b(f"{source}\0{event_id}\0".encode() + content, digest_size=8).digest()
    return int.from_bytes(digest, "big")


def mark_of(name: str) -> int:
    """The first 64 bits of a decision id, by which a ledger knows it; 0 for any other text."""
    if len(name) != _NAME_DIGITS:
        return NO_MARK
    try:
        return int(name[:_MARK_DIGITS], 16)
    except ValueError:
        return NO_MARK
