from __future__ import annotations

from typing import Final

import pytest

from streams.core.controls import Action, Control, ControlBook
from streams.core.kinds import Kind

NOON: Final = 1_795_312_800_000
ORDER: Final = {"action": "pause", "scope": "acme", "by": "li.wei", "why": "complaints"}
WIDEST_FIRST: Final = ("*", "acme", "acme/kind/moment", "acme/campaign/spring", "acme/account/li-1")


def order(action: Action, scope: str, until_ms: int | None = None) -> Control:
    return Control(action=action, scope=scope, by="li.wei", why="complaints", until_ms=until_ms)


def book(*orders: Control) -> ControlBook:
    found = ControlBook()
    for one in orders:
        found.accept(one)
    return found


def applies(found: ControlBook, now_ms: int = NOON) -> Control | None:
    return found.applies("acme", "li-1", "spring", Kind.MOMENT, now_ms)


def test_an_empty_book_applies_nothing() -> None:
    assert applies(book()) is None


@pytest.mark.rule("R7.1")
@pytest.mark.parametrize("scope", WIDEST_FIRST)
def test_an_order_applies_within_its_scope(scope: str) -> None:
    pause = order(Action.PAUSE, scope)
    assert applies(book(pause)) is pause


@pytest.mark.rule("R7.1")
@pytest.mark.parametrize(
    "scope",
    ["zeta", "acme/kind/direct", "acme/campaign/autumn", "acme/account/li-2", "zeta/kind/moment"],
)
def test_an_order_applies_nowhere_else(scope: str) -> None:
    assert applies(book(order(Action.PAUSE, scope))) is None


def test_a_message_without_campaign_is_under_no_campaigns_order() -> None:
    found = book(order(Action.PAUSE, "acme/campaign/None"))
    assert found.applies("acme", "li-1", None, Kind.DIRECT, NOON) is None


@pytest.mark.rule("R7.2")
def test_an_order_ends_exactly_at_its_end() -> None:
    found = book(pause := order(Action.PAUSE, "acme", NOON))
    assert applies(found, NOON - 1) is pause
    assert applies(found, NOON) is None


@pytest.mark.rule("R7.4")
def test_a_narrow_pause_beats_a_wide_brake() -> None:
    pause = order(Action.PAUSE, "acme/account/li-1")
    assert applies(book(order(Action.BRAKE, "*"), pause)) is pause


@pytest.mark.rule("R7.4")
@pytest.mark.parametrize("action", [Action.PAUSE, Action.BRAKE])
def test_of_equal_orders_the_widest_is_told(action: Action) -> None:
    orders = [order(action, scope) for scope in reversed(WIDEST_FIRST)]
    found = book(*orders)
    for scope in WIDEST_FIRST:
        control = applies(found)
        assert control is not None
        assert control.scope == scope
        found.accept(order(Action.RESUME, scope))
    assert applies(found) is None


@pytest.mark.rule("R7.4")
@pytest.mark.parametrize("action", [Action.PAUSE, Action.BRAKE])
def test_of_equal_orders_the_one_that_ends_last_is_told(action: Action) -> None:
    ends = [order(action, scope, NOON + n) for n, scope in enumerate(WIDEST_FIRST, start=1)]
    assert applies(book(*ends)) is ends[-1]
    assert applies(book(*reversed(ends))) is ends[-1]
    endless = order(action, "*")
    assert applies(book(*ends[1:], endless)) is endless


@pytest.mark.rule("R7.4")
def test_of_orders_that_end_together_the_widest_is_told() -> None:
    together = [order(Action.PAUSE, scope, NOON + 1) for scope in reversed(WIDEST_FIRST)]
    assert applies(book(*together)) is together[-1]


@pytest.mark.rule("R7.4")
def test_a_pause_that_ends_beats_a_brake_that_does_not() -> None:
    pause = order(Action.PAUSE, "acme/account/li-1", NOON + 1)
    assert applies(book(order(Action.BRAKE, "*"), pause)) is pause


@pytest.mark.rule("R7.3")
def test_resume_removes_its_own_scopes_order_only() -> None:
    found = book(order(Action.PAUSE, "acme"), pause := order(Action.PAUSE, "acme/account/li-1"))
    found.accept(order(Action.RESUME, "acme"))
    assert applies(found) is pause


def test_resume_where_nothing_stands_is_nothing() -> None:
    found = book(order(Action.RESUME, "acme"))
    assert applies(found) is None


def test_the_last_order_of_a_scope_counts() -> None:
    found = book(order(Action.PAUSE, "acme"), brake := order(Action.BRAKE, "acme"))
    assert applies(found) is brake
    found.accept(order(Action.PAUSE, "acme", NOON))
    assert applies(found) is None


def test_an_ended_wide_pause_hides_no_narrow_brake() -> None:
    found = book(order(Action.PAUSE, "*", NOON), brake := order(Action.BRAKE, "acme/kind/moment"))
    assert applies(found) is brake
