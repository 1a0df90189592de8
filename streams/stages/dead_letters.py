"""Refused records, on their way to `dead-letters`.

Rules of this file: a dead letter keeps its record whole, or says where the record is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from streams.events.dead_letters import encode_dead_letter
from streams.topics import MIB

if TYPE_CHECKING:
    from streams.runtime.records import Output, Record, Unreadable
    from streams.runtime.state import State
    from streams.topics import Topics

LARGEST_CARRIED: Final = 5 * MIB
"""Bytes of key and value together: as base64 they stay below the topic's limit for a record."""

UNREADABLE: Final = "unreadable"
"""The reason if the log's bytes could not even be read as records."""

LONGEST_ERROR: Final = 10_000
"""Characters of `error`: it names all faults of a policy, perhaps thousands."""


def dead_letter(  # noqa: PLR0913, PLR0917 (what is refused, why, and where it is written down)
    topics: Topics, record: Record, reason: str, error: str, state: State, now_ms: int
) -> Output:
    """The output that keeps a refused record whole, in the partition number it came from."""
    topic = topics.logical(record.topic)
    state.counters["dead_letters_total", topic, reason] += 1
    if len(error) > LONGEST_ERROR:
        error = f"{error[:LONGEST_ERROR]} … and more"
    key, value = record.key, record.value
    size = len(key or b"") + len(value or b"")
    if size > LARGEST_CARRIED:
        # A compressed batch may unpack to more than a letter can hold. That must not stop the
        # partition, so the letter only says where the record is.
        key = value = None
        error = f"{error} (the record's {size} bytes are too many for a letter and stay there)"
    letter = encode_dead_letter(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        reason=reason,
        error=error,
        key=key,
        value=value,
        refused_at_ms=now_ms,
    )
    return topics.dead_letters, None, key, letter


def unreadable_letter(topics: Topics, batch: Unreadable, state: State, now_ms: int) -> Output:
    """The dead letter for a batch that cannot be split into records, under its first offset."""
    first, last = batch.first_offset, batch.offset
    where = f"offset {first}" if first == last else f"offsets {first} to {last}"
    error = f"$: the batch of records is broken at {where} ({last + 1 - first} in all): "
    record = replace(batch, offset=first)
    return dead_letter(topics, record, UNREADABLE, error + batch.error, state, now_ms)
