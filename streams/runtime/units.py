"""Units: which partition numbers of a stage share one transactional producer.

A transaction costs the broker much whatever is in it, so a few partitions commit together. A unit
is fenced, recovered, decided, committed and handed out as a whole; it is the grain in which workers
share a stage. State and watermark stay per partition: changelogs say nothing about units.

The rule is part of what keeps decisions exact, like a format: the transactional ids of one rule do
not fence off those of another. Whoever changes it has to have every worker stopped in between.
"""

from __future__ import annotations

from typing import Final

UNIT_SIZE: Final = 4  # partitions at most: measured, see docs/benchmarks.md


def unit_count(partitions: int) -> int:
    """Into how many units this many partitions are divided; one, if there are none yet."""
    return max(1, -(-partitions // UNIT_SIZE))


def unit_of(partition: int, partitions: int) -> int:
    """The unit, from 0, of a partition number out of so many."""
    return partition % unit_count(partitions)


def members(unit: int, partitions: int) -> range:
    """The partition numbers of a unit, out of so many."""
    return range(unit, partitions, unit_count(partitions))
