"""What partitions knew when they last committed, read back from their changelogs.

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
    from collections.abc import Mapping, Sequence

    from aiokafka import AIOKafkaConsumer

    from streams.lane.stage import Stage

log = logging.getLogger("decorum.lane")


class Memory(NamedTuple):
    """A partition's state, and how far it has decided."""

    state: State
    watermark: Watermark


async def recover(
    stage: Stage, partitions: Sequence[int], options: Mapping[str, Any], group: str
) -> dict[int, Memory]:
    """Read the changelogs to their ends and set the watermark of every source topic.

    Raises StartRefusedError for a lost changelog or a recreated source topic.
    """
    changelogs = [TopicPartition(stage.changelog, number) for number in partitions]
    async with reader(options, changelogs, group) as consumer:
        await _refuse_trimmed(consumer, changelogs)
        memories = await _read(consumer, changelogs)
        sources = [TopicPartition(t, number) for number in partitions for t in stage.sources]
        await _place(consumer, sources, {n: memory.watermark for n, memory in memories.items()})
    return memories


async def _refuse_trimmed(consumer: AIOKafkaConsumer, changelogs: Sequence[TopicPartition]) -> None:
    """Compaction leaves a log's start at 0; only retention or a deletion moves it."""
    for changelog, start in (await consumer.beginning_offsets(changelogs)).items():
        if start > 0:
            raise StartRefusedError(
                f"changelog {changelog.topic}-{changelog.partition} begins at {start}: records were"
                " deleted from it, so state is lost (its cleanup.policy must be compact)"
            )


async def _read(
    consumer: AIOKafkaConsumer, changelogs: Sequence[TopicPartition]
) -> dict[int, Memory]:
    states = {tp.partition: State() for tp in changelogs}
    watermarks = {tp.partition: Watermark() for tp in changelogs}

    def apply(number: int, key: bytes, value: bytes | None) -> None:
        if key == WATERMARK_KEY:
            if value is not None:
                watermarks[number] = Watermark.decode(value)
        else:
            states[number].load(key, value)

    await read_to_end(consumer, changelogs, apply)
    for state in states.values():
        state.loaded()
    return {number: Memory(states[number], watermarks[number]) for number in states}


async def _place(
    consumer: AIOKafkaConsumer, sources: list[TopicPartition], watermarks: Mapping[int, Watermark]
) -> None:
    """Check the watermarks against each source; a source never decided begins at its start."""
    starts = await consumer.beginning_offsets(sources)
    ends = await consumer.end_offsets(sources)
    for source in sources:
        watermark = watermarks[source.partition]
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
