"""The age of the oldest held intent, without reading a million ledgers.

In the customer stage, the name of a timer contains the time at which its intent was accepted; in
the account stage, the entries of the queues do. A scan every half minute reads them in short steps
and lets batches run between the steps, so nothing is stored and the event loop is never blocked for
long. A customer with several held intents has one timer, for the intent that is due next, and only
that intent is seen. An overdue intent is always the next one, so it cannot hide.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from streams.stages.account.index import index_of
from streams.stages.account.stage import AccountStage
from streams.stages.customer.stage import CustomerStage
from streams.stages.customer.timers import oldest_accepted_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from streams.runtime.state import State

REFRESH_S: Final = 30.0
STEP: Final = 2_000
"""Timer names read in one step: about a millisecond."""


class OldestHeld:
    """For each stage that holds intents, when the oldest of them was accepted."""

    def __init__(self, states: Callable[[str], Iterable[State]]) -> None:
        """`states`: gives the states of a stage's partitions on this worker."""
        self._states = states
        self._accepted_ms: dict[str, int | None] = {}

    async def refresh_forever(self) -> None:
        """Scan every half minute, until cancelled."""
        while True:
            for stage in _ACCEPTED_TIMES:
                await self.refresh(stage)
            await asyncio.sleep(REFRESH_S)

    async def refresh(self, stage: str) -> None:
        """Scan one stage. Raises KeyError for a stage that never holds intents."""
        oldest_ms: int | None = None
        for state in list(self._states(stage)):
            for accepted_ms in _ACCEPTED_TIMES[stage](state):
                oldest_ms = accepted_ms if oldest_ms is None else min(oldest_ms, accepted_ms)
                await asyncio.sleep(0)
        self._accepted_ms[stage] = oldest_ms

    def age_seconds(self, stage: str, now_ms: int) -> float:
        """The age at `now_ms`, by the last scan; 0 when nothing is held."""
        accepted_ms = self._accepted_ms.get(stage)
        return 0.0 if accepted_ms is None else max(0, now_ms - accepted_ms) / 1000


def _held_for_customers(state: State) -> Iterator[int]:
    """When the oldest request was accepted, for each slice of timers."""
    for names in state.timer_name_slices(STEP):
        oldest_ms = oldest_accepted_ms(names)
        if oldest_ms is not None:
            yield oldest_ms


def _queued_for_accounts(state: State) -> Iterator[int]:
    index = index_of(state)
    for key in list(index.waiting):
        oldest = min((p.accepted_ms for p in index.open(key).queue.entries()), default=None)
        if oldest is not None:
            yield oldest


_ACCEPTED_TIMES: Final[dict[str, Callable[[State], Iterator[int]]]] = {
    AccountStage.name: _queued_for_accounts,
    CustomerStage.name: _held_for_customers,
}
