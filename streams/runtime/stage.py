"""The contract of a stage with the runtime.

A stage is two functions over values: records and due timers in, outputs and changed state out.
It never awaits, reads a clock, draws a random number or touches Kafka: after a restart, a batch
that was not committed is decided again and must give the same result.

A batch's output is bounded (see `budget`):
- The runtime hands out records one at a time and stops when the budget is used up. The records that
  are left come first in the next batch.
- A stage that has finished only a part of a record sets `state.budget.unfinished`. It keeps its
  progress in its state, and gets the record again, first of its topic.
- The stage bounds its own loops. While `state.budget.is_spent()`, it leaves the rest to the next
  batch: it puts a due timer back (`state.put_back`) or sets a new timer for now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.runtime.records import Output, Record
    from streams.runtime.state import DueTimer, State


class Stage(Protocol):
    """One exactly-once step from co-partitioned source topics, through state, to outputs."""

    @property
    def name(self) -> str:
        """A part of the transactional ids: with another name, old workers are not fenced off."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The physical topics that are read; all have the changelog's partition count."""

    @property
    def changelog(self) -> str:
        """The physical compacted topic that holds this stage's state, timers and checkpoint."""

    def on_records(
        self, partition: int, records: Iterator[Record], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Decide records in their order, and each one before taking the next. Bad input gives an
        output (a dead letter); an exception ends the process.
        """

    def on_timers(
        self, partition: int, due: Sequence[DueTimer], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Act on timers in order of (due_ms, name), before the records of the same batch."""
