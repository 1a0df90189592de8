"""What the units of a worker share, and how they see what is around them.

Rules of this file: protocols and one tuple, and nothing that runs. It stands below `unit` and
`commits`, so that neither has to import the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable, Mapping

    from aiokafka import TopicPartition

    from streams.runtime.clock import Clock


class Observer(Protocol):
    """Hears of every commit, and never of a batch that was not committed."""

    def committed(
        self,
        stage: str,
        partition: int,
        counters: Counter[tuple[str, ...]],
        records: int,
        seconds: float,
    ) -> None:
        """A partition's batch is committed; `seconds` from taking the records of its unit's batch
        to the end of the commit that all partitions of the unit share.
        """

    def was_in_doubt(self, stage: str, *, committed: bool) -> None:
        """A unit's batch was in doubt, and is now known to be committed or not."""


class SourceReader(Protocol):
    """A unit, as its source sees it."""

    @property
    def is_granted(self) -> bool:
        """Whether the group assigns this unit to this worker now."""

    @property
    def is_accepting(self) -> bool:
        """Whether the unit takes records now."""

    @property
    def sources(self) -> Mapping[TopicPartition, int]:
        """The next offset to decide of each source partition; empty during restore."""

    def accept(self) -> None:
        """Take records from `sources` on."""


class Source(Protocol):
    """Where a unit's records come from: the fetcher of the worker's group membership."""

    async def open(self, unit: SourceReader) -> bool:
        """Put the fetcher at the checkpoints and let records in; False if no longer assigned."""

    async def positions(self, unit: SourceReader) -> Mapping[TopicPartition, int]:
        """The fetcher's positions; the unit has been offered everything below them. Empty if the
        unit is not assigned.
        """

    async def is_member(self) -> bool:
        """Whether the group still counts this worker in, so that no other worker has its units.
        Raises KafkaError when the group cannot answer now.
        """


class UnitContext(NamedTuple):
    """What all units of a worker share."""

    options: Mapping[str, Any]
    group: str  # with the prefix: also begins the transactional ids
    source: Source
    observer: Observer
    start_conditions: Mapping[str, Callable[[], Awaitable[None]]]
    clock: Clock
    linger_s: float
