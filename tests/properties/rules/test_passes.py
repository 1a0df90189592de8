"""Section 4: who passes what, under a policy in which every section binds everybody it can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.core.kinds import Kind
from streams.core.policy import FOREVER, Holdout, QuietHours, Silence, Suppression
from tests.unit.core.person import DAY, HOUR, NOON, Person, kinds, policy, rolling

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

EVERYTHING = 127
SHUT: dict[str, Any] = {
    "quiet_hours": QuietHours(kinds=EVERYTHING, from_ms=0, to_ms=23 * HOUR),
    "silence": Silence(kinds=EVERYTHING, ignored=1, first_ms=DAY, factor=2.0, longest_ms=DAY),
    "suppression": Suppression(kinds=EVERYTHING, account_ms=FOREVER, enterprise_ms=FOREVER),
    "friends_required": True,
    "holdout": Holdout(share=1.0, kinds=EVERYTHING),
    "unknown_zone_denies": True,
}


def disturbed(*windows: Any, **parts: Any) -> Person:
    """A customer who complained, blocked the account, and is written to at night."""
    person = Person(policy(*windows, **SHUT, **parts))
    person.complained()
    person.blocked()
    return person


@pytest.mark.rule("R4.18")
def test_an_order_notice_passes_all_but_its_windows_and_consent() -> None:
    person = disturbed(rolling(2, DAY, kinds=kinds(Kind.TRANSACTIONAL)), ask_first=0)
    for kind in (Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT, Kind.FRIEND_REQUEST):
        assert person.ask(kind).outcome == "denied"
    assert person.ask(Kind.TRANSACTIONAL).send_by_ms == NOON + DAY  # no night shortens it
    assert person.ask(Kind.TRANSACTIONAL).outcome == "approved"
    assert person.ask(Kind.TRANSACTIONAL, deny=True).reason == "window_full"
    person.consents(kinds=["transactional"], allowed=False)
    assert person.at(NOON + 3 * DAY).ask(Kind.TRANSACTIONAL).reason == "no_consent"


@pytest.mark.rule("R4.18")
def test_an_order_notice_needs_the_consent_that_is_asked_first() -> None:
    person = disturbed(ask_first=kinds(Kind.TRANSACTIONAL))
    assert person.ask(Kind.TRANSACTIONAL).reason == "no_consent"
    person.consents(kinds=["transactional"], allowed=True)
    assert person.ask(Kind.TRANSACTIONAL).outcome == "approved"


@pytest.mark.rule("R4.19")
def test_a_transfer_passes_all_but_its_windows() -> None:
    transfers = rolling(1, DAY, kinds=kinds(Kind.TRANSFER), id="transfers")
    person = disturbed(transfers, ask_first=EVERYTHING)
    person.consents(allowed=False)
    verdict = person.ask(Kind.TRANSFER, to_account_id="b")
    assert (verdict.outcome, verdict.remaining) == ("approved", {"transfers": 0})
    person.transferred("a", "b")
    again = person.ask(Kind.TRANSFER, "b", to_account_id="c")
    assert (again.rule, again.wecom_errcode) == ("transfers", 40128)


@pytest.mark.rule("R4.18", "R4.19", "R7.1")
@pytest.mark.parametrize(
    ("kind", "outcome"), [("transactional", "deferred"), ("transfer", "denied")]
)
def test_orders_bind_both(told: Callable[..., Scene], kind: str, outcome: str) -> None:
    scene = told(windows=[])
    scene.control("acme", action="pause")
    scene.at("1s")
    more = {"to_account_id": "taker"} if kind == "transfer" else {}
    scene.ask("1", kind=kind, **more)
    scene.expect("1", f"{outcome} control acme")
