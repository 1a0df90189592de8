"""The state of a stage on a worker in numbers, for health and metrics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.runtime.unit import Unit


class StageSnapshot(NamedTuple):
    """The state of a stage on this worker."""

    assigned: tuple[int, ...]
    accepting: tuple[int, ...]
    warming: tuple[int, ...]
    """Warm-up replicas: they are to move here, and another worker still decides them."""
    waiting_records: int
    state_keys: int
    timers: int
    restore_seconds: float
    """The longest restore among the units here."""
    progress_age_seconds: float
    """Time since the slowest accepting unit last committed or found nothing to do; 0 if none
    accepts records."""
    waiting_age_seconds: float
    """Age of the oldest waiting record, by its timestamp; 0 if none waits."""


def snapshot_of(units: Sequence[Unit], warming: Iterable[int], now: float) -> StageSnapshot:
    """The snapshot of a stage's units; `now`: monotonic seconds."""
    partitions = [partition for unit in units for partition in unit.partitions.values()]
    states = [partition.state for partition in partitions]
    written_ms = [p.inbox.oldest_ms for p in partitions if p.inbox.oldest_ms is not None]
    wall_ms = time.time() * 1000
    return StageSnapshot(
        assigned=tuple(sorted(n for unit in units for n in unit.numbers)),
        accepting=tuple(sorted(n for unit in units if unit.is_accepting for n in unit.numbers)),
        warming=tuple(sorted(warming)),
        waiting_records=sum(unit.waiting for unit in units),
        state_keys=sum(map(len, states)),
        timers=sum(state.timers for state in states),
        restore_seconds=max((unit.restore_seconds or 0.0 for unit in units), default=0.0),
        progress_age_seconds=now
        - min((u.progress_at for u in units if u.is_accepting), default=now),
        waiting_age_seconds=max(0.0, wall_ms - min(written_ms, default=wall_ms)) / 1000,
    )
