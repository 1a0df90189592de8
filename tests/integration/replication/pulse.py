"""Whether decisions keep coming, as anybody outside sees it: the committed records of `decisions`.

Its consumer survives a node's death like any other, and what that takes is part of the silence.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from streams.topics import Topics
from tests.integration.replication.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Mapping


class Pulse(Listener):
    """Listens to the decisions of every partition."""

    def __init__(self, options: Mapping[str, Any], prefix: str, partitions: int) -> None:
        super().__init__(options, [Topics(prefix).decisions])
        self._seen_at = dict.fromkeys(range(partitions), 0.0)
        self._beat = asyncio.Condition()

    async def again(self, decided_s: float, patience_s: float) -> float:
        """Wait until every partition has shown a decision that was taken after `decided_s` (UTC
        seconds); the seconds from then to now.
        """
        try:
            async with asyncio.timeout(patience_s), self._beat:
                await self._beat.wait_for(lambda: min(self._seen_at.values()) > decided_s)
        except TimeoutError:
            silent = [part for part, at in self._seen_at.items() if at <= decided_s]
            raise AssertionError(f"partitions {silent} are silent for {patience_s} s") from None
        return time.time() - decided_s

    async def _hear(self, record: Any) -> None:
        # The time of a record of a transaction is the time at which the batch was made.
        at_s = record.timestamp / 1000
        self._seen_at[record.partition] = max(self._seen_at[record.partition], at_s)
        async with self._beat:
            self._beat.notify_all()
