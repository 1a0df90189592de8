"""Commits each batch of a unit exactly once, even if the network loses or delays an answer.

A request without an answer may have arrived, or may arrive seconds later, in the midst of a later
transaction. So the unit sends nothing more in that epoch:
- It gives up the producer and fences in a new one with the same id. From then on the broker refuses
  late requests, and no transaction is open.
- The checkpoints at the ends of the changelogs say whether the batch was committed. If it was, the
  unit goes on; if not, it writes the same batch again.

It does the same if the broker answers that this producer is fenced off: the cause may be a fence
request that arrived late, or another worker that owns the unit now.

Rules of this file: the log decides, never memory. Before each fence, ask the group whether this
worker is still a member: otherwise it would fence off the next owner. A checkpoint that this unit
has not written ends the process, and so does every error that a fence does not solve.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    UnknownProducerId,
)

from streams.runtime.aiokafka_patches import InDoubtError
from streams.runtime.clients import offsets_client, read_to_end, retry_until_available
from streams.runtime.state import CHECKPOINT_KEY
from streams.runtime.transaction import Transactions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.runtime.batch import Writes
    from streams.runtime.context import UnitContext
    from streams.runtime.restore import Restore

PATIENCE_S: Final = 30.0  # to find out whether a try was committed
OFFSETS_EVERY_S: Final = 1.0  # the group's offsets only feed lag monitors
TRIES: Final = 30  # of one batch; after so many failures the network is not the cause

SOLVED_BY_FENCING: Final = (
    InDoubtError,
    ProducerFenced,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,  # the broker has forgotten an id that wrote nothing for a week
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    UnknownProducerId,
)

log = logging.getLogger("decorum.lane")

Checkpoints = dict[TopicPartition, bytes]
"""The last checkpoint of each changelog, as bytes."""


class LostUnitError(Exception):
    """Another worker owns the unit: the log is ahead of this worker's memory."""


class Commits:
    """All transactions of one unit, through however many producers."""

    def __init__(self, restore: Restore, context: UnitContext) -> None:
        """Nothing is connected before `fence`."""
        self.offsets_behind = False
        """Whether the group's offsets are behind the checkpoints."""
        self._offsets_written_at = 0.0
        self._restore, self._context = restore, context
        self._name, self._changelog = restore.name, restore.stage.changelog
        self._transactions: Transactions | None = None
        self._committed: Checkpoints = {}
        self._committed_from: dict[TopicPartition, int] = {}
        """Where the last commit of this unit begins in each changelog; a changelog that is not
        here was not written since the restore."""

    async def fence(self) -> None:
        """Lock out every earlier producer of this unit for good."""
        group = self._context.group
        fenced = await Transactions.fence(self._context.options, f"{group}-{self._name}", group)
        self._transactions = fenced

    async def write(self, writes: Writes, positions: Mapping[TopicPartition, int]) -> None:
        """Return when everything is committed once; raise if that cannot be found out."""
        mine = self._checkpoints(writes)
        with_offsets = time.monotonic() - self._offsets_written_at >= OFFSETS_EVERY_S
        for _ in range(TRIES):
            if await self._try_once(mine, writes, positions if with_offsets else {}):
                break
            with_offsets = False  # a second try does not wait for the group
        else:
            raise InDoubtError(f"not committed in {TRIES} tries")
        self._committed |= mine
        self.offsets_behind = not with_offsets
        if with_offsets:
            self._offsets_written_at = time.monotonic()

    async def close(self) -> None:
        """Give up the connections; no transaction may be open."""
        if self._transactions is not None:
            await self._transactions.close()

    async def _try_once(
        self, mine: Checkpoints, writes: Writes, positions: Mapping[TopicPartition, int]
    ) -> bool:
        """One try, and what became of it."""
        if self._transactions is None:
            raise RuntimeError("nothing can be written before the fence")
        try:
            begins = await self._transactions.write(writes, positions)
        except Exception as error:
            cause = self._transactions.cause_of(error)
            if not isinstance(cause, SOLVED_BY_FENCING):
                raise
            await self._transactions.give_up()
        else:
            self._committed_from |= {tp: begins[tp] for tp in mine if begins[tp] >= 0}
            return True
        # However long nobody answers: to end the process would not help in an outage.
        if not await retry_until_available(self._context.source.is_member, math.inf):
            raise LostUnitError(f"{self._name} belongs to another worker now") from cause
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._settle(mine, cause)
        except TimeoutError as error:
            raise InDoubtError(f"{cause!r}, and still in doubt after {PATIENCE_S:.0f} s") from error

    async def _settle(self, mine: Checkpoints, cause: BaseException) -> bool:
        """Fence again and read whether the batch was committed."""
        await self.fence()
        found = await retry_until_available(self._read)
        committed = was_committed(mine, self._committed, found)
        outcome = "is committed" if committed else "was not committed and is written again"
        log.warning("%s: %r; fenced again: the batch %s", self._name, cause, outcome)
        self._context.observer.was_in_doubt(self._restore.stage.name, committed=committed)
        return committed

    async def _read(self) -> Checkpoints:
        """The checkpoints at the ends of the changelogs, as far as they may be new."""
        since = self._restore.ends | self._committed_from
        return await last_checkpoints(self._context.options, self._changelog, since)

    def _checkpoints(self, writes: Writes) -> Checkpoints:
        """The checkpoints in these writes."""
        return {
            TopicPartition(topic, number): value
            for (topic, number), items in writes.items()
            if topic == self._changelog
            for key, value in items
            if key == CHECKPOINT_KEY and value is not None
        }


async def last_checkpoints(
    options: Mapping[str, Any], changelog: str, since: Mapping[TopicPartition, int]
) -> Checkpoints:
    """The last committed checkpoint of each partition, if there is one from these offsets on."""
    found: Checkpoints = {}

    def keep(partition: int, key: bytes, value: bytes | None) -> None:
        if key == CHECKPOINT_KEY and value is not None:
            found[TopicPartition(changelog, partition)] = value

    async with offsets_client(options) as consumer:
        ends = await consumer.end_offsets(list(since))
        consumer.assign(list(since))
        for partition, offset in since.items():
            consumer.seek(partition, offset)
        await read_to_end(consumer, ends, keep)
    return found


def was_committed(mine: Checkpoints, known: Checkpoints, found: Checkpoints) -> bool:
    """Whether the log ends with what was written (`mine`) or with what was there before (`known`).

    Raises LostUnitError if it ends with anything else, or if only a part of `mine` is there: the
    partitions of a unit commit together.
    """
    committed = {changelog for changelog, value in mine.items() if found.get(changelog) == value}
    for changelog in found.keys() - committed:
        if found[changelog] != known.get(changelog):
            raise LostUnitError(f"{changelog} has another's checkpoint: {found[changelog]!r}")
    if committed and committed != mine.keys():
        raise LostUnitError(f"one batch is in {committed} and not in {mine.keys() - committed}")
    return bool(committed)
