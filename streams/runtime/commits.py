"""What a unit decides is committed once, even where the network keeps an answer or brings it late.

A request that was sent and not answered may have arrived, and may yet arrive, seconds later and in
the midst of a later transaction. So nothing more is said in its epoch: the producer is given up, a
new one of the same id is fenced in, and what comes late is refused. Behind that fence nothing is
open, and the checkpoints at the changelogs' ends say whether the batch was committed. If it was,
the unit goes on; if not, it writes the very same batch again.

The same where the broker answers that this producer is fenced off. A late request for a fence does
that, which nobody is waiting for any more; and so does another owner, who has been given the unit.

Rules of this file: the log decides, never memory. Before each fence the group is asked whether this
worker is still a member: who is none would fence off its heir. A checkpoint that this unit has not
written ends the process, as does everything that a fence does not mend.
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

PATIENCE_S: Final = 30.0  # to find out what became of a try
OFFSETS_EVERY_S: Final = 1.0  # the group's offsets only feed lag monitors
TRIES: Final = 30  # of one batch; what fails so often is not the network's fault

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
"""The last watermark of each changelog, as it stands there."""


class LostUnitError(Exception):
    """Another worker has the unit: what is in memory here is not what is decided."""


class Commits:
    """All transactions of one unit, through however many producers."""

    def __init__(self, restore: Restore, context: UnitContext) -> None:
        """Nothing is connected before `fence`."""
        self.offsets_behind = False
        """Whether the group's offsets are behind what is committed."""
        self._offsets_written_at = 0.0
        self._restore, self._context = restore, context
        self._name, self._changelog = restore.name, restore.stage.changelog
        self._transactions: Transactions | None = None
        self._committed: Checkpoints = {}
        self._committed_from: dict[TopicPartition, int] = {}
        """Of each changelog, where what this unit has committed last begins; what is not here was
        not written since the recovery."""

    async def fence(self) -> None:
        """Lock every earlier producer of this unit out for good."""
        group = self._context.group
        fenced = await Transactions.fence(self._context.options, f"{group}-{self._name}", group)
        self._transactions = fenced

    async def write(self, writes: Writes, positions: Mapping[TopicPartition, int]) -> None:
        """Returns when all of it is committed, once; raises where that cannot be found out."""
        mine = self._checkpoints(writes)
        tells = time.monotonic() - self._offsets_written_at >= OFFSETS_EVERY_S
        for _ in range(TRIES):
            if await self._try_once(mine, writes, positions if tells else {}):
                break
            tells = False  # what is written again does not wait for the group
        else:
            raise InDoubtError(f"not committed in {TRIES} tries")
        self._committed |= mine
        self.offsets_behind = not tells
        self._offsets_written_at = time.monotonic() if tells else self._offsets_written_at

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
        # As long as nobody answers: an outage is waited for, and to end would mend nothing.
        if not await retry_until_available(self._context.source.is_member, math.inf):
            raise LostUnitError(f"{self._name} is another worker's now") from cause
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._find_out(mine, cause)
        except TimeoutError as error:
            raise InDoubtError(f"{cause!r}, and no clear word in {PATIENCE_S:.0f} s") from error

    async def _find_out(self, mine: Checkpoints, cause: BaseException) -> bool:
        """Fence anew and see whether the batch was committed."""
        await self.fence()
        found = await retry_until_available(self._read)
        committed = was_committed(mine, self._committed, found)
        became = "is committed" if committed else "was not committed and is written again"
        log.warning("%s: %r; fenced anew: the batch %s", self._name, cause, became)
        self._context.observer.was_in_doubt(self._restore.stage.name, committed=committed)
        return committed

    async def _read(self) -> Checkpoints:
        """What stands at the ends of the changelogs, as far as it may be new."""
        since = self._restore.ends | self._committed_from
        return await last_checkpoints(self._context.options, self._changelog, since)

    def _checkpoints(self, writes: Writes) -> Checkpoints:
        """What these writes tell of how far their partitions are."""
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
    """Whether the log ends with what was written or with what was there before.

    Raises LostUnitError if it says anything else. The partitions of a unit commit together.
    """
    committed = {changelog for changelog, value in mine.items() if found.get(changelog) == value}
    for changelog in found.keys() - committed:
        if found[changelog] != known.get(changelog):
            raise LostUnitError(f"{changelog} has a checkpoint of another: {found[changelog]!r}")
    if committed and committed != mine.keys():
        raise LostUnitError(f"one batch is in {committed} and not in {mine.keys() - committed}")
    return bool(committed)
