"""What partitions knew when they last committed, read back from their changelogs.

Reading may begin ahead, but ends behind the fence (`clients.transactional_producer`): an earlier
owner could otherwise still commit after the changelog's end was read. Where changelog and sources
contradict each other the start is refused, because going on would decide twice or lose decisions
without a word.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka import TopicPartition

from streams.runtime.checkpoint import Checkpoint
from streams.runtime.clients import offsets_client, read_to_end, reader
from streams.runtime.failure import StartRefusedError
from streams.runtime.state import CHECKPOINT_KEY, State
from streams.runtime.tasks import cancel_and_wait, run_or_exit
from streams.runtime.units import members, unit_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import AIOKafkaConsumer

    from streams.runtime.stage import Stage

WARM_S: Final = 0.25  # what is read anew in less will be read so behind the fence
FOLLOW_S: Final = 0.1

log = logging.getLogger("decorum.lane")


class RestoredPartition(NamedTuple):
    """A partition's state, and how far it has decided."""

    state: State
    checkpoint: Checkpoint


class _Clients(NamedTuple):
    asker: AIOKafkaConsumer
    reader: AIOKafkaConsumer


class Restore:
    """One unit's changelogs, read ahead of the fence if there is time, and to the end behind it.

    Read ahead is only what is committed, in the log's order, and going on from there behind the
    fence applies what an earlier owner has added: the result is the same, and it is there sooner.
    """

    def __init__(
        self, stage: Stage, unit: int, count: int, options: Mapping[str, Any], group: str
    ) -> None:
        """`count`: how many partitions the stage has in all. Nothing is connected yet."""
        self.name = f"{stage.name}-{unit}-of-{unit_count(count)}"
        """As it stands in logs and in the transactional id."""
        self.warm = False
        """Whether the rest is short enough to be read while nobody decides."""
        self.ahead = 0
        """Changelog records read before `finish`."""
        self.read = 0
        """Changelog records read in all."""
        self.stage, self.partitions = stage, tuple(members(unit, count))
        self.ends = {TopicPartition(stage.changelog, number): 0 for number in self.partitions}
        """Up to where each changelog is read."""
        self._count, self._options, self._group = count, options, group
        self._writer = secrets.token_hex(4)
        self._states = {number: State() for number in self.partitions}
        self._checkpoints = {number: Checkpoint() for number in self.partitions}
        self._enough = asyncio.Event()
        self._ahead: asyncio.Task[None] | None = None
        self._open = AsyncExitStack()
        self._clients: _Clients | None = None

    def start(self) -> None:
        """Begin to read ahead, and keep up; a failure ends the process."""
        self._ahead = asyncio.create_task(run_or_exit(f"warm-up of {self.name}", self._follow()))

    async def finish(self) -> dict[int, RestoredPartition]:
        """Read to the end and set the watermark of every source topic. Only behind the fence.

        Raises StartRefusedError for a lost changelog, a recreated source topic or another number
        of partitions.
        """
        await self._stop_following()
        async with self._open:
            requests = await self._read_on()
            self._check_partition_count()
            for number, state in self._states.items():
                state.loaded()
                self._checkpoints[number].writer = self._writer
            topics = self.stage.sources
            sources = [TopicPartition(t, number) for number in self.partitions for t in topics]
            await _check_positions(requests, sources, self._checkpoints)
        return {
            n: RestoredPartition(state, self._checkpoints[n]) for n, state in self._states.items()
        }

    async def close(self) -> None:
        """Give up what was read ahead; at once, however much there is to read."""
        if self._ahead is not None:
            await cancel_and_wait(self._ahead)
        await self._open.aclose()

    async def _follow(self) -> None:
        while not self._enough.is_set():
            began = time.monotonic()
            await self._read_on()
            self.ahead = self.read
            self.warm = self.warm or time.monotonic() - began < WARM_S
            with suppress(TimeoutError):
                async with asyncio.timeout(FOLLOW_S):
                    await self._enough.wait()

    async def _stop_following(self) -> None:
        """After what is being read now: a cancellation could lose what was fetched."""
        self._enough.set()
        if self._ahead is not None:
            await asyncio.wait([self._ahead])

    async def _read_on(self) -> AIOKafkaConsumer:
        """Go on to the present end; what was asked where that is, for more such questions."""
        clients = self._clients = self._clients or await self._connect()
        self.ends = await clients.asker.end_offsets(list(self.ends))
        self.read += await read_to_end(clients.reader, self.ends, self._apply)
        return clients.asker

    async def _connect(self) -> _Clients:
        requests = await self._open.enter_async_context(offsets_client(self._options, self._group))
        reads = await self._open.enter_async_context(reader(self._options, self.ends))
        await _check_not_trimmed(requests, list(self.ends))
        return _Clients(requests, reads)

    def _check_partition_count(self) -> None:
        """Keys are found by hash: of more partitions, most have their state in another than now."""
        for number, checkpoint in self._checkpoints.items():
            if checkpoint.partitions not in {0, self._count}:
                raise StartRefusedError(
                    f"{self.stage.changelog}-{number} was written as one of {checkpoint.partitions}"
                    f" partitions and is one of {self._count} now: most customers' state is in"
                    " another partition than their records. Kafka takes no partition away: begin"
                    " anew under another DECORUM_PREFIX, or restore the topics as they were"
                )
            checkpoint.partitions = self._count

    def _apply(self, number: int, key: bytes, value: bytes | None) -> None:
        if key != CHECKPOINT_KEY:
            self._states[number].load(key, value)
        elif value is not None:
            self._checkpoints[number] = Checkpoint.decode(value)


async def _check_not_trimmed(
    consumer: AIOKafkaConsumer, changelogs: Sequence[TopicPartition]
) -> None:
    """Compaction leaves a log's start at 0; only retention or a deletion moves it."""
    for changelog, start in (await consumer.beginning_offsets(changelogs)).items():
        if start > 0:
            raise StartRefusedError(
                f"changelog {changelog.topic}-{changelog.partition} begins at {start}: records were"
                " deleted from it, so state is lost (its cleanup.policy must be compact)"
            )


async def _check_positions(
    consumer: AIOKafkaConsumer, sources: list[TopicPartition], checkpoints: Mapping[int, Checkpoint]
) -> None:
    """Check the watermarks against each source; a source never decided begins at its start."""
    starts = await consumer.beginning_offsets(sources)
    ends = await consumer.end_offsets(sources)
    for source in sources:
        checkpoint = checkpoints[source.partition]
        decided = checkpoint.next_offset.get(source.topic)
        if decided is None:
            await _check_not_lost(consumer, source)
            checkpoint.next_offset[source.topic] = starts[source]
        else:
            _check_not_recreated(source, decided, ends[source])
            _report_skipped(source, decided, starts[source])


async def _check_not_lost(consumer: AIOKafkaConsumer, source: TopicPartition) -> None:
    if (await consumer.committed(source) or 0) > 0:
        raise StartRefusedError(
            f"{source.topic}-{source.partition} was decided before but its changelog does not say"
            " how far: the changelog was lost; restore it, or delete the group's offsets to decide"
            " everything anew"
        )


def _check_not_recreated(source: TopicPartition, decided: int, end: int) -> None:
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
