"""What a partition knew when it last committed, read back from its changelog.

Call only behind the fence (`clients.transactional_producer`): an earlier owner could otherwise
still commit after the changelog's end was read. Where changelog and sources contradict each other
the start is refused, because going on would decide twice or lose decisions without a word.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import TopicPartition

from streams.lane.clients import read_to_end, reader
from streams.lane.failure import StartRefusedError
from streams.lane.state import WATERMARK_KEY, State
from streams.lane.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka import AIOKafkaConsumer

    from streams.lane.stage import Stage

log = logging.getLogger("decorum.lane")


class Memory(NamedTuple):
    """A partition's state, how far it has decided, and how many records told so."""

    state: State
    watermark: Watermark
    records: int


async def recover(stage: Stage, partition: int, options: Mapping[str, Any], group: str) -> Memory:
    """Read the changelog to its end and set the watermark of every source topic.

    Raises StartRefusedError for a lost changelog or a recreated source topic.
    """
    changelog = TopicPartition(stage.changelog, partition)
    async with reader(options, [changelog], group) as consumer:
        await _refuse_trimmed(consumer, changelog)
        memory = await _read(consumer, changelog)
        sources = [TopicPartition(topic, partition) for topic in stage.sources]
        await _place(consumer, sources, memory.watermark)
    return memory


async def _refuse_trimmed(consumer: AIOKafkaConsumer, changelog: TopicPartition) -> None:
    """Compaction leaves a log's start at 0; only retention or a deletion moves it."""
    start = (await consumer.beginning_offsets([changelog]))[changelog]
    if start > 0:
        raise StartRefusedError(
            f"changelog {changelog.topic}-{changelog.partition} begins at {start}: records were"
            " deleted from it, so state is lost (its cleanup.policy must be compact)"
        )


async def _read(consumer: AIOKafkaConsumer, changelog: TopicPartition) -> Memory:
    state, newest = State(), [Watermark()]

    def apply(_: int, key: bytes, value: bytes | None) -> None:
        if key == WATERMARK_KEY:
            if value is not None:
                newest[0] = Watermark.decode(value)
        else:
            state.load(key, value)

    count = await read_to_end(consumer, [changelog], apply)
    state.loaded()
    return Memory(state, newest[0], count)


async def _place(
    consumer: AIOKafkaConsumer, sources: list[TopicPartition], watermark: Watermark
) -> None:
    """Check the watermark against each source; a source never decided begins at its start."""
    starts = await consumer.beginning_offsets(sources)
    ends = await consumer.end_offsets(sources)
    for source in sources:
        decided = watermark.next_offset.get(source.topic)
        if decided is None:
            await _refuse_lost(consumer, source)
            watermark.next_offset[source.topic] = starts[source]
        else:
            _refuse_recreated(source, decided, ends[source])
            _report_skipped(source, decided, starts[source])


async def _refuse_lost(consumer: AIOKafkaConsumer, source: TopicPartition) -> None:
    if (await consumer.committed(source) or 0) > 0:
        raise StartRefusedError(
            f"{source.topic}-{source.partition} was decided before but its changelog does not say"
            " how far: the changelog was lost; restore it, or delete the group's offsets to decide"
            " everything anew"
        )


def _refuse_recreated(source: TopicPartition, decided: int, end: int) -> None:
    if decided > end:
        raise StartRefusedError(
            f"{source.topic}-{source.partition} ends at {end} but was decided up to {decided}:"
            " the topic was recreated or truncated"
        )


def _report_skipped(source: TopicPartition, decided: int, start: int) -> None:
    if decided < start:
        log.error(
            "%s-%d: offsets %d to %d were deleted by retention before they were decided",
            source.topic,
            source.partition,
            decided,
            start - 1,
        )
