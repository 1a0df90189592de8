"""What the lane and the stages say to each other: the only names of this package a stage needs.

A stage is two functions over values: records and due timers in, outputs and changed state out.
It must never await, read a clock, draw a random number or touch Kafka: a batch that was not
committed is decided again after a restart, and has to come out the same.

A batch's output is bounded (`lane.budget`). Records come one at a time and end when the budget is
used up; those that were not given out come first in the next batch. A stage that has done a part of
a record sets `state.budget.unfinished` and is given it again, first of its topic: how far it came,
it keeps in its state. What a stage does beyond its records it bounds itself: while
`state.budget.is_spent()` it leaves things to the next batch, by `state.put_back` of a timer or by a
new one for now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.runtime.state import State


class Record(Protocol):
    """One record of a source topic. aiokafka's `ConsumerRecord` passes through as it is."""

    @property
    def topic(self) -> str:
        """The physical topic name."""

    @property
    def partition(self) -> int:
        """The partition number, shared by all topics of a stage."""

    @property
    def offset(self) -> int:
        """The offset in its partition; growing, not always by one."""

    @property
    def timestamp(self) -> int:
        """UTC milliseconds: the producer's, or the broker's, as the topic is set."""

    @property
    def key(self) -> bytes | None:
        """The key as produced."""

    @property
    def value(self) -> bytes | None:
        """The value as produced; `None` is a tombstone, and reaches the stage too."""


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A `Record` for a batch of records, or the rest of one, that nobody can read.

    It stands at the last of their offsets, so that they are decided together.
    """

    topic: str
    partition: int
    first_offset: int
    offset: int
    timestamp: int
    value: bytes
    """The whole batch as it stands in the log, those records of it included that could be read."""
    error: str
    key: ClassVar[None] = None

    @property
    def serialized_value_size(self) -> int:
        """As of any fetched record."""
        return len(self.value)


Output = tuple[str, int | None, bytes | None, bytes | None]
"""Topic, partition (`None`: the number of the deciding partition), key, value."""


class DueTimer(NamedTuple):
    """A durable timer whose time has come; it is already taken out of the state."""

    due_ms: int
    name: bytes
    payload: bytes


class Stage(Protocol):
    """One exactly-once step from co-partitioned source topics to outputs, with state between."""

    @property
    def name(self) -> str:
        """Names the transactional producers: changing it gives up the protection from zombies."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Physical topics read; all have the changelog's partition count."""

    @property
    def changelog(self) -> str:
        """The physical compacted topic that holds this stage's state, timers and watermark."""

    def on_records(
        self, partition: int, records: Iterator[Record], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Decide records in their order, each before the next is asked for. Bad input is an output;
        an exception ends the process.
        """

    def on_timers(
        self, partition: int, due: Sequence[DueTimer], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Act on timers in order of (due_ms, name), before the records of the same batch."""
