"""Section 4: what a batch takes for now, when the machine's clock does not behave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.flows.table import TWO_A_DAY
from tests.flows.world import DriverWorld
from tests.unit.core.person import DAY, HOUR

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

GAP = {"id": "gap", "kinds": ["direct"], "scope": "enterprise", "min_gap": "4h"}


@pytest.mark.rule("R4.15")
def test_a_clock_that_steps_back_stands_still(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    scene = told(world, windows=[GAP], validity={"direct": "1h"})
    scene.ask("1")
    scene.receipt("delivered", "1", at="0s")
    world.driver.now_ms -= 2 * HOUR
    scene.ask("2", if_not_now="deny")
    scene.expect("2", "denied min_gap gap +4h")
    assert scene.decided_at("2") == "0s"
    scene.ask("3", "bob")
    held_ms = scene.decisions("3", "bob")[0]["decided_at_ms"]
    assert scene.start_ms - 2 * HOUR <= held_ms <= scene.start_ms


@pytest.mark.rule("R4.15", "R5.4")
def test_what_is_held_waits_out_a_step_back_and_goes_once(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    scene = told(world, windows=[GAP])
    scene.ask("1")
    scene.receipt("delivered", "1", at="0s")
    scene.ask("2")
    scene.at("3h")
    world.driver.now_ms -= 3 * HOUR
    scene.at("4h")
    scene.expect("2", "deferred min_gap gap +4h", "approved ok")
    assert scene.decided_at("2") == "4h"


@pytest.mark.rule("R4.15")
def test_a_batch_has_one_now_and_its_decisions_carry_it(told: Callable[..., Scene]) -> None:
    scene = told(windows=[{**TWO_A_DAY, "limit": 9}])
    scene.at("1h")
    with scene.together():
        for number in range(9):
            scene.ask(f"{number}")
    decided = [d for d in scene.everything("decisions") if d["outcome"] == "approved"]
    messages = scene.sent("direct")
    assert {d["decided_at_ms"] for d in decided} == {scene.start_ms + HOUR}
    assert {m["decided_at_ms"] for m in messages} == {scene.start_ms + HOUR}
    assert {m["send_by_ms"] for m in messages} == {scene.start_ms + 2 * HOUR}


@pytest.mark.rule("R4.16")
def test_the_same_day_told_twice_is_the_same_to_the_byte(told: Callable[..., Scene]) -> None:
    worlds = [DriverWorld(), DriverWorld()]
    for world in worlds:
        scene = told(world, windows=[TWO_A_DAY], reply={"credits": 5, "within": "48h"})
        customers = [f"c{number}" for number in range(30)]
        for number in range(4):
            scene.ask(f"{number}", *customers, priority=10 * number)
            scene.at(f"{number + 1}h")
        scene.hear("message_received", "c3")
        scene.at("2d")
    for topic in ("decisions", "approved.direct"):
        first, second = (world.read(topic) for world in worlds)
        assert len(first) >= 60
        assert first == second


@pytest.mark.rule("R4.17")
@pytest.mark.parametrize("event", ["message_received", "engaged", "complained", "consent"])
def test_what_is_said_to_happen_in_the_future_happened_now(
    told: Callable[..., Scene], event: str
) -> None:
    scene = told(
        reply={"credits": 5, "within": "48h"},
        silence={"kinds": ["direct"], "ignored": 1, "first": "5d", "factor": 2, "longest": "9d"},
        suppression={"kinds": ["broadcast"], "account": "1d", "enterprise": "1d"},
        consent={"ask_first": []},
    )
    later_ms = scene.start_ms + 30 * DAY
    fields: dict[str, dict[str, Any]] = {
        "engaged": {"action": "click"},
        "consent": {"allowed": False},
    }
    scene.hear(event, occurred_at_ms=later_ms, **fields.get(event, {}))
    if event == "consent":
        scene.at("1ms")
        scene.hear("consent", allowed=True)
        scene.ask("1")
        scene.expect("1", "approved ok")
    elif event == "complained":
        scene.ask("1", kind="broadcast")
        scene.expect("1", "denied suppressed suppression +1d")
    elif event == "engaged":
        scene.at("1ms")
        scene.ask("1")
        scene.receipt("delivered", "1", at="1ms")
        scene.ask("2", if_not_now="deny")
        scene.expect("2", "denied silence_backoff silence +5d1ms")
    else:
        scene.at("2d")
        scene.ask("1", kind="reply")
        scene.expect("1", "denied no_reply_credit reply")
