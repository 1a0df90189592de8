"""The checkpoints in a stage's changelog: each names a batch's clock and how far it had read."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

if TYPE_CHECKING:
    from tests.system.chaos.evidence import Evidence

CHECKPOINT: Final = b"\x00w"


class Batches(NamedTuple):
    """The batches of one partition, in order. `ends`: the next offset of one source to read;
    `written_ms`: when by the machine that wrote it, `clocks_ms`: when by the partition's clock.
    """

    clocks_ms: list[int]
    ends: list[int]
    written_ms: list[int]

    def reading(self, offset: int) -> int | None:
        """The number of the batch that read this record of the source; None if none has."""
        batch = bisect_right(self.ends, offset)
        return batch if batch < len(self.ends) else None

    def reach(self, clock_ms: int) -> tuple[int, int]:
        """The next offset to read before and after the batches with this clock; where their
        checkpoints are gone, before what is left of the earlier ones, and after all.
        """
        after = bisect_right(self.clocks_ms, clock_ms)
        first = bisect_right(self.clocks_ms, clock_ms - 1)
        ends = [0, *self.ends]
        return ends[first], ends[-1] if first == after else ends[after]


def read_batches(evidence: Evidence, changelog: str, source: str) -> defaultdict[int, Batches]:
    """By partition. Where compaction has taken checkpoints, the batches that are left."""
    found: defaultdict[int, Batches] = defaultdict(lambda: Batches([], [], []))
    for record in evidence.topics[changelog]:
        if record.key == CHECKPOINT:
            mark = orjson.loads(record.value or b"{}")
            offsets = mark["next_offset"].items()
            batches = found[record.partition]
            batches.clocks_ms.append(mark["clock_ms"])
            batches.ends.append(next((to for name, to in offsets if name.endswith(source)), 0))
            batches.written_ms.append(record.timestamp)
    return found
