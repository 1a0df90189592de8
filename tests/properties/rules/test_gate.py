"""Section 1: who decides, once, and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.topics import INTENTS
from tests.flows import events
from tests.flows.scene import Scene
from tests.flows.table import TWO_A_DAY
from tests.flows.world import DriverWorld

if TYPE_CHECKING:
    from collections.abc import Callable

ONE_A_DAY: dict[str, Any] = {**TWO_A_DAY, "limit": 1}


@pytest.mark.rule("R1.1")
def test_one_that_must_wait_holds_up_nobody(told: Callable[..., Scene]) -> None:
    scene = told(windows=[ONE_A_DAY], consent={"ask_first": []})
    scene.ask("1", "full")
    scene.hear("consent", "gone", allowed=False)
    scene.ask("2", "full", "gone", "free")
    assert [scene.story("2", who)[0].split()[0] for who in ("full", "gone", "free")] == [
        "deferred",
        "denied",
        "approved",
    ]


@pytest.mark.rule("R1.2")
def test_many_accounts_in_one_instant_share_one_slot_a_customer(
    told: Callable[..., Scene],
) -> None:
    scene = told(windows=[ONE_A_DAY])
    customers = [f"c{number}" for number in range(20)]
    with scene.together():
        for number in range(10):
            scene.ask(f"i{number}", *customers, account=f"account-{number}", if_not_now="deny")
    for customer in customers:
        stories = [scene.story(f"i{number}", customer) for number in range(10)]
        assert stories.count(["approved ok"]) == 1, customer
    assert len(scene.sent("direct")) == len(customers)


@pytest.mark.rule("R1.4")
def test_the_same_customer_of_another_enterprise_is_another(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    here = told(world, windows=[{**ONE_A_DAY, "rolling": "90d"}], consent={"ask_first": []})
    here.ask("1")
    here.hear("consent", allowed=False)
    there = Scene(world, "acme-2")
    there.policy(1, windows=[ONE_A_DAY], consent={"ask_first": []})
    there.ask("1")
    there.expect("1", "approved ok")
    here.ask("2")
    here.expect("2", "denied no_consent consent")


@pytest.mark.rule("R1.8")
def test_the_same_id_of_another_source_is_another_intent(told: Callable[..., Scene]) -> None:
    scene = told(windows=[TWO_A_DAY])
    key = events.key("acme", "xiaoer")
    data = {
        "enterprise_id": "acme",
        "account_id": "xiaoer",
        "kind": "direct",
        "customer_ids": ["ann"],
    }
    for source in ("crm", "shop", "crm"):
        scene.put(INTENTS, key, events.event("1", "intent", data, source))
    found = scene.decisions("1")
    assert [(d["intent_source"], d["outcome"]) for d in found] == [
        ("crm", "approved"),
        ("shop", "approved"),
        ("crm", "duplicate"),
    ]
    assert found[2]["decision_id"] == found[0]["decision_id"] != found[1]["decision_id"]


@pytest.mark.rule("R1.8")
def test_the_same_id_for_another_customer_is_another_intent(told: Callable[..., Scene]) -> None:
    scene = told(windows=[TWO_A_DAY])
    scene.ask("1", "ann")
    scene.ask("1", "ann", "bob")
    scene.expect("1", "approved ok", "duplicate duplicate", customer="ann")
    scene.expect("1", "approved ok", customer="bob")


@pytest.mark.rule("R1.6")
@pytest.mark.parametrize("first", ["approved", "denied", "deferred", "held_out", "expired"])
def test_a_repeat_is_a_duplicate_whatever_the_first_outcome_was(
    told: Callable[..., Scene], first: str
) -> None:
    sections: dict[str, Any] = {"windows": [ONE_A_DAY]}
    if first == "held_out":
        sections["holdout"] = {"share": "99.9999%", "kinds": ["direct"]}
    scene = told(**sections)
    if first in {"denied", "deferred"}:
        scene.ask("before")
    more: dict[str, Any] = {"if_not_now": "deny"} if first == "denied" else {}
    if first == "expired":
        more["deadline_ms"] = scene.start_ms - 1
    scene.ask("1", **more)
    scene.ask("1", **more)
    assert [d["outcome"] for d in scene.decisions("1")] == [first, "duplicate"]
    assert len({d["decision_id"] for d in scene.decisions("1")}) == 1


@pytest.mark.rule("R1.13")
def test_every_no_of_a_policy_names_its_rule(told: Callable[..., Scene]) -> None:
    scene = told(
        windows=[ONE_A_DAY],
        reply={"credits": 1, "within": "48h"},
        friends={"required": True},
        consent={"ask_first": ["moment"]},
        suppression={"kinds": ["friend_request"], "account": "forever", "enterprise": "30d"},
        quiet_hours={"kinds": ["broadcast"], "from": "09:00", "to": "11:00"},
    )
    scene.hear("friend_added", initiated_by="customer")
    scene.hear("complained")
    scene.ask("1")
    for kind, rule, from_on in [
        ("direct", "two-a-day", True),
        ("reply", "reply", False),
        ("moment", "consent", False),
        ("friend_request", "suppression", False),
    ]:
        scene.ask(kind, kind=kind, if_not_now="deny")
        decision = scene.decisions(kind)[0]
        assert (decision["outcome"], decision["rule"]) == ("denied", rule)
        assert ("eligible_at_ms" in decision) == from_on
    scene.ask("night", "bob", kind="broadcast", if_not_now="deny")
    assert scene.story("night", "bob") == ["denied not_friend friends"]
