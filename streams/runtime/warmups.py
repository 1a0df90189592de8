"""Warm-up replicas: units that are to move here are restored while another worker still decides.

So a move takes the time of a fence and of reading the rest of a log, however large the state is.
Without it, the unit's customers would get no decision until the whole changelog is read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.runtime.restore import Restore
    from streams.runtime.units import UnitKey


class WarmupReplicas:
    """The restores that run ahead, by unit."""

    def __init__(self, make: Callable[[UnitKey], Restore]) -> None:
        """`make` gives a restore that has not started."""
        self._make = make
        self._restores: dict[UnitKey, Restore] = {}

    @property
    def keys(self) -> frozenset[UnitKey]:
        """All units that are being warmed up."""
        return frozenset(self._restores)

    @property
    def warm(self) -> frozenset[UnitKey]:
        """The units that are read almost to the end of their changelogs."""
        return frozenset(key for key, restore in self._restores.items() if restore.is_warm)

    def take(self, key: UnitKey) -> Restore:
        """The restore of a unit that is here now: a fresh one if it was not warmed up."""
        return self._restores.pop(key, None) or self._make(key)

    async def set_units(self, keys: Iterable[UnitKey]) -> None:
        """Warm up these units, and give up all others."""
        wanted = set(keys)
        for key in wanted - self.keys:
            self._restores[key] = self._make(key)
            self._restores[key].start()
        gone = [self._restores.pop(key) for key in self.keys - wanted]
        await asyncio.gather(*[restore.close() for restore in gone])
