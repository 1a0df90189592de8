"""Flows of pauses, of accounts' statuses, and of what a change of rules means for the held."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from tests.flows.accounts import CEILINGS, ONE_A_SECOND
from tests.flows.table import TWO_A_DAY, flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene

ONE_A_DAY = {**TWO_A_DAY, "limit": 1}


def _status(scene: Scene, status: str, at: str, account: str = "xiaoer") -> None:
    """Tell an account's status, and let every partition hear of it."""
    scene.tell_status(account, status)
    scene.at(at)


@pytest.mark.rule("R7.1", "R7.3", "R5.5")
@flow(windows=[])
def a_pause_holds_and_resume_releases_at_once(scene: Scene) -> None:
    scope = f"{scene.enterprise}/account/xiaoer"
    scene.control(scope, action="pause")
    scene.at("1s")
    scene.ask("1", kind="transactional")
    scene.ask("2", if_not_now="deny")
    scene.ask("elsewhere", account="another")
    scene.expect("1", f"deferred control {scope}")
    scene.expect("2", f"denied control {scope}")
    scene.expect("elsewhere", "approved ok")
    scene.control(scope, action="resume")
    scene.at("3s")
    scene.expect("1", f"deferred control {scope}", "approved ok")
    assert scene.decided_at("1") < "2s"


@pytest.mark.rule("R7.2")
@flow(windows=[])
def a_pause_with_an_end_says_so(scene: Scene) -> None:
    scope = f"{scene.enterprise}/kind/direct"
    scene.control(scope, action="pause", until_ms=scene.start_ms + 3_600_000)
    scene.at("1s")
    scene.ask("1")
    scene.expect("1", f"deferred control {scope} +1h")
    scene.at("1h")
    assert scene.story("1")[-1] == "approved ok"
    assert scene.decided_at("1") == "1h"


@pytest.mark.rule("R7.1", "R3.6")
@flow(windows=[], reply={"credits": 5, "within": "48h"})
def a_pause_holds_replies_as_well(scene: Scene) -> None:
    scene.hear("message_received")
    scene.control(scene.enterprise, action="pause")
    scene.at("1s")
    scene.ask("1", kind="reply")
    scene.expect("1", f"deferred control {scene.enterprise}")


@pytest.mark.rule("R7.5")
@flow(windows=[])
def a_broken_control_is_refused_and_nothing_is_paused(scene: Scene) -> None:
    broken = scene.control(f"{scene.enterprise}/team/x", action="pause")
    scene.at("1s")
    assert scene.letter(broken)["reason"] == "refused_control"
    scene.ask("1")
    scene.expect("1", "approved ok")


@pytest.mark.rule("R7.6", "R8.10")
@flow(windows=[ONE_A_DAY])
def a_resigned_account_is_denied_and_what_it_held_is_cancelled(scene: Scene) -> None:
    scene.ask("1")
    scene.ask("held")
    scene.ask("anothers", account="another")
    _status(scene, "resigned", at="1s")
    scene.ask("new")
    assert scene.story("held")[-1] == "cancelled account_resigned"
    assert scene.story("anothers")[-1].startswith("deferred window_full")
    scene.expect("new", "denied account_resigned")
    _status(scene, "reinstated", at="2s")
    scene.ask("again", if_not_now="deny")
    assert scene.story("again")[-1].startswith("denied window_full")


@pytest.mark.rule("R7.6", "R5.5")
@flow(windows=[])
def a_suspended_account_waits_until_it_is_reinstated(scene: Scene) -> None:
    _status(scene, "suspended", at="1s")
    scene.ask("1")
    scene.expect("1", "deferred account_paused")
    _status(scene, "reinstated", at="2s")
    assert scene.story("1")[-1] == "approved ok"


@pytest.mark.rule("R8.5")
@flow(windows=[])
def nobody_is_handed_over_to_an_account_that_is_gone(scene: Scene) -> None:
    _status(scene, "resigned", at="1s", account="taker")
    scene.ask("1", kind="transfer", to_account_id="taker")
    scene.expect("1", "denied taker_unavailable")


@pytest.mark.rule("R5.5", "R9.10")
@flow(windows=[ONE_A_DAY])
def a_looser_policy_releases_what_is_held_when_its_time_comes(scene: Scene) -> None:
    scene.ask("1")
    scene.ask("2")
    scene.policy(2, windows=[TWO_A_DAY])
    scene.at("1s")
    assert scene.story("2")[-1] == "approved ok"
    assert scene.decisions("2")[-1]["policy_version"] == 2


@pytest.mark.rule("R7.8")
@flow(windows=[], pacing=ONE_A_SECOND, ceilings=CEILINGS)
def of_two_statuses_of_one_millisecond_the_stricter_counts_everywhere(scene: Scene) -> None:
    ranks = ["active", "reinstated", "suspended", "resigned"]
    for number, (one, other) in enumerate(permutations(ranks, 2)):
        account, customers = f"a{number}", (f"b{number}", f"d{number}", f"f{number}")
        for status in (one, other):
            scene.tell_status(account, status)
        for customer, kind in zip(
            customers, ("broadcast", "direct", "friend_request"), strict=True
        ):
            scene.ask(f"{kind}{number}", customer, kind=kind, account=account)
        lines = {
            "resigned": "denied account_resigned",
            "suspended": "deferred account_paused",
        }
        expected = lines.get(max(one, other, key=ranks.index), "approved ok")
        for customer, kind in zip(
            customers, ("broadcast", "direct", "friend_request"), strict=True
        ):
            scene.expect(f"{kind}{number}", expected, customer=customer)


@pytest.mark.rule("R4.8", "R7.8")
@flow(windows=[], pacing=ONE_A_SECOND)
def a_status_from_the_future_is_a_status_of_now(scene: Scene) -> None:
    scene.tell_status("xiaoer", "resigned", occurred_at_ms=scene.start_ms + 86_400_000)
    scene.at("1s")
    _status(scene, "active", at="2s")
    scene.ask("d")
    scene.ask("b", "bob", kind="broadcast")
    scene.expect("d", "approved ok")
    scene.expect("b", "approved ok", customer="bob")
