"""Flows of the account's ceilings: its adds of a day, its relations, and its enterprise's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.flows.accounts import CEILINGS, outcomes
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
