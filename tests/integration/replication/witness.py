"""What was written to changelogs, and what recovery makes of what is left of them.

The witness reads along from the beginning, before anything is cleaned: what it saw tells what was
removed, and what recovery has to find.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.policy.files import packaged
from streams.runtime.checkpoint import Checkpoint
from streams.runtime.restore import Restore
from streams.runtime.state import CHECKPOINT_KEY
from streams.runtime.units import unit_count
from streams.stages.account.stage import AccountStage
from streams.stages.customer.erasure import Erasure
from streams.stages.customer.stage import CustomerStage
from streams.stages.routing import Router
from streams.stages.rules import Rules
from streams.stages.rules_stage import RulesStage
from streams.topics import ACCOUNT_STATE, CUSTOMER_STATE, RULES_STATE, TOPICS, Topics
from tests.integration.replication.listener import Listener
from tests.integration.replication.segments import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.runtime.restore import RestoredPartition
    from streams.runtime.stage import Stage
    from streams.settings import Settings
    from tests.system.chaos.evidence import Evidence, Seen

CHANGELOGS: Final = (RULES_STATE, ACCOUNT_STATE, CUSTOMER_STATE)
PATIENCE_S: Final = 90.0
LOOK_S: Final = 0.2


class Witness(Listener):
    """Reads the changelogs as they grow."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._names = settings, Topics(settings.prefix)
        topics = map(self._names.physical, CHANGELOGS)
        super().__init__(settings.client_options(), topics, fetch_max_wait_ms=50)
        self.records: dict[str, list[Any]] = defaultdict(list)

    async def reach(self, evidence: Evidence) -> None:
        """Wait until everything that was read later has been seen."""
        wanted = {
            _place(name, self._names, r) for name in CHANGELOGS for r in evidence.topics[name]
        }
        async with asyncio.timeout(PATIENCE_S):
            while not wanted <= self.places():
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(LOOK_S)

    def places(self) -> set[Place]:
        """Where every record stood."""
        return {_place(n, self._names, r) for n in CHANGELOGS for r in self.records[n]}

    def tombstones(self) -> set[Place]:
        """Where every deletion stood."""
        return {
            _place(name, self._names, record)
            for name in CHANGELOGS
            for record in self.records[name]
            if record.value is None
        }

    async def compare(self) -> list[str] | None:
        """How what recovery finds now differs from what was written; None where somebody went on
        writing meanwhile, for then the two may differ.
        """
        ends = await self._ends()
        recovered = await recover(self._settings)
        await self._catch_up()
        return differences(self, recovered) if await self._ends() == ends else None

    async def _ends(self) -> dict[TopicPartition, int]:
        """Where the changelogs end, open transactions included."""
        consumer = AIOKafkaConsumer(**self._settings.client_options())
        await consumer.start()
        try:
            return dict(await consumer.end_offsets(self._consumer.assignment()))
        finally:
            await consumer.stop()

    async def starts(self) -> set[int]:
        """Where the changelogs begin: compaction must leave that alone."""
        return set((await self._consumer.beginning_offsets(self._consumer.assignment())).values())

    async def _catch_up(self) -> None:
        """Wait until all that is committed was seen."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        async with asyncio.timeout(PATIENCE_S):
            for part, end in ends.items():
                while await self._consumer.position(part) < end:  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S)

    async def _hear(self, record: Any) -> None:
        self.records[self._names.logical(record.topic)].append(record)


async def recover(settings: Settings) -> dict[tuple[str, int], RestoredPartition]:
    """What a worker's recovery finds now, by the changelog's logical name and the partition."""
    counts = {topic.name: topic.partition_count(settings.partitions) for topic in TOPICS}
    options, group = settings.client_options(), f"{settings.prefix}decorum"
    units = [
        (name, Restore(stage, unit, counts[name], options, group))
        for name, stage in zip(CHANGELOGS, _stages(settings), strict=True)
        for unit in range(unit_count(counts[name]))
    ]
    found = await asyncio.gather(*(recovery.finish() for _, recovery in units))
    return {
        (name, number): memory
        for (name, _), memories in zip(units, found, strict=True)
        for number, memory in memories.items()
    }


def differences(
    witness: Witness, recovered: Mapping[tuple[str, int], RestoredPartition]
) -> list[str]:
    """One line for each partition whose state, timers or checkpoint are not what was written."""
    lines = []
    for (name, number), memory in recovered.items():
        wanted = {r.key: r.value for r in witness.records[name] if r.partition == number}
        mark = Checkpoint.decode(wanted.pop(CHECKPOINT_KEY, None) or b"{}")
        kept = {key: value for key, value in wanted.items() if value is not None}
        found = memory.state._values | memory.state._timers
        wrong = sorted(dict(found.items() ^ kept.items()))
        if wrong:
            lines.append(f"{name}-{number}: {len(wrong)} keys differ, such as {wrong[:3]}")
        unread = mark.next_offset.items() - memory.checkpoint.next_offset.items()
        if unread or mark.clock_ms != memory.checkpoint.clock_ms:
            lines.append(f"{name}-{number}: {memory.checkpoint} and not {mark}")
    return lines


def _stages(settings: Settings) -> tuple[Stage, Stage, Stage]:
    topics, router = Topics(settings.prefix), Router(settings.partitions)
    rules = Rules(packaged()[1])
    return (
        RulesStage(topics, settings.partitions),
        AccountStage(topics, router, rules),
        CustomerStage(topics, router, rules, Erasure(None)),
    )


def _place(logical: str, names: Topics, record: Seen) -> Place:
    return Place(f"{names.physical(logical)}-{record.partition}", record.offset)
