from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from streams.runtime.assignor import StickyUnits
from streams.runtime.unit_manager import Crew

if TYPE_CHECKING:
    from streams.runtime.faust_adapter import LaneTransport
    from streams.runtime.unit import Surroundings, Unit

SOON_S = 5.0


async def test_a_unit_that_asks_for_positions_holds_no_rebalance_up() -> None:
    """A fetch has the fetcher and waits for the rebalance, which waits for the unit that asks."""
    fetching = asyncio.Lock()
    crew = Crew((), {}, StickyUnits([]), {})
    room: Any = SimpleNamespace(consumer=SimpleNamespace(quiet=fetching))
    crew.attach(cast("LaneTransport", room), cast("Surroundings", None))
    unit = cast("Unit", SimpleNamespace(accepting=True, sources={}))
    async with fetching, asyncio.timeout(SOON_S):
        asking = asyncio.create_task(crew.positions(unit))
        await asyncio.sleep(0)
        await crew.on_revoked()
        await crew.on_revoked()
        assert await asking == {}
        assert await crew.positions(unit) == {}
