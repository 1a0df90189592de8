"""Units that are to move to this worker: their changelogs are read ahead while others decide them.

A state of any size moves that way within the time of a fence and the rest of a log, instead of
leaving its customers without an answer for as long as the whole takes to be read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.runtime.restore import Restore

UnitKey = tuple[str, int]
"""A stage's name and a unit's number."""


class WarmupReplicas:
    """What is being read ahead, by unit."""

    def __init__(self, make: Callable[[UnitKey], Restore]) -> None:
        """`make` gives a recovery that has not begun."""
        self._make = make
        self._restores: dict[UnitKey, Restore] = {}

    @property
    def keys(self) -> frozenset[UnitKey]:
        """All that is being read ahead."""
        return frozenset(self._restores)

    @property
    def warm(self) -> frozenset[UnitKey]:
        """What is read up to the present, nearly."""
        return frozenset(key for key, recovery in self._restores.items() if recovery.warm)

    def take(self, key: UnitKey) -> Restore:
        """The recovery of a unit that is here now: begun if it was warmed up, fresh otherwise."""
        return self._restores.pop(key, None) or self._make(key)

    async def set_units(self, keys: Iterable[UnitKey]) -> None:
        """Read ahead these, and nothing else any more."""
        wanted = set(keys)
        for key in wanted - self.keys:
            self._restores[key] = self._make(key)
            self._restores[key].start()
        gone = [self._restores.pop(key) for key in self.keys - wanted]
        await asyncio.gather(*[recovery.close() for recovery in gone])
