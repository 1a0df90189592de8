"""What really stands on a broker's disk: batches and markers, as compaction leaves them.

Consumers are shown neither the markers of transactions nor what was aborted. Both must be there at
first and gone at last if compaction is to have been tried at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka.record import MemoryRecords

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ABORT: Final = b"\x00\x00\x00\x00"
"""The key of an abort marker: version 0, type 0 (a commit's type is 1)."""


class Place(NamedTuple):
    """An offset of a partition."""

    partition: str
    offset: int


@dataclass
class Found:
    """What one look at the disk found."""

    segments: int = 0
    records: set[Place] = field(default_factory=set)
    commits: set[Place] = field(default_factory=set)
    aborts: set[Place] = field(default_factory=set)
    emptied: set[Place] = field(default_factory=set)
    """Batches without records: kept for their producer's last sequence alone."""
    emptied_markers: set[Place] = field(default_factory=set)
    """Markers without their record: kept for their producer's epoch alone."""

    @property
    def last(self) -> Place:
        """The last of all that stands in the one partition that was looked at."""
        return max(self.records | self.commits | self.aborts | self.emptied | self.emptied_markers)


@dataclass
class Disk:
    """The logs of these topics in a broker's data directory."""

    data: Path
    topics: frozenset[str]
    commits: set[Place] = field(default_factory=set)
    aborts: set[Place] = field(default_factory=set)
    """Every marker that was ever seen."""

    def look(self) -> Found:
        """Read every segment. One that the cleaner swaps meanwhile may be missed, or seen twice."""
        found = Found()
        for directory in self._partitions():
            for segment in sorted(directory.glob("*.log")):
                found.segments += 1
                for batch in _batches(segment):
                    _note(found, directory.name, batch)
        self.commits |= found.commits
        self.aborts |= found.aborts
        return found

    def _partitions(self) -> Iterable[Path]:
        return (path for path in self.data.iterdir() if path.name.rpartition("-")[0] in self.topics)


def _note(found: Found, partition: str, batch: Any) -> None:
    records = list(batch)
    if not records:
        empty = found.emptied_markers if batch.is_control_batch else found.emptied
        empty.add(Place(partition, batch.base_offset))
    elif not batch.is_control_batch:
        found.records |= {Place(partition, record.offset) for record in records}
    elif bytes(records[0].key) == ABORT:
        found.aborts.add(Place(partition, batch.base_offset))
    else:
        found.commits.add(Place(partition, batch.base_offset))


def _batches(segment: Path) -> Iterator[Any]:
    try:
        records = MemoryRecords(segment.read_bytes())
    except FileNotFoundError:
        return
    while records.has_next():
        yield records.next_batch()
