"""Whether a real Kafka has come to rest, by its topics alone: nothing waits, nothing is due.

A stage writes its outputs, its state and how far it has read in one transaction. So, with all
committed records read, everything is decided when each checkpoint stands behind the last record of
each source, and nothing is due when no timer in the changelogs is.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

from aiokafka import TopicPartition

from streams.runtime.checkpoint import Checkpoint
from streams.runtime.fetch_patches import KEEP_UNREADABLE
from streams.runtime.state import CHECKPOINT_KEY, State
from streams.stages.state_keys import CAMPAIGN_TIMER, ENTERPRISE_TIMER, REVIEW_TIMER
from streams.topics import TOPICS, Topics
from tests.support.records import POLL_MS, read_to_end, reader
from tests.support.topics import partitions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiokafka import ConsumerRecord


def _is_upkeep(name: bytes) -> bool:
    """Whether an account stage's timer is of a book or a sum, rather than of what waits."""
    return name[:1] in {REVIEW_TIMER, CAMPAIGN_TIMER, ENTERPRISE_TIMER}


class Tide:
    """Follows the topics of one prefix; an async context manager."""

    def __init__(
        self, options: Mapping[str, Any], prefix: str, partitions: int, keep: Iterable[str] = ()
    ) -> None:
        """`keep`: the logical topics whose records are kept in `records`."""
        self._options, self._names = options, Topics(prefix)
        self._sources = {
            self._names.rules_state: (self._names.policies, self._names.controls),
            self._names.account_state: (
                self._names.intents,
                self._names.account_news,
            ),
            self._names.customer_state: (
                self._names.candidates,
                self._names.interactions,
                self._names.sweeps,
            ),
        }
        self._keep = {self._names.physical(topic) for topic in keep}
        self._parts = self._followed(partitions)
        self._upkeep_ms = 0
        self._behind: dict[TopicPartition, int] = defaultdict(int)
        self._states: dict[TopicPartition, State] = defaultdict(State)
        self._marks: dict[TopicPartition, Checkpoint] = defaultdict(Checkpoint)
        self.records: dict[str, list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)

    def _followed(self, partitions: int) -> list[TopicPartition]:
        wanted = {*self._sources, *(s for group in self._sources.values() for s in group)}
        wanted |= self._keep
        counts = {self._names.physical(t.name): t.partition_count(partitions) for t in TOPICS}
        return [
            part for name in counts if name in wanted for part in partitions_of(name, counts[name])
        ]

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            ours = reader(self._options, self._parts, check_crcs=KEEP_UNREADABLE)
            self._consumer = await stack.enter_async_context(ours)
            unstable = reader(self._options, [], isolation_level="read_uncommitted")
            self._unstable = await stack.enter_async_context(unstable)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def look(self) -> None:
        """Read everything written by now, once the transactions it is part of have ended."""
        ends = await self._unstable.end_offsets(self._parts)
        await read_to_end(self._consumer, ends, self._see)

    async def look_committed(self) -> None:
        """Read everything that is committed by now: no open transaction is waited for."""
        await read_to_end(self._consumer, await self._consumer.end_offsets(self._parts), self._see)

    async def still(self, now_ms: int, patience_s: float, upkeep_ms: int | None = None) -> None:
        """Wait until nothing waits and nothing is due by then. AssertionError when it never is.

        `upkeep_ms`: until when an account's book, a campaign and an enterprise must have been
        looked after; there is always a next time for these, so it must not lie ahead.
        """
        self._upkeep_ms = now_ms if upkeep_ms is None else upkeep_ms
        try:
            async with asyncio.timeout(patience_s):
                await self.look()
                # Once more after it looks still: a transaction's records become visible topic by
                # topic, its checkpoint perhaps before its outputs.
                while self.restless(now_ms) or await self._moves_on(now_ms):
                    await self._something()
                    await self.look()
        except TimeoutError as error:
            unrest = self.restless(now_ms)
            raise AssertionError(f"no rest after {patience_s} s: {unrest[:5]}") from error

    async def _something(self) -> None:
        """Wait for a record, and not for long: what we wait for may be none."""
        for records in (await self._consumer.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                self._see(record)

    async def _moves_on(self, now_ms: int) -> bool:
        await self.look()
        return bool(self.restless(now_ms))

    def restless(self, now_ms: int) -> list[str]:
        """What has not been decided or fired yet."""
        found = []
        for changelog, sources in self._sources.items():
            numbers = [part.partition for part in self._parts if part.topic == changelog]
            for number in numbers:
                place = TopicPartition(changelog, number)
                read = self._marks[place].next_offset
                for source in sources:
                    end = self._behind[TopicPartition(source, number)]
                    if read.get(source, 0) < end:
                        found.append(f"{source}-{number}: {read.get(source, 0)} of {end}")
                found += [
                    f"{changelog}-{number}: {name[:20]!r} due at {due_ms}"
                    for due_ms, name in self._timers(place, now_ms)
                    if due_ms <= min(now_ms, self._upkeep_ms if _is_upkeep(name) else now_ms)
                ]
        return found

    def _timers(self, place: TopicPartition, until_ms: int) -> Iterable[tuple[int, bytes]]:
        """The timers due by then; none is taken out."""
        due_ms = self._due_ms(place)
        if due_ms is None or due_ms > until_ms:
            return []
        accounts = place.topic == self._names.account_state
        keys = self._states[place]._timers
        return [(int.from_bytes(key[2:10], "big"), key[10:] if accounts else b"") for key in keys]

    def next_due_ms(self) -> int | None:
        """When the next timer is due, anywhere."""
        due = [self._due_ms(place) for place in list(self._states)]
        return min((ms for ms in due if ms is not None), default=None)

    def _due_ms(self, place: TopicPartition) -> int | None:
        state = self._states[place]
        state.finish_loading()
        return state.next_due_ms()

    def _see(self, record: ConsumerRecord[bytes, bytes]) -> None:
        part = TopicPartition(record.topic, record.partition)
        self._behind[part] = record.offset + 1
        if part.topic in self._sources and record.key is not None:
            if record.key == CHECKPOINT_KEY:
                self._marks[part] = Checkpoint.decode(record.value or b"{}")
            else:
                self._states[part].load(record.key, record.value)
        if part.topic in self._keep:
            self.records[self._names.logical(part.topic)].append(record)
