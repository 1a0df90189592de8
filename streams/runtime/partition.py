"""One partition of one stage: its inbox, its state and checkpoint, and its batches.

Rules of this file: everything is in memory and nothing waits; the unit fences, restores, commits
and talks to the group. No partition sees the records or state of another partition of its unit.
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
    """A partition with its restored state."""

    def __init__(self, stage: Stage, number: int, restored: RestoredPartition) -> None:
        """No record is let in before `restart`."""
        self.number = number
        self.inbox = Inbox(stage.sources)
        self._stage = stage
        self._restored = restored

    @property
    def state(self) -> State:
        """The state, to look at only. It may be one batch ahead of the changelog."""
        return self._restored.state

    @property
    def sources(self) -> dict[TopicPartition, int]:
        """The next offset to decide of each source."""
        next_offset = self._restored.checkpoint.next_offset
        return {TopicPartition(t, self.number): next_offset[t] for t in self._stage.sources}

    def restart(self) -> None:
        """Drop what waits and take records from the checkpoint on."""
        self.inbox.restart({tp.topic: offset for tp, offset in self.sources.items()})

    def decide(self, records: Records, wall_ms: int, share: Share) -> Batch | None:
        """Decide these records and the due timers, as far as the share allows; None if there was
        nothing to decide. Records that are left over wait again.
        """
        state, checkpoint = self._restored.state, self._restored.checkpoint
        batch = decide_batch(self._stage, self.number, state, checkpoint, records, wall_ms, share)
        if batch and batch.records < len(records):
            self.inbox.put_back(records[batch.records :])
        return batch

    def advance_to(self, positions: Mapping[TopicPartition, int]) -> bool:
        """Move the checkpoint past markers and deleted records; whether it moved.

        `positions`: the fetcher's; everything below them was offered.
        """
        checkpoint, moved = self._restored.checkpoint, False
        for source, decided in self.sources.items():
            position = positions.get(source, 0)
            if not self.inbox.waiting and position > decided:
                checkpoint.next_offset[source.topic] = position
                moved = True
        return moved

    def checkpoint_batch(self) -> Batch:
        """A batch that writes only the checkpoint."""
        return seal_progress(
            self._stage, self.number, self._restored.state, self._restored.checkpoint
        )
