"""Section 4: what stays of a customer who is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.events.decode import decode_interaction
from streams.events.envelope import Rejected
from streams.events.identity import fingerprint
from streams.events.interactions import content_of
from streams.stages.customer.erasure import Erasure
from streams.stages.customer.stage import CustomerStage
from streams.topics import INTERACTIONS, Topics
from tests.flows.table import TWO_A_DAY
from tests.flows.world import SECRET, DriverWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

KEY = b"acme/annabel-17"
ANN = "annabel-17"
SECTIONS: dict[str, Any] = {
    "windows": [TWO_A_DAY],
    "reply": {"credits": 5, "within": "48h"},
    "consent": {"ask_first": []},
}


def kept(world: DriverWorld) -> dict[bytes, bytes]:
    """All that the customer stage remembers, but for its counts, its timers' names included."""
    found: dict[bytes, bytes] = {}
    for number in range(world.partitions):
        state = world.driver.state("customer", number)
        found |= {key: state.get(key) or b"" for key in state if key != b"balance"}
        found |= dict.fromkeys(state.timer_names(), b"")
    return found


def a_life(scene: Scene) -> None:
    """Contacts, a credit, a wish and something that waits."""
    scene.at("1s")  # by then every partition has done with the new policy
    for number in ("1", "2", "3"):
        scene.ask(number, ANN)
    scene.receipt("delivered", "1", ANN)
    scene.hear("message_received", ANN)
    scene.hear("consent", ANN, allowed=True, kinds=[], time_zone="Asia/Tokyo")


