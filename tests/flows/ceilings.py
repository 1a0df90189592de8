"""Flows of the account's ceilings: its adds of a day, its relations, and its enterprise's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.flows.accounts import CEILINGS, ONE_A_SECOND, outcomes
from tests.flows.table import flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene


@flow(ceilings=CEILINGS)
def friend_requests_keep_to_the_daily_adds(scene: Scene) -> None:
    scene.ask("f", "a", "b", "c", kind="friend_request")
    assert outcomes(scene, "f", "a", "b") == ["approved", "approved"]
    scene.expect("f", "deferred daily_add_quota +14h", customer="c")
    scene.ask("now", "d", kind="friend_request", if_not_now="deny")
    scene.expect("now", "denied daily_add_quota +14h", customer="d")
    scene.at("14h1s")
    assert outcomes(scene, "f", "c") == ["approved"]
    assert scene.limits("xiaoer")["adds_today"] == 1


@flow(ceilings=CEILINGS, consent={"ask_first": []})
def an_add_that_was_not_sent_or_not_allowed_is_given_back(scene: Scene) -> None:
    scene.hear("consent", "no", allowed=False)
    scene.ask("f", "no", "a", "b", kind="friend_request")
    assert outcomes(scene, "f", "a", "b") == ["approved", "approved"]
    assert scene.limits("xiaoer")["adds_today"] == 2
    scene.receipt("failed", "f", "a")
    assert scene.limits("xiaoer")["adds_today"] == 1
    scene.ask("g", "c", kind="friend_request")
    scene.expect("g", "approved ok", customer="c")


@flow(ceilings=CEILINGS | {"daily_adds": {"start": 9, "step": 1, "floor": 1, "max": 9}})
def at_its_ceiling_an_account_asks_nobody_more(scene: Scene) -> None:
    scene.hear("friend_added", "x", initiated_by="customer")
    scene.hear("friend_added", "y", account_id="other", initiated_by="customer")
    scene.at("2s")
    scene.ask("f", "a", "b", "c", kind="friend_request")
    assert outcomes(scene, "f", "a", "b", "c") == ["approved", "approved", "denied"]
    denied = scene.decisions("f", "c")[0]
    assert (denied["reason"], denied["wecom_errcode"]) == ("account_ceiling", 40099)
    assert denied["remaining"] == {
        "relations": 0,
        "relations-elsewhere": 2,
        "relations-enterprise": 98,
    }
    scene.hear("friend_refused", "a")
    scene.ask("g", "c", kind="friend_request")
    scene.expect("g", "approved ok", customer="c")
    for customer in "bc":
        scene.hear("friend_added", customer, initiated_by="account")
    assert scene.limits("xiaoer")["relations"] == 3
    scene.hear("blocked", "x")
    assert scene.limits("xiaoer")["relations"] == 2


@flow(ceilings=CEILINGS)
def nobody_is_handed_over_to_an_account_at_its_ceiling(scene: Scene) -> None:
    for customer in "ab":
        scene.hear("friend_added", customer, initiated_by="customer", account_id="taker")
    scene.ask("t", "c", "d", kind="transfer", to_account_id="taker")
    assert outcomes(scene, "t", "c", "d") == ["approved", "denied"]
    denied = scene.decisions("t", "d")[0]
    assert (denied["reason"], denied["wecom_errcode"]) == ("taker_at_ceiling", 40099)
    scene.hear("transferred", "c", to_account_id="taker")
    assert scene.limits("taker")["relations"] == 3
    scene.hear("friend_removed", "a", account_id="taker")
    scene.ask("u", "d", kind="transfer", to_account_id="taker")
    scene.expect("u", "approved ok", customer="d")
    scene.hear("transfer_failed", "d", to_account_id="taker", reason="customer_refused")
    scene.ask("v", "e", kind="transfer", to_account_id="taker")
    scene.expect("v", "approved ok", customer="e")


@flow(ceilings=CEILINGS | {"relations": CEILINGS["relations"] | {"start": 2, "enterprise": 2}})
def an_enterprise_at_its_ceiling_grows_by_a_new_version_of_its_policy(scene: Scene) -> None:
    for number, account in enumerate(("one", "two")):
        who = {"account_id": account, "initiated_by": "customer"}
        scene.hear("friend_added", f"c{number}", **who)
    scene.at("2s")
    assert scene.everything("enterprise-limits")[-1]["relations"] == 2
    scene.ask("f", "x", kind="friend_request")
    denied = scene.decisions("f", "x")[0]
    assert (denied["reason"], denied["wecom_errcode"]) == ("enterprise_ceiling", 40099)
    relations = CEILINGS["relations"] | {"start": 2, "enterprise": 4}
    scene.policy(2, ceilings=CEILINGS | {"relations": relations})
    scene.ask("g", "x", kind="friend_request")
    scene.expect("g", "approved ok", customer="x")


FEW: Final = CEILINGS | {
    "relations": CEILINGS["relations"] | {"max": 3, "enterprise": 3},
    "daily_adds": {"start": 9, "step": 1, "floor": 1, "max": 9},
}


@pytest.mark.rule("R6.12")
@flow(ceilings=FEW)
def requests_under_way_count_at_the_enterprise_s_ceiling(scene: Scene) -> None:
    for customer, account in (("x", "one"), ("y", "two")):
        scene.hear("friend_added", customer, account_id=account, initiated_by="customer")
    for number in range(4):
        scene.at(f"{number + 1}m")
        scene.ask(f"f{number}", f"c{number}", kind="friend_request", account=f"a{number}")
    asked = [outcomes(scene, f"f{number}", f"c{number}") for number in range(4)]
    assert asked == [["approved"], ["denied"], ["denied"], ["denied"]]
    denied = scene.decisions("f1", "c1")[0]
    assert (denied["reason"], denied["remaining"]["relations-enterprise"]) == (
        "enterprise_ceiling",
        0,
    )
    scene.hear("friend_refused", "c0", account_id="a0")
    scene.at("6m")
    scene.ask("again", "c1", kind="friend_request", account="a1")
    scene.expect("again", "approved ok", customer="c1")
    scene.hear("friend_added", "c1", account_id="a1", initiated_by="account")
    scene.at("7m")
    assert scene.everything("enterprise-limits")[-1]["relations"] == 3


@pytest.mark.rule("R6.12")
@flow(ceilings=FEW)
def a_transfer_under_way_makes_the_enterprise_no_larger(scene: Scene) -> None:
    for customer in "xy":
        scene.hear("friend_added", customer, account_id="one", initiated_by="customer")
    scene.ask("t", "x", kind="transfer", account="one", to_account_id="two")
    scene.expect("t", "approved ok", customer="x")
    scene.at("1m")
    scene.ask("f", "c", kind="friend_request", account="three")
    scene.expect("f", "approved ok", customer="c")
    scene.hear("transferred", "x", account_id="one", to_account_id="two")
    scene.hear("friend_refused", "c", account_id="three")
    scene.at("2m")
    scene.ask("g", "d", kind="friend_request", account="three")
    scene.expect("g", "approved ok", customer="d")


@pytest.mark.rule("R6.13")
@flow(ceilings=CEILINGS, pacing=ONE_A_SECOND)
def who_resigned_has_no_room(scene: Scene) -> None:
    for customer, account in (("x", "gone"), ("y", "away")):
        scene.hear("friend_added", customer, account_id=account, initiated_by="customer")
    for customer in "abc":
        scene.hear("friend_added", customer, initiated_by="customer")
    scene.tell_status("gone", "resigned")
    scene.tell_status("away", "suspended")
    scene.at("3s")
    told = scene.limits("gone")
    assert (told["relations"], told["relations_ceiling"]) == (1, 0)
    assert (told["daily_add_ceiling"], told["broadcast_rate_per_s"]) == (0, 0.0)
    scene.ask("f", "z", kind="friend_request")
    assert scene.decisions("f", "z")[0]["remaining"]["relations-elsewhere"] == 0
    scene.tell_status("gone", "reinstated")
    scene.at("6s")
    assert scene.limits("gone")["relations_ceiling"] == 3
    scene.ask("g", "z", kind="friend_request")
    assert scene.decisions("g", "z")[0]["remaining"]["relations-elsewhere"] == 2


@flow(ceilings=CEILINGS)
def a_new_policy_is_told_of_every_account_it_governs(scene: Scene) -> None:
    scene.hear("friend_added", "x", initiated_by="customer")
    assert scene.limits("xiaoer")["relations_ceiling"] == 3
    scene.policy(2)
    scene.at("1s")
    told = scene.limits("xiaoer")
    assert "relations_ceiling" not in told
    assert told["policy_version"] == 2


@flow(ceilings=CEILINGS)
def a_customer_who_is_erased_is_no_relation_any_more(scene: Scene) -> None:
    scene.hear("friend_added", "x", initiated_by="customer")
    assert scene.limits("xiaoer")["relations"] == 1
    value = scene.interaction("erase", "x")
    scene.put("interactions", f"{scene.enterprise}/x".encode(), value)
    assert scene.limits("xiaoer")["relations"] == 0


@flow(ceilings=CEILINGS, quiet_hours={"kinds": ["friend_request"], "from": "21:00", "to": "08:00"})
def an_add_held_over_night_counts_for_the_day_it_is_sent(scene: Scene) -> None:
    scene.at("12h")
    scene.ask("f", "a", "b", "c", kind="friend_request")
    assert scene.limits("xiaoer")["adds_today"] == 0
    scene.at("22h")
    sent = [m["decided_at_ms"] for m in scene.sent("friend_request")]
    assert len(sent) == 2
    assert all(at_ms >= scene.start_ms + 22 * 3_600_000 for at_ms in sent)
    assert scene.limits("xiaoer")["adds_today"] == 2
