from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from streams.runtime.assignor import StickyUnits
from streams.runtime.unit_manager import UnitManager
from streams.runtime.units import Units

if TYPE_CHECKING:
    from streams.runtime.context import UnitContext
    from streams.runtime.faust_adapter import AppTransport
    from streams.runtime.unit import Unit

SOON_S = 5.0


async def test_a_unit_that_asks_for_positions_holds_no_rebalance_up() -> None:
    """A fetch holds the lock and waits for the rebalance; the rebalance waits for this unit."""
    fetching = asyncio.Lock()
    unit_manager = UnitManager(Units((), {}), {}, StickyUnits([]))
    transport: Any = SimpleNamespace(consumer=SimpleNamespace(quiet=fetching))
    unit_manager.attach(cast("AppTransport", transport), cast("UnitContext", None))
    unit = cast("Unit", SimpleNamespace(is_accepting=True, sources={}))
    async with fetching, asyncio.timeout(SOON_S):
        asking = asyncio.create_task(unit_manager.positions(unit))
        await asyncio.sleep(0)
        await unit_manager.on_revoked()
        await unit_manager.on_revoked()
        assert await asking == {}
        assert await unit_manager.positions(unit) == {}
