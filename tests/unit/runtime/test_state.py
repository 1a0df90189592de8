from __future__ import annotations

from collections import Counter

import pytest

from streams.runtime.state import DueTimer, State

FAR = 10**18


def names(due: list[DueTimer]) -> list[bytes]:
    return [timer.name for timer in due]


def rebuilt(*batches: dict[bytes, bytes | None]) -> State:
    state = State()
    for batch in batches:
        for key, value in batch.items():
            state.load(key, value)
    state.finish_loading()
    return state


def test_keeps_and_forgets() -> None:
    state = State()
    state.put(b"a", b"1")
    assert state.get(b"a") == b"1"
    assert b"a" in state
    assert len(state) == 1
    state.delete(b"a")
    assert state.get(b"a") is None
    assert b"a" not in state
    assert len(state) == 0


def test_an_empty_value_is_a_value() -> None:
    state = State()
    state.put(b"a", b"")
    assert state.get(b"a") == b""
    assert b"a" in state
    state.delete(b"a")
    assert state.take_changes()[0] == {b"a": None}


def test_changes_are_the_last_of_each_key_and_start_anew() -> None:
    state = State()
    state.put(b"a", b"1")
    state.put(b"a", b"2")
    state.put(b"b", b"3")
    state.delete(b"b")
    state.delete(b"never kept")
    assert state.take_changes() == ({b"a": b"2", b"b": None}, Counter())
    assert state.take_changes() == ({}, Counter())


def test_counters_are_handed_over_with_the_changes() -> None:
    state = State()
    state.counters["decisions", "approved"] += 2
    assert state.take_changes()[1] == Counter({("decisions", "approved"): 2})
    assert not state.counters


@pytest.mark.parametrize("key", [b"\x00", b"\x00w", b"\x00t" + bytes(8) + b"name"])
def test_the_runtime_s_own_keys_are_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="zero byte"):
        State().put(key, b"1")


def test_timers_come_in_order_of_time_then_name() -> None:
    state = State()
    for due_ms, name in [(300, b"a"), (100, b"b"), (100, b"a"), (256, b""), (255, b"z")]:
        state.set_timer(due_ms, name)
    due = state.pop_due(FAR, 10)
    assert [(t.due_ms, t.name) for t in due] == [
        (100, b"a"),
        (100, b"b"),
        (255, b"z"),
        (256, b""),
        (300, b"a"),
    ]


def test_a_timer_is_due_at_its_millisecond_and_not_before() -> None:
    state = State()
    state.set_timer(1_000, b"a", b"payload")
    assert state.pop_due(999, 10) == []
    assert state.pop_due(1_000, 10) == [DueTimer(1_000, b"a", b"payload")]
    assert state.pop_due(1_000, 10) == []


def test_firing_is_bounded_and_goes_on_where_it_stopped() -> None:
    state = State()
    for number in range(5):
        state.set_timer(number, b"%d" % number)
    assert names(state.pop_due(FAR, 3)) == [b"0", b"1", b"2"]
    assert names(state.pop_due(FAR, 3)) == [b"3", b"4"]


def test_setting_a_timer_again_replaces_its_payload_and_fires_once() -> None:
    state = State()
    state.set_timer(5, b"a", b"old")
    state.set_timer(5, b"a", b"new")
    assert state.timers == 1
    assert state.pop_due(5, 10) == [DueTimer(5, b"a", b"new")]
    assert state.pop_due(FAR, 10) == []


def test_cancelled_timers_do_not_fire_and_may_be_set_again() -> None:
    state = State()
    state.set_timer(5, b"a")
    state.cancel_timer(5, b"a")
    state.cancel_timer(6, b"never set")
    assert state.next_due_ms() is None
    state.set_timer(5, b"a", b"again")
    assert state.pop_due(5, 10) == [DueTimer(5, b"a", b"again")]
    assert state.pop_due(5, 10) == []


def test_many_cancelled_timers_do_not_stay_in_memory() -> None:
    state = State()
    state.set_timer(FAR, b"stays")
    for number in range(50_000):
        state.set_timer(number + 1, b"a")
        state.cancel_timer(number + 1, b"a")
    assert len(state._heap) < 5_000
    assert state.next_due_ms() == FAR


def test_a_restore_gives_the_state_that_wrote_the_changelog() -> None:
    state = State()
    state.put(b"kept", b"1")
    state.put(b"deleted", b"1")
    state.set_timer(20, b"later", b"p")
    state.set_timer(10, b"fired")
    state.set_timer(30, b"cancelled")
    first, _ = state.take_changes()
    state.delete(b"deleted")
    state.cancel_timer(30, b"cancelled")
    assert names(state.pop_due(10, 10)) == [b"fired"]
    second, _ = state.take_changes()
    again = rebuilt(first, second)
    assert list(again) == [b"kept"]
    assert again.timers == 1
    assert again.pop_due(FAR, 10) == [DueTimer(20, b"later", b"p")]
