"""One partition of one stage, as its unit sees it: what waits, what it knows, what it decides.

Everything here is in memory and without waiting: the unit that the partition belongs to fences,
recovers, commits and answers to the group. State and watermark are the partition's own, and so is
its part of a transaction: no partition of a unit sees another's records or state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from streams.runtime.batch import Batch, Share, decide_batch, seal_progress
from streams.runtime.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.runtime.inbox import Records
    from streams.runtime.restore import RestoredPartition
    from streams.runtime.stage import Stage
    from streams.runtime.state import State


class Partition:
    """A partition with its state; made when recovery has read it back."""

    def __init__(self, stage: Stage, number: int, memory: RestoredPartition) -> None:
        """Nothing is let in before `restart`."""
        self.number = number
        self.inbox = Inbox(stage.sources)
        self._stage = stage
        self._restored = memory

    @property
    def state(self) -> State:
        """The state, to look at only. May be one batch ahead."""
        return self._restored.state

    @property
    def sources(self) -> dict[TopicPartition, int]:
        """The next offset to decide of each source."""
        next_offset = self._restored.checkpoint.next_offset
        return {TopicPartition(t, self.number): next_offset[t] for t in self._stage.sources}

    def restart(self) -> None:
        """Forget what waits and take records from the watermark on."""
        self.inbox.restart({tp.topic: offset for tp, offset in self.sources.items()})

    def decide(self, records: Records, wall_ms: int, share: Share) -> Batch | None:
        """These records and the timers due, as far as the share goes; None if there was nothing to
        decide. Records that are left wait again.
        """
        state, checkpoint = self._restored.state, self._restored.checkpoint
        batch = decide_batch(self._stage, self.number, state, checkpoint, records, wall_ms, share)
        if batch and batch.records < len(records):
            self.inbox.put_back(records[batch.records :])
        return batch

    def follow(self, positions: Mapping[TopicPartition, int]) -> bool:
        """Move the watermark past markers and deleted records; whether it moved.

        `positions`: where the fetcher stands, everything below having been offered.
        """
        checkpoint, moved = self._restored.checkpoint, False
        for source, decided in self.sources.items():
            position = positions.get(source, 0)
            if not self.inbox.waiting and position > decided:
                checkpoint.next_offset[source.topic] = position
                moved = True
        return moved

    def seal(self) -> Batch:
        """A batch that only tells the watermark."""
        return seal_progress(
            self._stage, self.number, self._restored.state, self._restored.checkpoint
        )
