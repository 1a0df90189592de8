from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from streams.runtime.restore import Restore
from streams.runtime.warmups import WarmupReplicas
from tests.unit.runtime.toy import Count

if TYPE_CHECKING:
    from streams.runtime.units import UnitKey

SOON_S = 5.0


class Endless(Restore):
    """Of a changelog whose end does not come."""

    reads = 0

    async def _read_on(self) -> Any:
        self.reads += 1
        await asyncio.Event().wait()


def endless(key: UnitKey) -> Restore:
    return Endless(Count(), key[1], 16, {}, "group")


async def test_a_warm_up_that_is_called_off_does_not_read_to_the_end_first() -> None:
    warm_ups = WarmupReplicas(endless)
    async with asyncio.timeout(SOON_S):
        await warm_ups.set_units([("count", 0), ("count", 1)])
        await asyncio.sleep(0)
        assert warm_ups.keys == {("count", 0), ("count", 1)}
        assert not warm_ups.warm
        await warm_ups.set_units([("count", 1)])
        assert warm_ups.keys == {("count", 1)}
        await warm_ups.set_units([])
    assert not warm_ups.keys


async def test_what_is_wanted_still_goes_on_and_is_given_to_its_unit_as_far_as_it_is() -> None:
    warm_ups = WarmupReplicas(endless)
    async with asyncio.timeout(SOON_S):
        await warm_ups.set_units([("count", 0)])
        await asyncio.sleep(0)
        await warm_ups.set_units([("count", 0), ("count", 1)])
        begun, fresh = warm_ups.take(("count", 0)), warm_ups.take(("count", 2))
        assert isinstance(begun, Endless)
        assert isinstance(fresh, Endless)
        assert (begun.reads, fresh.reads) == (1, 0)
        assert warm_ups.keys == {("count", 1)}
        await begun.close()
        await warm_ups.set_units([])
