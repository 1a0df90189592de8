"""The envelope around every event's data, in and out: CloudEvents 1.0 in structured JSON.

Rules of this file: shapes only; each event's type says what its `data` may hold.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from streams.core.written import rfc3339
from streams.events.fields import EventId, Source, Subject

SOURCE: Final = "decorum"
"""The `source` of every event that the engine makes."""

RejectedReason = Literal["not_utf8", "not_json", "invalid", "unknown_type", "too_large"]


MAX_ERROR: Final = 500
"""Characters of a refusal's `error`: enough for a path and a sentence."""


class Rejected(msgspec.Struct, frozen=True):
    """A record that is no event, with the reason and error of its dead letter.

    `error` opens with the path of the fault (`$.data.customer_ids[3]: ...`). Made by `rejected`,
    it is printable and has at most `MAX_ERROR` characters.
    """

    reason: RejectedReason
    error: str


def rejected(reason: RejectedReason, error: str) -> Rejected:
    """A refusal; what could disturb a log or a terminal is escaped."""
    return Rejected(reason, (error if error.isprintable() else ascii(error)[1:-1])[:MAX_ERROR])


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes read from every event; others are ignored.

    CloudEvents lets producers write an absent attribute as null, so the optional ones allow it.
    """

    id: EventId
    source: Source
    specversion: Literal["1.0"]
    time: str | None = None
    subject: Subject | None = None


class _Event(msgspec.Struct, frozen=True, gc=False):
    specversion: str
    id: str
    source: str
    type: str
    time: str
    subject: str
    data: msgspec.Struct | msgspec.Raw


_encode = msgspec.json.Encoder().encode


def encode_event(
    event_id: str, event_type: str, at_ms: int, subject: str, data: msgspec.Struct | msgspec.Raw
) -> bytes:
    """An event that the engine makes."""
    return _encode(_Event("1.0", event_id, SOURCE, event_type, rfc3339(at_ms), subject, data))
