"""Flows of what no waiting mends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.flows.table import TWO_A_DAY, flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene

REPLY: Final = {"credits": 2, "within": "48h"}
SUPPRESSION: Final = {"kinds": ["direct", "moment"], "account": "forever", "enterprise": "30d"}


@pytest.mark.rule("R3.1", "R3.3", "R3.4")
@flow(reply=REPLY)
def a_reply_needs_a_call(scene: Scene) -> None:
    scene.ask("uncalled", kind="reply")
    scene.expect("uncalled", "denied no_reply_credit reply")
    assert scene.decisions("uncalled")[0]["wecom_errcode"] == 95002
    scene.hear("message_received")
    for number in ("1", "2", "3"):
        scene.ask(number, kind="reply")
    scene.expect("2", "approved ok")
    scene.expect("3", "denied no_reply_credit reply")
    assert scene.decisions("3")[0]["wecom_errcode"] == 95001
    scene.receipt("failed", "1")
    scene.ask("4", kind="reply")
    scene.expect("4", "approved ok")
    scene.ask("5", kind="reply", account="other")
    scene.expect("5", "denied no_reply_credit reply")


@pytest.mark.rule("R3.1", "R3.5")
@flow(reply=REPLY)
def a_credit_lasts_its_time_and_not_a_millisecond_more(scene: Scene) -> None:
    scene.hear("message_received")
    scene.at("1d23h59m59s999ms")
    scene.ask("1", kind="reply")
    scene.expect("1", "approved ok")
    assert scene.sent("reply")[0]["send_by_ms"] == scene.start_ms + 172_800_000 - 1
    scene.at("2d")
    scene.ask("2", kind="reply")
    scene.expect("2", "denied no_reply_credit reply")


@pytest.mark.rule("R4.6", "R4.7", "R4.9")
@flow(consent={"ask_first": ["moment"]})
def consent_acts_on_the_very_next_decision(scene: Scene) -> None:
    scene.ask("1", kind="moment")
    scene.expect("1", "denied no_consent consent")
    scene.hear("consent", allowed=True, kinds=["moment"])
    scene.ask("2", kind="moment")
    scene.expect("2", "approved ok")
    scene.at("1m")
    scene.hear("consent", allowed=False)
    for kind in ("direct", "broadcast", "moment", "friend_request", "transactional"):
        scene.ask(kind, kind=kind)
        scene.expect(kind, "denied no_consent consent")
    scene.ask("reply", kind="reply")
    scene.expect("reply", "approved ok")


@pytest.mark.rule("R4.6")
@flow(consent={"ask_first": []}, windows=[TWO_A_DAY])
def an_opt_out_ends_what_is_held(scene: Scene) -> None:
    for number in ("1", "2", "3"):
        scene.ask(number)
    scene.hear("consent", allowed=False)
    scene.expect("3", "deferred window_full two-a-day +1d1h", "denied no_consent consent")


@pytest.mark.rule("R4.10", "R1.13")
@flow(suppression=SUPPRESSION)
def a_complaint_silences_the_account_for_ever_and_the_enterprise_for_a_month(scene: Scene) -> None:
    scene.hear("complained")
    scene.ask("1")
    scene.ask("2", account="other")
    scene.ask("3", kind="transactional")
    scene.expect("1", "denied suppressed suppression")
    scene.expect("2", "denied suppressed suppression +30d")
    scene.expect("3", "approved ok")
    scene.at("30d")
    scene.ask("4")
    scene.ask("5", account="other")
    scene.expect("4", "denied suppressed suppression")
    scene.expect("5", "approved ok")


@pytest.mark.rule("R4.12", "R4.13")
@flow(suppression=SUPPRESSION, windows=[TWO_A_DAY])
def the_forgotten_are_left_alone(scene: Scene) -> None:
    for number in ("1", "2", "3"):
        scene.ask(number)
    scene.hear("erase")
    assert scene.story("3")[-1] == "cancelled suppressed"
    scene.ask("4")
    assert scene.story("4")[0].startswith("denied suppressed")
    scene.ask("5", "bob")
    scene.expect("5", "approved ok", customer="bob")


@pytest.mark.rule("R4.11")
@flow(friends={"required": True})
def strangers_are_not_written_to(scene: Scene) -> None:
    scene.ask("1")
    scene.expect("1", "denied not_friend friends")
    scene.hear("friend_added", initiated_by="customer")
    scene.ask("2")
    scene.expect("2", "approved ok")
    scene.receipt("failed", "2", reason="not_friend")
    scene.ask("3")
    scene.expect("3", "denied not_friend friends")
    scene.ask("4", kind="friend_request")
    scene.expect("4", "approved ok")


@pytest.mark.rule("R7.7")
@flow(holdout={"share": "50%", "kinds": ["direct"]})
def the_held_out_are_always_the_same(scene: Scene) -> None:
    customers = [f"c{number}" for number in range(40)]
    scene.ask("1", *customers)
    scene.ask("2", *customers)
    stories = [scene.story("1", customer) for customer in customers]
    assert stories == [scene.story("2", customer) for customer in customers]
    assert 8 < stories.count(["held_out holdout holdout"]) < 32


@pytest.mark.rule("R8.1", "R8.2")
@flow(
    windows=[
        {"id": "moves", "kinds": ["transfer"], "scope": "enterprise", "limit": 1, "rolling": "90d"}
    ]
)
def one_transfer_at_a_time_and_not_too_many(scene: Scene) -> None:
    scene.ask("1", kind="transfer", to_account_id="taker")
    scene.ask("2", kind="transfer", to_account_id="taker")
    scene.expect("1", "approved ok")
    assert scene.decisions("2")[0]["wecom_errcode"] == 40100
    scene.hear("transfer_failed", to_account_id="taker", reason="customer_refused")
    scene.ask("3", kind="transfer", to_account_id="taker")
    scene.expect("3", "approved ok")
    scene.hear("transferred", to_account_id="taker")
    scene.ask("4", kind="transfer", account="taker", to_account_id="third")
    scene.expect("4", "denied transfer_limit moves +90d")
    assert scene.decisions("4")[0]["wecom_errcode"] == 40128
