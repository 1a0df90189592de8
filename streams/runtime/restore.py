"""Restores the state and checkpoint of a unit's partitions from their changelogs.

Reading may start before the fence, but it ends behind it (`clients.transactional_producer`):
otherwise an earlier owner could still commit after the end of the changelog was read. If changelog
and sources contradict each other, the start is refused: to go on would decide records twice or lose
decisions silently.
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

WARM_S: Final = 0.25  # a rest that takes less than this to read may be read behind the fence
FOLLOW_S: Final = 0.1

log = logging.getLogger("decorum.lane")


class RestoredPartition(NamedTuple):
    """A partition's state, and how far it has decided."""

    state: State
    checkpoint: Checkpoint


class _Clients(NamedTuple):
    offsets: AIOKafkaConsumer
    reader: AIOKafkaConsumer


class Restore:
    """One unit's changelogs: read ahead while another worker decides, to the end behind the fence.

    Only committed records are read, in the order of the log. Behind the fence, reading goes on
    where it stopped and applies what the earlier owner has added. So the result is the same, only
    sooner.
    """

    def __init__(
        self, stage: Stage, unit: int, count: int, options: Mapping[str, Any], group: str
    ) -> None:
        """`count`: how many partitions the stage has. Nothing is connected yet."""
        self.name = f"{stage.name}-{unit}-of-{unit_count(count)}"
        """The name of the unit in logs and in the transactional id."""
        self.is_warm = False
        """Whether the rest is short enough to be read while nobody decides."""
        self.read_ahead = 0
        """Changelog records read before `finish`."""
        self.read = 0
        """All changelog records read."""
        self.stage, self.partitions = stage, tuple(members(unit, count))
        self.ends = {TopicPartition(stage.changelog, number): 0 for number in self.partitions}
        """The offset up to which each changelog is read."""
        self._count, self._options, self._group = count, options, group
        self._writer = secrets.token_hex(4)
        self._states = {number: State() for number in self.partitions}
        self._checkpoints = {number: Checkpoint() for number in self.partitions}
        self._stop_following = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._open_clients = AsyncExitStack()
        self._clients: _Clients | None = None

    def start(self) -> None:
        """Read ahead and follow the log; a failure ends the process."""
        self._following = asyncio.create_task(
            run_or_exit(f"warm-up of {self.name}", self._follow())
        )

    async def finish(self) -> dict[int, RestoredPartition]:
        """Read to the end and set the checkpoint of every source topic. Call it behind the fence.

        Raises StartRefusedError for a lost changelog, a recreated source topic or another number
        of partitions.
        """
        await self._finish_following()
        async with self._open_clients:
            offsets = await self._read_on()
            self._check_partition_count()
            for number, state in self._states.items():
                state.finish_loading()
                self._checkpoints[number].writer = self._writer
            topics = self.stage.sources
            sources = [TopicPartition(t, number) for number in self.partitions for t in topics]
            await _check_positions(offsets, sources, self._checkpoints)
        return {
            n: RestoredPartition(state, self._checkpoints[n]) for n, state in self._states.items()
        }

    async def close(self) -> None:
        """Give up at once, however much there is still to read."""
        if self._following is not None:
            await cancel_and_wait(self._following)
        await self._open_clients.aclose()

    async def _follow(self) -> None:
        while not self._stop_following.is_set():
            began = time.monotonic()
            await self._read_on()
            self.read_ahead = self.read
            self.is_warm = self.is_warm or time.monotonic() - began < WARM_S
            with suppress(TimeoutError):
                async with asyncio.timeout(FOLLOW_S):
                    await self._stop_following.wait()

    async def _finish_following(self) -> None:
        """Let the current read end: a cancellation could lose fetched records."""
        self._stop_following.set()
        if self._following is not None:
            await asyncio.wait([self._following])

    async def _read_on(self) -> AIOKafkaConsumer:
        """Read to the present end; returns the client for further questions about offsets."""
        clients = self._clients = self._clients or await self._connect()
        self.ends = await clients.offsets.end_offsets(list(self.ends))
        self.read += await read_to_end(clients.reader, self.ends, self._apply)
        return clients.offsets

    async def _connect(self) -> _Clients:
        clients = self._open_clients
        offsets = await clients.enter_async_context(offsets_client(self._options, self._group))
        reads = await clients.enter_async_context(reader(self._options, self.ends))
        await _check_not_trimmed(offsets, list(self.ends))
        return _Clients(offsets, reads)

    def _check_partition_count(self) -> None:
        """A key's partition is its hash modulo their number: with another number most keys move."""
        for number, checkpoint in self._checkpoints.items():
            if checkpoint.partitions not in {0, self._count}:
                raise StartRefusedError(
                    f"{self.stage.changelog}-{number} was written as one of {checkpoint.partitions}"
                    f" partitions and is one of {self._count} now: most customers' state is in"
                    " another partition than their records. Kafka cannot remove partitions: start"
                    " afresh under another DECORUM_PREFIX, or restore the topics as they were"
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
    """Compaction leaves the start of a log at 0; only retention or a deletion moves it."""
    for changelog, start in (await consumer.beginning_offsets(changelogs)).items():
        if start > 0:
            raise StartRefusedError(
                f"changelog {changelog.topic}-{changelog.partition} begins at {start}: records were"
                " deleted from it, so state is lost (its cleanup.policy must be compact)"
            )


async def _check_positions(
    consumer: AIOKafkaConsumer, sources: list[TopicPartition], checkpoints: Mapping[int, Checkpoint]
) -> None:
    """Check the checkpoint against each source; a source without one starts at its beginning."""
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
            " everything again"
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
