"""Refused records, on their way to `dead-letters`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.events.letters import encode_dead_letter

if TYPE_CHECKING:
    from streams.lane.stage import Output, Record
    from streams.lane.state import State
    from streams.topics import Topics


def dead_letter(  # noqa: PLR0913, PLR0917 (what is refused, why, and where it is written down)
    topics: Topics, record: Record, reason: str, error: str, state: State, now_ms: int
) -> Output:
    """The output that keeps a refused record whole, in the partition number it came from."""
    topic = topics.logical(record.topic)
    state.tally["dead_letters_total", topic, reason] += 1
    letter = encode_dead_letter(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        reason=reason,
        error=error,
        key=record.key,
        value=record.value,
        refused_at_ms=now_ms,
    )
    return topics.dead_letters, None, record.key, letter
