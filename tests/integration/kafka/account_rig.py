"""A corner of a real cluster with workers at work, for the tests of accounts.

Judged by the public topics, and by the metric `unbalanced` for what they do not show.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AsyncExitStack
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

import orjson

from streams.admin import topics as topics_admin
from streams.settings import Settings
from streams.topics import POLICIES, Topics
from tests.flows import events
from tests.support.records import producer, reader
from tests.support.topics import partition_counts, partitions_of
from tests.support.workers import corner, get
from tests.system.chaos.crew import Crew
from tests.system.chaos.inputs import place_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Self

    from tests.system.chaos.crew import Slot

ENTERPRISE: Final = "acme"
PARTITIONS: Final = 4
PATIENCE_S: Final = 45.0


class Bench:
    """A prefix of a cluster, with two workers, a producer, and what is read of it; an async context
    manager that leaves nothing behind.
    """

    def __init__(self, bootstrap: str, prefix: str, logs: Path, policy: dict[str, Any]) -> None:
        self.settings = Settings(kafka=bootstrap, prefix=prefix, partitions=PARTITIONS)
        self.names, self.options = Topics(prefix), self.settings.client_options()
        self.crew = Crew(corner(self.settings), 2, logs, "all", partitions=PARTITIONS)
        self._counts, self._policy = partition_counts(PARTITIONS), policy

    async def __aenter__(self) -> Self:
        """Topics, policy, workers."""
        await topics_admin.ensure(self.settings)
        async with AsyncExitStack() as stack:
            self._producer = await stack.enter_async_context(producer(self.options, linger_ms=2))
            policy = events.policy(ENTERPRISE, 1, **self._policy)
            await self.put(POLICIES, f"{ENTERPRISE}/1", events.event("p", "policy", policy))
            await stack.enter_async_context(self.crew)
            await self.crew.whole(PATIENCE_S)
            stack.push_async_callback(self.crew.dismiss)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def put(self, topic: str, key: str, value: bytes) -> int:
        """Write a record where its key belongs; the broker's time of it, UTC ms."""
        place, name = place_of(key.encode(), self._counts[topic]), self.names.physical(topic)
        sent = await self._producer.send_and_wait(name, value, key=key.encode(), partition=place)
        stamp: int = sent.timestamp
        return stamp

    async def follow(self, topic: str) -> AsyncIterator[tuple[float, dict[str, Any]]]:
        """Committed records, each with the moment (UTC s) at which it could be read."""
        parts = partitions_of(self.names.physical(topic), self._counts[topic])
        async with reader(self.options, parts) as consumer:
            async for record in consumer:
                yield time.time(), events.data_of(record)

    async def busiest(self) -> Slot:
        """The worker that decides for the most accounts; another may have nothing to lose."""
        counts = {}
        for slot in self.crew.slots:
            _, text = await asyncio.to_thread(get, f"127.0.0.1:{slot.port}", "/readyz")
            counts[slot.number] = len(orjson.loads(text)["stages"]["account"]["accepting"])
        assert any(counts.values()), counts
        return max(self.crew.slots, key=lambda slot: counts[slot.number])

    async def balanced(self) -> bool:
        """Whether all workers answer, and the metric `unbalanced` is nought over all of them."""
        try:
            answers = [
                await asyncio.to_thread(get, f"127.0.0.1:{slot.port}", "/metrics")
                for slot in self.crew.slots
            ]
        except (OSError, HTTPException):
            return False
        found = [
            re.findall(r"^decorum_unbalanced(?:\{.*\})? (\S+)$", text, re.MULTILINE)
            for _, text in answers
        ]
        return not sum(float(number) for numbers in found for number in numbers)
