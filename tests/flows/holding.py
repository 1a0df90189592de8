"""Flows of what is held, repeated, released and given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.flows.table import TWO_A_DAY, flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene


@pytest.mark.rule("R5.6", "R5.11")
@flow(windows=[TWO_A_DAY], deadline={"default": "6h"})
def what_is_held_expires_a_millisecond_after_its_deadline(scene: Scene) -> None:
    scene.ask("1")
    scene.ask("2")
    scene.ask("own", deadline_ms=scene.start_ms + 3_600_000)
    scene.ask("default")
    scene.at("1h")
    scene.expect("own", "deferred window_full two-a-day +1d1h")
    scene.at("1h1ms")
    scene.expect("own", "deferred window_full two-a-day +1d1h", "expired deadline_passed two-a-day")
    assert scene.decided_at("own") == "1h1ms"
    scene.at("7h")
    assert scene.decided_at("default") == "6h1ms"
    scene.ask("late", deadline_ms=scene.start_ms)
    scene.expect("late", "expired deadline_passed")


@pytest.mark.rule("R5.10")
@flow(windows=[TWO_A_DAY], max_held=2)
def the_least_urgent_yields_when_too_many_wait(scene: Scene) -> None:
    scene.ask("1")
    scene.ask("2")
    for name, priority in (("high", 70), ("low", 20), ("middle", 50)):
        scene.ask(name, priority=priority)
    told = "denied too_many_held max_held +1d1h"
    scene.expect("low", "deferred window_full two-a-day +1d1h", told)
    scene.ask("lowest", priority=1)
    scene.expect("lowest", told)
    scene.expect("high", "deferred window_full two-a-day +1d1h")


@pytest.mark.rule("R5.8")
@flow(windows=[TWO_A_DAY], deadline={"default": "3d"})
def the_most_urgent_is_released_first_then_the_oldest(scene: Scene) -> None:
    for number in ("1", "2"):
        scene.ask(number)
        scene.receipt("delivered", number, at="0s")
    for name, priority in (("old", 50), ("young", 50), ("urgent", 60)):
        scene.at(f"{len(scene.world.read('decisions')) + 1}m")
        scene.ask(name, priority=priority)
    scene.at("1d")
    assert [m["intent_id"] for m in scene.sent("direct")][2:] == ["urgent", "old"]
    assert scene.story("young")[-1].startswith("deferred window_full")


@pytest.mark.rule("R1.6", "R1.9")
@flow(windows=[TWO_A_DAY])
def a_repeat_is_decided_once_even_while_it_is_held(scene: Scene) -> None:
    scene.ask("1")
    scene.ask("2")
    scene.ask("3")
    scene.ask("1")
    scene.ask("3")
    scene.expect("1", "approved ok", "duplicate duplicate")
    scene.expect("3", "deferred window_full two-a-day +1d1h", "duplicate duplicate")
    names = {d["decision_id"] for d in scene.decisions("1")}
    assert len(names) == 1
    scene.ask("twice", "bob", "bob", kind="moment")
    scene.expect("twice", "approved ok", "duplicate duplicate", customer="bob")


@pytest.mark.rule("R1.6")
@flow(remember="1h")
def after_the_policy_s_memory_a_repeat_is_new(scene: Scene) -> None:
    scene.ask("1")
    scene.at("59m59s999ms")
    scene.ask("1")
    scene.expect("1", "approved ok", "duplicate duplicate")
    scene.at("1h")
    scene.ask("1")
    scene.expect("1", "approved ok", "duplicate duplicate", "approved ok")


SLOW: Final[dict[str, Any]] = {
    "kinds": ["broadcast"],
    **dict.fromkeys(("new", "green", "amber", "red"), "1/m"),
    "burst": "1s",
}


@pytest.mark.rule("R5.20")
@flow(pacing=SLOW, deadline={"default": "7d"})
def whose_time_has_come_and_waits_for_the_account_is_told_so_once(scene: Scene) -> None:
    scene.ask("1", kind="broadcast", not_before_ms=scene.start_ms + 3_600_000)
    scene.at("59m59s")
    scene.ask("first", "bob", kind="broadcast")
    scene.at("1h")
    scene.expect("1", "deferred not_yet +1h", "deferred account_pacing +1h59s")
    scene.at("1h59s")
    assert len(scene.story("1")) == 3
    assert scene.story("1")[-1] == "approved ok"


@pytest.mark.rule("R5.20", "R5.14")
@flow(pacing=SLOW, deadline={"default": "7d"})
def another_deadline_is_told_once_to_who_waits_at_the_customer(scene: Scene) -> None:
    scene.ask("here", not_before_ms=scene.start_ms + 36_000_000)
    for version in (2, 3):
        scene.policy(version, pacing=SLOW, deadline={"default": "8d"})
        scene.at(f"{version}s")
    told = [said["held_until_ms"] for said in scene.decisions("here")]
    assert [(at_ms - scene.start_ms) / 3_600_000 - 10 for at_ms in told] == [7 * 24, 8 * 24]
