"""Refused records, on their way to `dead-letters`."""

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
"""Bytes of key and value together; as base64 they are under the topic's limit for one record."""

UNREADABLE: Final = "unreadable"
"""The reason where not even a record could be made of what stood in the log."""

LONGEST_ERROR: Final = 10_000
"""Characters of `error`: all faults of a policy are named, and there may be thousands."""


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
        # A compressed batch may unpack to more than a letter can hold. Refusing it must not stop
        # the partition for ever, so the letter says where the record itself still is.
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
    """The letter about records that cannot even be told apart, as if about the first of them."""
    first, last = batch.first_offset, batch.offset
    place = f"offset {first}" if first == last else f"offsets {first} to {last}"
    error = f"$: the batch of records is broken at {place} ({last + 1 - first} in all): "
    record = replace(batch, offset=first)
    return dead_letter(topics, record, UNREADABLE, error + batch.error, state, now_ms)
