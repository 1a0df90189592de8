"""One batch of one partition, decided: the semantics of the lane in pure functions.

The worker and the broker-less driver both decide through `decide_batch`, so a flow tested without
a broker behaves as it does with one. It must never await, read a clock or do I/O.

Order within a batch: one reading of the clock; due timers (at most `Share.timers`); then records.
Both see the same `now_ms`. A timer that `fire` sets for a time already past fires in the next
batch, so that no loop in a stage can hold a partition's transaction open.

What a batch writes is bounded too. Timers have half of its budget, records what is left, and one at
least: neither shuts the other out, however much there is to do. Records that were not given out
wait at the front for the next batch, and the watermark stands before them; so does one of which the
stage says that it is unfinished.
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

MAX_RECORDS: Final = 2_000  # a transaction costs about 10 ms; more records a batch gain nothing
MAX_BYTES: Final = 4 << 20  # bounds memory and the time a handler holds the event loop
MAX_TIMERS: Final = 2_000

Item = tuple[bytes | None, bytes | None]
Writes = dict[tuple[str, int], "list[Item] | ItemsView[bytes, bytes | None]"]


class Share(NamedTuple):
    """A partition's share of a transaction: timers that fire, and the weight of what is written."""

    timers: int = MAX_TIMERS
    output: int = MOST_OUTPUT


WHOLE: Final = Share()


class Batch(NamedTuple):
    """What one transaction has to write, and what to tell once it is committed.

    `records`: how many of those that waited were decided. `weight`: of what is written.
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
    """Fire what is due, handle records, advance the watermark over them; None if there was nothing.

    Records of one topic must come in offset order. After an exception the state is not to be used
    again: it is ahead of the changelog.
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
    """Gives out records while the budget has room: always the first, so that work goes on."""

    def __init__(self, records: Sequence[Record], budget: Budget) -> None:
        self._records, self._budget = records, budget
        self._given = 0

    def __iter__(self) -> Iterator[Record]:
        budget = self._budget
        for record in self._records:
            if budget.unfinished or (self._given and not budget.has_room()):
                return
            self._given += 1
            yield record

    @property
    def decided(self) -> int:
        """How many were given out and are done."""
        return self._given - self._budget.unfinished


def seal_progress(stage: Stage, partition: int, state: State, checkpoint: Checkpoint) -> Batch:
    """A batch that only moves the watermark, past markers and trimmed records without content."""
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
