"""Flows of operators' controls: pauses and brakes of every scope, and whose order wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.flows.campaigns import CANARY, EVERYBODY, FIRST, KINDS, LARGE, sent_to
from tests.flows.table import flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene

PACING: Final = {
    "kinds": KINDS,
    **dict.fromkeys(("new", "green"), "4/s"),
    "amber": "1/s",
    "red": "0/s",
    "burst": "1s",
}


def scopes(scene: Scene) -> dict[str, str]:
    """One scope of each sort."""
    names = ("kind/broadcast", "campaign/spring", "account/xiaoer")
    narrow = {name: f"{scene.enterprise}/{name}" for name in names}
    return {"everybody": "*", "enterprise": scene.enterprise} | narrow


@pytest.mark.rule("R7.1", "R7.3")
@flow(windows=[])
def a_pause_of_any_scope_holds_what_is_in_it_and_nothing_else(scene: Scene) -> None:
    for number, (name, scope) in enumerate(scopes(scene).items()):
        scene.control(scope, action="pause")
        scene.ask(f"in{number}", kind="broadcast", **LARGE)
        scene.expect(f"in{number}", f"deferred control {scope}")
        scene.ask(f"out{number}", kind="transactional", account="another")
        out = "deferred" if name in {"everybody", "enterprise"} else "approved"
        assert scene.story(f"out{number}")[0].split()[0] == out
        scene.control(scope, action="resume")
        scene.at(f"{number + 1}s")
        assert scene.story(f"in{number}")[-1] == "approved ok"


@flow(pacing=PACING)
def a_brake_of_any_scope_slows_what_is_in_it(scene: Scene) -> None:
    for number, scope in enumerate(scopes(scene).values()):
        scene.control(scope, action="brake")
        scene.ask(f"b{number}", *EVERYBODY[:8], kind="broadcast", **LARGE)
        begun_ms = scene.world.now_ms
        scene.at(f"{number}m3s")
        within = [m["decided_at_ms"] - begun_ms for m in scene.sent("broadcast")]
        assert sum(0 <= ms < 3_000 for ms in within) <= 4, scope
        scene.control(scope, action="resume")
        scene.at(f"{number + 1}m")
    assert len(scene.sent("broadcast")) == 8 * len(scopes(scene))


@flow(pacing=PACING)
def a_brake_on_one_campaign_lets_the_others_by(scene: Scene) -> None:
    scene.control(f"{scene.enterprise}/campaign/spring", action="brake")
    scene.ask("slow", *EVERYBODY[:4], kind="broadcast", priority=10, **LARGE)
    scene.ask("fast", *EVERYBODY[4:12], kind="broadcast", priority=90, campaign_id="autumn")
    scene.at("3s")
    sent = [m["intent_id"] for m in scene.sent("broadcast")]
    assert sent.count("fast") == 8
    assert 1 <= sent.count("slow") <= 3
    scene.at("10s")
    assert len(scene.sent("broadcast")) == 12


@pytest.mark.rule("R7.3")
@flow(pacing=PACING)
def a_pause_wins_over_a_brake_however_narrow(scene: Scene) -> None:
    narrow = f"{scene.enterprise}/account/xiaoer"
    scene.control(scene.enterprise, action="brake")
    scene.control(narrow, action="pause")
    scene.ask("b", kind="broadcast", **LARGE)
    scene.expect("b", f"deferred control {narrow}")
    scene.control(scene.enterprise, action="resume")
    scene.at("1s")
    assert len(scene.story("b")) == 1
    scene.control(narrow, action="resume")
    scene.at("2s")
    assert scene.story("b")[-1] == "approved ok"


@flow(pacing=PACING)
def an_operator_s_brake_never_makes_anybody_faster(scene: Scene) -> None:
    """The amber rate is a ceiling: under `red: 0/s` and off accounts nothing goes."""
    scene.tell_status("xiaoer", "suspended")
    scene.control(scene.enterprise, action="brake")
    scene.ask("b", kind="broadcast", **LARGE)
    scene.at("1m")
    assert scene.sent("broadcast") == []


@flow(canary=CANARY, pacing=PACING, deadline={"default": "7d"})
def what_a_pause_holds_keeps_its_stage_and_its_pace_afterwards(scene: Scene) -> None:
    scope = f"{scene.enterprise}/campaign/spring"
    scene.control(scope, action="pause")
    scene.ask("b", *EVERYBODY, kind="broadcast", **LARGE)
    scene.at("2h")
    assert scene.sent("broadcast") == []
    scene.control(scope, action="resume")
    scene.at("2h10s")
    assert sent_to(scene) == set(FIRST)
    sent = sorted(m["decided_at_ms"] for m in scene.sent("broadcast"))
    assert all(later - sooner >= 250 for sooner, later in zip(sent, sent[4:], strict=False))
    scene.at("3d")
    assert sent_to(scene) == set(EVERYBODY)
