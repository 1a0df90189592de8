from __future__ import annotations

from typing import TYPE_CHECKING

from streams.runtime.budget import RECORD_WEIGHT, Budget
from streams.runtime.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.runtime.records import Output

ONE: Output = ("out", None, b"key", b"value")
WEIGHT = RECORD_WEIGHT + len(b"key") + len(b"value")


def test_outputs_count_as_they_come() -> None:
    budget = Budget(2 * WEIGHT)
    outputs = budget.collect()
    outputs.append(ONE)
    assert not budget.is_spent()
    outputs += [ONE]
    assert budget.is_spent()
    assert budget.weight() == 2 * WEIGHT


def test_lists_that_were_collected_before_stay_counted() -> None:
    budget = Budget()
    budget.collect().append(ONE)
    budget.collect().append(ONE)
    assert budget.weight() == 2 * WEIGHT


def test_what_is_promised_keeps_records_out_and_stops_nobody() -> None:
    budget = Budget(1_000)
    budget.promise(1_000)
    assert not budget.has_room()
    assert not budget.is_spent()
    assert budget.weight() == 0


def test_outside_a_batch_a_budget_has_no_end() -> None:
    state = State()
    for number in range(1_000):
        state.put(b"%d" % number, bytes(100_000))
    assert state.budget.has_room()


def test_every_change_of_a_state_counts() -> None:
    state = State()
    changes: tuple[Callable[[], None], ...] = (
        lambda: state.put(b"key", b"value"),
        lambda: state.delete(b"key"),
        lambda: state.set_timer(5, b"name", b"payload"),
        lambda: state.cancel_timer(5, b"name"),
    )
    weights = [0]
    for change in changes:
        change()
        weights.append(state.budget.weight())
    assert weights == sorted(set(weights))


def test_a_timer_that_was_put_back_was_never_touched() -> None:
    state = State()
    state.set_timer(5, b"name", b"payload")
    state.take_changes()
    (due,) = state.pop_due(9, 1)
    state.put_back(due)
    assert state.take_changes()[0] == {}
    assert state.pop_due(9, 9) == [due]
