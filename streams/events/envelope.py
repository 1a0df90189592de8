"""What every event has around its data, in and out: CloudEvents 1.0, structured JSON.

Rules of this file: shapes only; what is legal inside `data` stands with each event's type.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from streams.core.written import rfc3339
from streams.events.fields import EventId, Source, Subject

SOURCE: Final = "decorum"
"""The `source` of every event that the engine makes."""

RejectedReason = Literal["not_utf8", "not_json", "invalid", "unknown_type", "too_large"]


class Rejected(msgspec.Struct, frozen=True):
    """A record that is no event: what is wrong, as the dead letter will say it.

    `error` opens with the path of the fault (`$.data.customer_ids[3]: ...`), is printable, and has
    at most 500 characters.
    """

    reason: RejectedReason
    error: str


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
