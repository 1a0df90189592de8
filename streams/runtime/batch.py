"""Decides one batch of one partition: what exactly-once means here, as pure functions.

The worker and the test driver both decide with `decide_batch`, so a flow behaves the same with and
without a broker.

Order in a batch: one reading of the clock; due timers (at most `Share.timers`); then records. Both
get the same `now_ms`. If `on_timers` sets a timer for the past, it fires in the next batch, so no
loop in a stage can hold a transaction open.

The output of a batch is bounded. Timers get half of its budget; records get the rest, and at least
one record is always decided: neither can starve the other. The records that are left, and a record
that the stage calls unfinished, come first in the next batch; the checkpoint stands before them.

Rules of this file: no await, no clock, no I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from streams.runtime.budget import MOST_OUTPUT, Budget
from streams.runtime.state import CHECKPOINT_KEY

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import ItemsView, Iterable, Iterator, Sequence

    from streams.runtime.checkpoint import Checkpoint
    from streams.runtime.records import Output, Record
    from streams.runtime.stage import Stage
    from streams.runtime.state import State

MAX_RECORDS: Final = 2_000  # a transaction costs about 10 ms; larger batches gain nothing
MAX_BYTES: Final = 4 << 20  # bounds memory and the time that a batch blocks the event loop
MAX_TIMERS: Final = 2_000

Item = tuple[bytes | None, bytes | None]
Writes = dict[tuple[str, int], "list[Item] | ItemsView[bytes, bytes | None]"]


class Share(NamedTuple):
    """A partition's share of a transaction: how many timers fire, and the weight of its output."""

    timers: int = MAX_TIMERS
    output: int = MOST_OUTPUT


WHOLE: Final = Share()


class Batch(NamedTuple):
    """What one transaction writes for a partition, and what the observer hears after the commit.

    `records`: how many waiting records were decided. `weight`: of the output.
    """

    writes: Writes
    counters: Counter[tuple[str, ...]]
    records: int
    fired: int
    weight: int = 0


def decide_batch(  # noqa: PLR0913, PLR0917
    stage: Stage,
    partition: int,
    state: State,
    checkpoint: Checkpoint,
    records: Sequence[Record],
    wall_ms: int,
    share: Share = WHOLE,
) -> Batch | None:
    """Fire due timers, decide records, advance the checkpoint; None if there was nothing to do.

    Records of one topic must be in offset order. After an exception, do not use the state again: it
    is ahead of the changelog.
    """
    now_ms = checkpoint.advance_clock(wall_ms)
    state.budget = Budget(share.output // 2)
    due = state.pop_due(now_ms, share.timers)
    if not due and not records:
        return None
    writes: dict[tuple[str, int], list[Item]] = {}
    fired_weight = taken = 0
    if due:
        _add_outputs(writes, partition, stage.on_timers(partition, due, state, now_ms))
        fired_weight = state.budget.weight()
    if records:
        state.budget = Budget(share.output - fired_weight)
        intake = _Intake(records, state.budget)
        _add_outputs(writes, partition, stage.on_records(partition, iter(intake), state, now_ms))
        taken = intake.decided
        _advance(checkpoint, records[:taken])
    weight = fired_weight + (state.budget.weight() if records else 0)
    return _seal(stage, partition, state, checkpoint, writes, taken, len(due))._replace(
        weight=weight
    )


class _Intake:
    """Hands out the first record, and more while the budget has room."""

    def __init__(self, records: Sequence[Record], budget: Budget) -> None:
        self._records, self._budget = records, budget
        self._handed_out = 0

    def __iter__(self) -> Iterator[Record]:
        budget = self._budget
        for record in self._records:
            if budget.unfinished or (self._handed_out and not budget.has_room()):
                return
            self._handed_out += 1
            yield record

    @property
    def decided(self) -> int:
        """How many records were handed out and are finished."""
        return self._handed_out - self._budget.unfinished


def seal_progress(stage: Stage, partition: int, state: State, checkpoint: Checkpoint) -> Batch:
    """A batch that writes only the checkpoint, past markers and deleted records."""
    return _seal(stage, partition, state, checkpoint, {}, 0, 0)


def merge_writes(batches: Iterable[Batch]) -> Writes:
    """What one transaction writes for the batches of several partitions, in their order."""
    writes: Writes = {}
    for batch in batches:
        for target, items in batch.writes.items():
            before = writes.get(target)
            if before is None:
                writes[target] = items
            else:
                writes[target] = [*before, *items]
    return writes


def _add_outputs(
    writes: dict[tuple[str, int], list[Item]], partition: int, outputs: Iterable[Output]
) -> None:
    for topic, to, key, value in outputs:
        target = (topic, partition if to is None else to)
        items = writes.get(target)
        if items is None:
            items = writes[target] = []
        items.append((key, value))


def _advance(checkpoint: Checkpoint, records: Sequence[Record]) -> None:
    next_offset = checkpoint.next_offset
    for record in records:
        next_offset[record.topic] = record.offset + 1


def _seal(  # noqa: PLR0913, PLR0917
    stage: Stage,
    partition: int,
    state: State,
    checkpoint: Checkpoint,
    outputs: dict[tuple[str, int], list[Item]],
    records: int,
    fired: int,
) -> Batch:
    changes, counters = state.take_changes()
    changes[CHECKPOINT_KEY] = checkpoint.next_value()
    writes: Writes = {**outputs, (stage.changelog, partition): changes.items()}
    return Batch(writes, counters, records, fired)
