"""Somebody who reads along what is committed to topics, from their beginning until the block ends.

Its consumer survives a node's death like any other.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaConsumer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType


class Listener(ABC):
    """An async context manager; `_hear` gets every record."""

    _consumer: AIOKafkaConsumer
    _task: asyncio.Task[None]

    def __init__(self, options: Mapping[str, Any], topics: Iterable[str], **more: Any) -> None:
        """`options`, `more`: of the consumer."""
        self._topics, self._consumers = tuple(topics), {**options, **more}

    @abstractmethod
    async def _hear(self, record: Any) -> None:
        """One record."""

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            *self._topics,
            **self._consumers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await self._consumer.start()
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    async def _listen(self) -> None:
        async for record in self._consumer:
            await self._hear(record)