@pytest.mark.rule("R4.12")
def test_nothing_is_left_but_a_mark_that_names_nobody(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    scene = told(world, **SECTIONS)
    a_life(scene)
    assert KEY in kept(world)
    scene.hear("erase", ANN)
    assert scene.story("3", ANN)[-1] == "cancelled suppressed"
    assert kept(world).keys() == {Erasure(SECRET).mark(KEY)}
    assert not any(b"annabel" in key + value for key, value in kept(world).items())
    world.crash()
    assert kept(world).keys() == {Erasure(SECRET).mark(KEY)}


@pytest.mark.rule("R4.12")
def test_the_mark_of_another_secret_is_another(told: Callable[..., Scene]) -> None:
    mark, other = Erasure(SECRET).mark(KEY), Erasure(b"another").mark(KEY)
    assert mark is not None
    assert mark != other
    assert mark != Erasure(SECRET).mark(KEY + b"8")


@pytest.mark.rule("R4.13")
def test_the_forgotten_are_not_disturbed_and_asking_leaves_nothing(
    told: Callable[..., Scene],
) -> None:
    world = DriverWorld()
    scene = told(world, **SECTIONS)
    a_life(scene)
    scene.hear("erase", ANN)
    before = kept(world)
    scene.at("400d")
    for kind in ("direct", "broadcast", "moment", "friend_request"):
        for account in ("xiaoer", "another"):
            name = f"{kind} of {account}"
            scene.ask(name, ANN, kind=kind, account=account)
            scene.expect(name, "denied suppressed erased", customer=ANN)
    assert kept(world) == before
    scene.ask("direct of xiaoer", ANN)
    scene.expect("direct of xiaoer", *["denied suppressed erased"] * 2, customer=ANN)
    assert kept(world) == before
    scene.ask("notice", ANN, kind="transactional")
    scene.expect("notice", "approved ok", customer=ANN)


@pytest.mark.rule("R4.13", "R3.6")
def test_the_forgotten_who_call_again_are_answered_and_still_not_disturbed(
    told: Callable[..., Scene],
) -> None:
    scene = told(**SECTIONS)
    scene.hear("erase", ANN)
    scene.at("1h")
    scene.hear("message_received", ANN)
    scene.ask("1", ANN, kind="reply")
    scene.expect("1", "approved ok", customer=ANN)
    scene.ask("2", ANN)
    scene.expect("2", "denied suppressed erased", customer=ANN)


@pytest.mark.rule("R4.13")
def test_a_customer_never_met_can_be_forgotten_as_well(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    scene = told(world, **SECTIONS)
    scene.at("1s")
    scene.hear("erase", ANN)
    assert kept(world).keys() == {Erasure(SECRET).mark(KEY)}
    scene.ask("1", ANN)
    scene.expect("1", "denied suppressed erased", customer=ANN)
    scene.ask("1", "annabel-18")
    scene.expect("1", "approved ok", customer="annabel-18")


@pytest.mark.rule("R4.14")
def test_without_the_key_nobody_is_forgotten_and_nothing_is_changed(
    told: Callable[..., Scene],
) -> None:
    world = DriverWorld()
    stage = next(s for s in world.stages if isinstance(s, CustomerStage))
    stage.context = stage.context._replace(erasure=Erasure(None))
    scene = told(world, **SECTIONS)
    a_life(scene)
    before = kept(world)
    placed = scene.hear("erase", ANN)
    letter = scene.letter(placed)
    assert (letter["topic"], letter["reason"]) == (Topics().interactions, "invalid")
    assert "DECORUM_SUPPRESSION_KEY" in letter["error"]
    assert kept(world) == before
    assert scene.story("3", ANN)[-1].startswith("deferred")


@pytest.mark.rule("R4.13")
def test_an_erasure_forgets_what_was_asked_as_well(told: Callable[..., Scene]) -> None:
    """Whoever repeats an order notice across an erasure has it approved twice: to know it again
    would be to remember the customer.
    """
    scene = told(windows=[{**TWO_A_DAY, "kinds": ["transactional"], "limit": 1}])
    scene.ask("1", kind="transactional")
    scene.ask("1", kind="transactional")
    scene.hear("erase")
    scene.ask("1", kind="transactional")
    scene.expect("1", "approved ok", "duplicate duplicate", "approved ok")
    scene.ask("2")
    scene.expect("2", "denied suppressed erased")


ENDS: list[tuple[str, dict[str, Any]]] = [
    ("engaged", {"action": "view"}),
    ("friend_removed", {}),
    ("friend_refused", {}),
    ("transferred", {"to_account_id": "another"}),
    ("transfer_failed", {"to_account_id": "another", "reason": "customer_refused"}),
    ("transfer_failed", {"to_account_id": "xiaoer", "reason": "customer_refused"}),
]
NEWS: list[tuple[str, dict[str, Any]]] = [
    ("message_received", {}),
    ("friend_added", {"initiated_by": "customer"}),
    ("consent", {"allowed": True}),
    ("consent", {"allowed": False, "time_zone": "Asia/Tokyo"}),
    ("complained", {}),
    ("blocked", {}),
]


@pytest.mark.rule("R4.28")
@pytest.mark.parametrize(("what", "more"), ENDS, ids=str)
def test_the_end_of_what_was_before_leaves_nothing(
    told: Callable[..., Scene], what: str, more: dict[str, Any]
) -> None:
    world = DriverWorld()
    scene = told(world, **SECTIONS)
    a_life(scene)
    scene.hear("friend_added", ANN, initiated_by="customer")
    scene.hear("erase", ANN)
    before = kept(world)
    scene.at("1h")
    scene.hear(what, ANN, **more)
    scene.hear("failed", ANN, decision_id="0" * 32, reason="not_friend")
    assert kept(world) == before


@pytest.mark.rule("R4.28")
@pytest.mark.parametrize(("what", "more"), [*ENDS, *NEWS], ids=str)
def test_what_was_before_an_erasure_and_is_told_after_it_leaves_nothing(
    told: Callable[..., Scene], what: str, more: dict[str, Any]
) -> None:
    world = DriverWorld()
    scene = told(world, **SECTIONS)
    a_life(scene)
    before_ms = world.now_ms
    scene.at("1h")
    scene.hear("erase", ANN)
    before = kept(world)
    for number in range(2):
        scene.hear(what, ANN, occurred_at_ms=before_ms, event_id=f"late-{number}", **more)
    assert kept(world) == before
    world.crash()
    scene.hear(what, ANN, occurred_at_ms=before_ms, event_id="later", **more)
    assert kept(world) == before


@pytest.mark.rule("R4.28")
@pytest.mark.parametrize(("what", "more"), NEWS, ids=str)
def test_what_the_forgotten_do_since_is_heard(
    told: Callable[..., Scene], what: str, more: dict[str, Any]
) -> None:
    world = DriverWorld()
    scene = told(world, **SECTIONS)
    scene.hear("erase", ANN)
    scene.at("1h")
    scene.hear(what, ANN, **more)
    assert KEY in kept(world)
    scene.ask("2", ANN)
    assert scene.story("2", ANN)[0].startswith("denied")


@pytest.mark.rule("R4.28")
def test_a_tie_of_since_then_ends_like_any(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    scene = told(world, **SECTIONS)
    scene.hear("erase", ANN)
    scene.at("1h")
    scene.hear("friend_added", ANN, initiated_by="customer")
    before = kept(world)
    for what, more in (("engaged", {"action": "view"}), ("friend_removed", {})):
        scene.at("2h")
        scene.hear(what, ANN, **more)
        assert kept(world)[KEY] != before[KEY]
        before = kept(world)


@pytest.mark.rule("R4.24", "R1.10")
def test_an_erasure_told_again_takes_nothing_away(told: Callable[..., Scene]) -> None:
    scene = told(**SECTIONS, remember="48h")
    once: dict[str, Any] = {"event_id": "e", "occurred_at_ms": scene.start_ms}
    scene.hear("erase", **once)
    scene.at("1h")
    scene.hear("message_received")
    scene.hear("erase", **once)
    scene.ask("1", kind="reply")
    scene.expect("1", "approved ok")
    scene.hear("erase", event_id="another")
    scene.ask("2", kind="reply")
    scene.expect("2", "denied no_reply_credit reply")
    scene.at("50h")
    scene.hear("message_received")
    scene.hear("erase", **once)
    scene.ask("3", kind="reply")
    scene.expect("3", "denied no_reply_credit reply")


@pytest.mark.rule("R4.24", "R4.12")
def test_the_prints_of_erasures_are_keyed_and_forgotten(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    scene = told(world, **SECTIONS, remember="48h")
    mark = Erasure(SECRET).mark(KEY)
    for name in ("one", "two"):
        scene.hear("erase", ANN, event_id=name)
    value = kept(world)[mark or b""]
    told_of = [decode_interaction(record.value) for record in world.read(INTERACTIONS)]
    prints = [
        fingerprint(event.source, event.id, content_of(event)).to_bytes(8, "big")
        for event in told_of
        if not isinstance(event, Rejected)
    ]
    assert len(prints) == 2
    assert not any(known in value for known in prints)
    scene.at("60h")
    scene.hear("erase", ANN, event_id="three")
    assert len(kept(world)[mark or b""]) == len(value) // 2
