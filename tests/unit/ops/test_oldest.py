from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams.core.customer.request import Request
from streams.ops.held_age import STEP, OldestHeld
from streams.runtime.state import State
from streams.stages.account.index import index_of
from streams.stages.account.slices import QueuedSlice
from streams.stages.state_keys import SWEEP_TIMER

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW_MS = 1_793_325_600_000


def hold(state: State, number: int, accepted_ms: int, urgency: int = 50) -> None:
    """A timer as the customer stage names it."""
    name = bytes((urgency,)) + accepted_ms.to_bytes(8, "big") + b"acme/wm-%d" % number
    state.set_timer(NOW_MS + number, name)


async def look(*states: State) -> OldestHeld:
    oldest = OldestHeld(lambda stage: states if stage == "customer" else ())
    await oldest.refresh("customer")
    return oldest


async def test_the_oldest_of_all_partitions_counts() -> None:
    one, two = State(), State()
    hold(one, 1, NOW_MS - 5_000, urgency=0)
    hold(two, 2, NOW_MS - 90_000, urgency=100)
    hold(two, 3, NOW_MS - 60_000)

    assert (await look(one, two)).age_seconds("customer", NOW_MS) == 90.0


async def test_nothing_held_has_no_age() -> None:
    oldest = await look(State())
    assert oldest.age_seconds("customer", NOW_MS) == 0.0
    assert OldestHeld(lambda _: ()).age_seconds("customer", NOW_MS) == 0.0


async def test_a_sweep_is_no_held_intent() -> None:
    state = State()
    state.set_timer(NOW_MS, SWEEP_TIMER + (7).to_bytes(8, "big"), b"a sweep")
    hold(state, 1, NOW_MS - 1_000)

    assert (await look(state)).age_seconds("customer", NOW_MS) == 1.0


async def test_the_oldest_is_found_beyond_the_first_step_and_others_work_between() -> None:
    state, turns = State(), 0
    for number in range(2 * STEP):
        hold(state, number, NOW_MS - 1_000)
    hold(state, 2 * STEP, NOW_MS - 8_000)

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(other_work())
    assert (await look(state)).age_seconds("customer", NOW_MS) == 8.0
    assert turns >= 3
    other.cancel()


async def test_what_queues_for_its_account_is_as_old_as_its_oldest_slice() -> None:
    state = State()
    key = b"acme/xiaoer-08"
    account = index_of(state).open(key)
    for age_ms in (4_000, 7_000, 1_000):
        ask = Request("i", "crm", "xiaoer-08", 1, 50, deny=False, accepted_ms=NOW_MS - age_ms)
        account.add(QueuedSlice("acme", ask, is_held=False), ["wm-1"])
    index_of(state).waiting.add(key)
    oldest = OldestHeld(lambda _: [state])
    await oldest.refresh("account")
    assert oldest.age_seconds("account", NOW_MS) == 7.0


async def test_what_was_held_and_is_no_more_is_forgotten_at_the_next_look() -> None:
    states: Sequence[State] = [State()]
    hold(states[0], 1, NOW_MS - 3_000)
    oldest = OldestHeld(lambda _: states)
    await oldest.refresh("customer")
    assert oldest.age_seconds("customer", NOW_MS + 500) == 3.5

    states[0].pop_due(NOW_MS + 10, limit=10)
    await oldest.refresh("customer")
    assert oldest.age_seconds("customer", NOW_MS) == 0.0


def test_timers_may_be_set_and_fire_between_two_steps() -> None:
    state = State()
    for number in range(4):
        state.set_timer(number, b"timer %d" % number)
    steps = state.timer_name_slices(3)
    assert next(steps) == [b"timer 0", b"timer 1", b"timer 2"]
    state.pop_due(now_ms=2, limit=10)
    state.set_timer(9, b"later")
    assert list(steps) == [[b"timer 3"]]


async def test_it_looks_by_itself_until_cancelled() -> None:
    states = [State()]
    hold(states[0], 1, NOW_MS - 2_000)
    oldest = OldestHeld(lambda _: states)
    task = asyncio.create_task(oldest.refresh_forever())
    async with asyncio.timeout(5):
        while not oldest.age_seconds("customer", NOW_MS):  # noqa: ASYNC110
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
