"""Flows of the account's side: its pace, its queue, its brake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.flows.table import TWO_A_DAY, flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene

ONE_A_SECOND: Final = {
    "kinds": ["broadcast"],
    **dict.fromkeys(("new", "green", "amber"), "1/s"),
    "red": "0/s",
    "burst": "2s",
}
CEILINGS: Final[dict[str, Any]] = {
    "relations": {"start": 3, "step": 1, "floor": 1, "max": 5, "enterprise": 100},
    "daily_adds": {"start": 2, "step": 1, "floor": 1, "max": 3},
    "rise": {"every": "24h", "used": "50%", "within": "7d"},
    "fall": {"factor": 0.5, "cool_down": "24h", "off_after": 3},
    "idle": {"used": "25%", "within": "30d"},
}
BRAKE: Final = {
    "kinds": ["direct", "broadcast"],
    "normal": "0.1%",
    "burst": "2%",
    "false_alarm": "0.01%",
    "pauses": ["3h", "off"],
}


def outcomes(scene: Scene, intent: str, *customers: str) -> list[str]:
    return [scene.story(intent, customer)[-1].split()[0] for customer in customers]


@flow(pacing=ONE_A_SECOND)
def a_broadcast_goes_no_faster_than_its_account_may(scene: Scene) -> None:
    scene.ask("b", "a", "b", "c", "d", kind="broadcast")
    scene.expect("b", "approved ok", customer="b")
    scene.expect("b", "deferred account_pacing +1s", customer="c")
    scene.expect("b", "deferred account_pacing +2s", customer="d")
    scene.at("10s")
    for customer in "cd":
        assert outcomes(scene, "b", customer) == ["approved"]
        assert scene.decisions("b", customer)[0]["stage"] == "account"


@flow(pacing=ONE_A_SECOND)
def what_needs_no_leave_overtakes_the_queue(scene: Scene) -> None:
    scene.ask("b", "a", "b", "c", kind="broadcast")
    scene.ask("d", "c")
    scene.expect("d", "approved ok", customer="c")
    assert outcomes(scene, "b", "c") == ["deferred"]


@flow(pacing=ONE_A_SECOND)
def the_queue_goes_by_priority_then_by_turns(scene: Scene) -> None:
    everyone = [f"c{number}" for number in range(4)]
    scene.ask("first", "x", "y", kind="broadcast")
    with scene.together():
        scene.ask("low", *everyone, kind="broadcast", priority=10)
        scene.ask("high", *everyone, kind="broadcast", priority=90)
    scene.at("30s")
    sent = [m["intent_id"] for m in scene.sent("broadcast")]
    assert sent == ["first"] * 2 + ["high"] * 4 + ["low"] * 4


@flow(pacing=ONE_A_SECOND)
def who_will_not_wait_is_refused_with_the_time_it_would_take(scene: Scene) -> None:
    scene.ask("b", "a", "b", kind="broadcast")
    scene.ask("now", "c", kind="broadcast", if_not_now="deny")
    scene.expect("now", "denied account_pacing +1s", customer="c")
    assert scene.decisions("now", "c")[0]["stage"] == "account"
    scene.ask("now", "c", kind="broadcast", if_not_now="deny")
    assert scene.story("now", "c")[1:] == ["duplicate duplicate"]


@flow(pacing=ONE_A_SECOND)
def what_waits_too_long_in_the_queue_expires(scene: Scene) -> None:
    scene.ask("b", *[f"c{n}" for n in range(12)], kind="broadcast", priority=60)
    scene.ask("late", "x", kind="broadcast", deadline_ms=scene.start_ms + 5_000)
    scene.at("5s")
    assert outcomes(scene, "late", "x") == ["deferred"]
    scene.at("5s1ms")
    assert scene.story("late", "x")[-1] == "expired deadline_passed"
    scene.at("20s")
    assert len(scene.sent("broadcast")) == 12


@flow(pacing=ONE_A_SECOND, remember="1h", deadline={"default": "3h"})
def a_repeat_does_not_wait_behind_the_first(scene: Scene) -> None:
    scene.ask("b", "a", "b", "c", kind="broadcast")
    scene.ask("b", "a", "b", "c", kind="broadcast")
    assert scene.story("b", "c")[1:] == ["duplicate duplicate"]
    assert scene.story("b", "a") == ["approved ok", "duplicate duplicate"]
    scene.at("10s")
    assert scene.story("b", "c")[2:] == ["approved ok"]
    scene.at("59m")
    scene.tell_status("xiaoer", "suspended")
    scene.ask("b", "a", "b", "c", kind="broadcast")
    scene.at("2h")
    scene.tell_status("xiaoer", "active")
    assert outcomes(scene, "b", "a", "b", "c") == ["duplicate"] * 3
    assert len(scene.sent("broadcast")) == 3


@flow(pacing=ONE_A_SECOND, windows=[TWO_A_DAY], deadline={"default": "3d", "broadcast": "3d"})
def what_is_released_keeps_to_its_account_s_pace(scene: Scene) -> None:
    everyone = [f"c{number}" for number in range(6)]
    for turn in ("1", "2"):
        scene.ask(turn, *everyone, kind="direct")
        for customer in everyone:
            scene.receipt("delivered", turn, customer, at="0s")
    scene.ask("held", *everyone, kind="broadcast")
    scene.at("1m")
    assert scene.sent("broadcast") == []
    scene.at("1d")
    assert len(scene.sent("broadcast")) == 2
    scene.at("1d1m")
    sent = sorted(m["decided_at_ms"] for m in scene.sent("broadcast"))
    assert len(sent) == 6
    assert all(later - sooner >= 2_000 for sooner, later in zip(sent, sent[3:], strict=False))


@flow(pacing=ONE_A_SECOND, consent={"ask_first": []})
def what_the_customer_stage_refuses_gives_its_token_back(scene: Scene) -> None:
    scene.hear("consent", "a", allowed=False)
    scene.hear("consent", "b", allowed=False)
    scene.ask("b", "a", "b", "c", "d", kind="broadcast")
    assert outcomes(scene, "b", "a", "b", "c", "d") == ["denied"] * 2 + ["approved"] * 2


@flow(pacing=ONE_A_SECOND | {"green": "10/s", "new": "10/s", "burst": "1s"})
def an_operator_s_brake_slows_to_the_amber_rate(scene: Scene) -> None:
    scene.control(scene.enterprise, action="brake")
    everyone = [f"c{number}" for number in range(4)]
    scene.ask("b", *everyone, kind="broadcast")
    assert len(scene.sent("broadcast")) == 1
    scene.at("2s")
    assert len(scene.sent("broadcast")) == 3
    scene.control(scene.enterprise, action="resume")
    scene.at("3s")
    scene.ask("more", *everyone, kind="broadcast")
    assert len(scene.sent("broadcast")) == 8


@flow(brake=BRAKE)
def a_burst_of_complaints_pauses_the_account_and_nothing_else(scene: Scene) -> None:
    complain(scene, 8)
    pause = scene.everything("limit-changes")[-1]
    assert (pause["what"], pause["reason"]) == ("pause", "burst")
    assert scene.limits("xiaoer")["grade"] == "paused"
    scene.ask("d", "x")
    scene.expect("d", "deferred account_paused brake +3h", customer="x")
    scene.ask("t", "x", kind="transactional")
    scene.expect("t", "approved ok", customer="x")
    scene.ask("o", "x", account="other")
    scene.expect("o", "approved ok", customer="x")
    scene.at("2h59m59s999ms")
    assert len(scene.story("d", "x")) == 1
    scene.at("3h")
    assert scene.story("d", "x")[1:] == ["approved ok"]
    assert scene.limits("xiaoer")["grade"] == "new"


@flow(brake=BRAKE, ceilings=CEILINGS, pacing=ONE_A_SECOND)
def an_account_that_is_off_is_back_when_it_is_reinstated(scene: Scene) -> None:
    complain(scene, 8)
    scene.at("3h1s")
    complain(scene, 8)
    assert scene.limits("xiaoer")["grade"] == "off"
    scene.ask("d", "x")
    scene.expect("d", "deferred account_paused brake", customer="x")
    scene.ask("b", "x", kind="broadcast")
    scene.expect("b", "deferred account_paused", customer="x")
    scene.ask("f", "x", kind="friend_request")
    scene.expect("f", "deferred account_paused", customer="x")
    scene.ask("t", "y", kind="transfer", account="other", to_account_id="xiaoer")
    scene.expect("t", "denied taker_unavailable", customer="y")
    scene.at("4h")
    scene.tell_status("xiaoer", "reinstated")
    for intent in "dbf":
        assert outcomes(scene, intent, "x") == ["approved"]
    assert scene.limits("xiaoer")["grade"] == "new"


@flow(pacing=ONE_A_SECOND)
def what_waits_for_an_account_that_resigns_is_cancelled(scene: Scene) -> None:
    scene.ask("b", "a", "b", "c", kind="broadcast")
    scene.tell_status("xiaoer", "resigned")
    assert scene.story("b", "c")[-1] == "cancelled account_resigned"
    scene.ask("d", "c", kind="broadcast")
    scene.expect("d", "denied account_resigned", customer="c")


def complain(scene: Scene, times: int) -> None:
    for number in range(times):
        name = f"angry-{scene.world.now_ms}-{number}"
        scene.hear("complained", name, event_id=name)


@flow(pacing=ONE_A_SECOND | dict.fromkeys(("new", "green"), "4/s"))
def a_narrow_brake_slows_its_own_scope_and_nothing_else(scene: Scene) -> None:
    scene.control(f"{scene.enterprise}/campaign/spring", action="brake")
    slow = [f"s{number}" for number in range(6)]
    fast = [f"f{number}" for number in range(12)]
    scene.ask("slow", *slow, kind="broadcast", campaign_id="spring", priority=90)
    scene.ask("fast", *fast, kind="broadcast", campaign_id="autumn", priority=10)
    scene.at("2s")
    sent = [m["intent_id"] for m in scene.sent("broadcast")]
    assert sent.count("slow") <= 4
    assert sent.count("fast") >= 8


@flow(
    pacing=ONE_A_SECOND | dict.fromkeys(("new", "green", "amber"), "1/m"),
    deadline={"default": "1m"},
)
def what_waits_in_the_queue_has_the_deadline_of_the_policy_in_force(scene: Scene) -> None:
    scene.ask("b", "a", "b", "c", kind="broadcast")
    slow = ONE_A_SECOND | dict.fromkeys(("new", "green", "amber"), "1/m")
    scene.policy(2, pacing=slow, deadline={"default": "5m"})
    scene.at("10m")
    assert outcomes(scene, "b", "a", "b", "c") == ["approved"] * 3
