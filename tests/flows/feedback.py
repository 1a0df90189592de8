"""Flows of feedback: what customers and platforms say of a message, and whose affair that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.flows.accounts import BRAKE, CEILINGS, ONE_A_SECOND, complain
from tests.flows.table import flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene

DISTURBING = ("direct", "broadcast", "moment", "friend_request")


@pytest.mark.rule("R6.1", "R1.13")
@flow(brake=BRAKE)
def an_account_that_is_off_disturbs_nobody_whatever_the_policy_lists(scene: Scene) -> None:
    for moment in ("0s", "3h1s"):
        scene.at(moment)
        complain(scene, 8)
    assert scene.limits("xiaoer")["grade"] == "off"
    for version, sections in ((1, None), (2, {}), (3, {"pacing": ONE_A_SECOND})):
        if sections is not None:
            scene.policy(version, **sections)
        for kind in DISTURBING:
            scene.ask(f"{kind}-{version}", "x", kind=kind)
            brake = ["brake"] if version == 1 and kind in BRAKE["kinds"] else []  # else no rule's
            scene.expect(
                f"{kind}-{version}", " ".join(["deferred account_paused", *brake]), customer="x"
            )
        for kind in ("transactional", "reply"):
            scene.ask(f"{kind}-{version}", "x", kind=kind)
            scene.expect(f"{kind}-{version}", "approved ok", customer="x")


# --- whose message it is --------------------------------------------------------------------------

OVER = {"over": "7d", "from": 5, "confidence": "80%"}
REPUTATION: Any = {
    "red": {"above": "10%"} | OVER,
    "green": {"below": "5%"} | OVER,
    "hold": "24h",
}
CANARY = {
    "kinds": ["broadcast", "moment"],
    "steps": ["50%", "100%"],
    "hold": "30m",
    "from_size": 100,
}
TEN = [f"c{number}" for number in range(10)]


def send(scene: Scene, name: str, *customers: str, account: str = "xiaoer") -> None:
    """A campaign to these customers, approved and delivered."""
    more: Any = {"campaign_id": name, "campaign_size": 10}
    scene.ask(name, *customers, kind="broadcast", account=account, **more)
    for customer in customers:
        scene.receipt("delivered", name, customer)


def named(scene: Scene, intent: str, customer: str) -> dict[str, str]:
    return {"decision_id": scene.decisions(intent, customer)[0]["decision_id"]}


def charged(scene: Scene, campaign: str) -> float:
    told = [s for s in scene.everything("campaign-status") if s["campaign_id"] == campaign]
    return told[-1]["complaints"] if told else 0


def cost(scene: Scene, account: str) -> float:
    told = [d for d in scene.everything("account-limits") if d["account_id"] == account]
    return told[-1]["complaints"] if told else 0


@pytest.mark.rule("R6.2")
@flow(canary=CANARY, reputation=REPUTATION)
def a_complaint_is_charged_to_the_message_that_it_names(scene: Scene) -> None:
    send(scene, "bad", *TEN)
    scene.at("1h")
    send(scene, "good", *TEN)
    for customer in TEN[:4]:
        scene.hear("complained", customer, **named(scene, "bad", customer))
    assert (charged(scene, "bad"), charged(scene, "good")) == (4, 0)
    told = scene.everything("campaign-status")
    assert {s["campaign_id"] for s in told if s["phase"] == "paused"} == {"bad"}
    scene.hear("blocked", TEN[4], **named(scene, "bad", TEN[4]))
    scene.hear("consent", TEN[5], allowed=False, account_id=None, **named(scene, "bad", TEN[5]))
    assert (charged(scene, "bad"), charged(scene, "good")) == (5.5, 0)


@pytest.mark.rule("R6.2", "R8.15")
@flow(
    canary=CANARY,
    reputation=REPUTATION,
    suppression={"kinds": list(DISTURBING[:3]), "account": "forever", "enterprise": "1h"},
)
def a_handover_and_a_wrong_name_change_nothing_of_whose_message_it_was(scene: Scene) -> None:
    send(scene, "bad", *TEN)
    for customer in TEN[:3]:
        scene.hear("transferred", customer, to_account_id="taker")
    scene.at("1m")
    for customer, teller in zip(TEN[:4], ("xiaoer", "taker", "gateway", "gateway"), strict=True):
        scene.hear("complained", customer, account_id=teller, **named(scene, "bad", customer))
    assert charged(scene, "bad") == 4
    assert [cost(scene, name) for name in ("xiaoer", "taker", "gateway")] == [4, 0, 0]
    scene.at("2h")
    for customer in TEN[:4]:
        for account in ("taker", "gateway"):
            scene.ask(f"after-{account}", customer, account=account)
            scene.expect(f"after-{account}", "approved ok", customer=customer)
    scene.ask("again", TEN[3])
    scene.expect("again", "denied suppressed suppression", customer=TEN[3])


@pytest.mark.rule("R6.3")
@flow(canary=CANARY, reputation=REPUTATION)
def without_a_name_it_is_about_the_last_that_was_delivered_and_disturbs(scene: Scene) -> None:
    send(scene, "sent", *TEN)
    scene.at("1h")
    for customer in TEN:
        scene.ask("notice", customer, kind="transactional")
        scene.receipt("delivered", "notice", customer)
    more: Any = {"campaign_id": "unsent", "campaign_size": 10}
    scene.ask("unsent", *TEN, kind="broadcast", **more)
    scene.hear("complained", TEN[0])
    scene.hear("blocked", TEN[1])
    scene.hear("consent", TEN[2], allowed=False)
    assert (charged(scene, "sent"), charged(scene, "unsent")) == (2.5, 0)
    scene.at("2h")
    scene.receipt("delivered", "unsent", TEN[3])
    scene.hear("complained", TEN[3], occurred_at_ms=scene.start_ms + 5_400_000)
    assert (charged(scene, "sent"), charged(scene, "unsent")) == (3.5, 0)
    scene.hear("complained", TEN[4], decision_id="0" * 32)
    assert (charged(scene, "sent"), charged(scene, "unsent")) == (3.5, 0)
    assert cost(scene, "xiaoer") == 4.5


# --- one person -----------------------------------------------------------------------------------


@pytest.mark.rule("R6.4")
@flow(canary=CANARY, reputation=REPUTATION)
def one_person_s_complaints_of_one_message_count_as_the_heaviest(scene: Scene) -> None:
    send(scene, "bad", *TEN)
    name = named(scene, "bad", "c0")
    for what, cost_so_far in (("consent", 0.5), ("complained", 1), ("blocked", 1), ("consent", 1)):
        more = {"allowed": False} if what == "consent" else {}
        scene.hear(what, "c0", f"{what}{cost_so_far}", **name, **more)
        assert cost(scene, "xiaoer") == charged(scene, "bad") == cost_so_far
    scene.hear("complained", "c0", "unnamed")  # about the same, as it names none
    assert cost(scene, "xiaoer") == charged(scene, "bad") == 1
    scene.at("2d")
    scene.hear("complained", "c0", "later", **name)
    assert cost(scene, "xiaoer") == charged(scene, "bad") == 1


@pytest.mark.rule("R6.4")
@flow(canary=CANARY, reputation=REPUTATION)
def without_a_name_one_person_counts_once_a_day_and_account(scene: Scene) -> None:
    send(scene, "bad", "x", *TEN)
    for account in ("xiaoer", "other"):
        scene.hear("complained", "c0", f"1-{account}", account_id=account)
        scene.hear("complained", "nobody", f"1-{account}", account_id=account)
    assert [cost(scene, account) for account in ("xiaoer", "other")] == [2, 2]
    scene.at("12h")
    send(scene, "next", "c0")
    scene.at("23h59m59s999ms")
    for customer in ("c0", "nobody"):
        scene.hear("complained", customer, "2")
    assert cost(scene, "xiaoer") == 2
    assert (charged(scene, "bad"), charged(scene, "next")) == (1, 0)
    scene.at("1d")
    for customer in ("c0", "nobody"):
        scene.hear("complained", customer, "3")
    assert cost(scene, "xiaoer") == 4
    assert (charged(scene, "bad"), charged(scene, "next")) == (1, 1)


@pytest.mark.rule("R6.4")
@flow(brake=BRAKE)
def one_person_alone_brakes_nobody(scene: Scene) -> None:
    for number in range(15):
        scene.hear("complained", "angry", f"{number}")
        scene.hear("blocked", "angry", f"b{number}")
    assert scene.limits("xiaoer")["grade"] == "new"


@pytest.mark.rule("R6.4")
@flow(brake=BRAKE, reputation=REPUTATION | {"weights": {"opt_out": 1}})
def of_words_as_heavy_the_brake_hears_the_complaint_in_either_order(scene: Scene) -> None:
    words: Any = ({"what": "consent", "allowed": False}, {"what": "complained"})
    for account, customers, told in (("a", TEN[:4], words), ("b", TEN[4:8], words[::-1])):
        send(scene, f"to-{account}", *customers, account=account)
        for customer in customers:
            about = named(scene, f"to-{account}", customer)
            for word in told:
                scene.hear(customer=customer, **word, **about)
        assert (cost(scene, account), scene.limits(account)["grade"]) == (4, "paused")


# --- receipts -------------------------------------------------------------------------------------


@pytest.mark.rule("R2.30")
@flow(reputation=REPUTATION, ceilings=CEILINGS, friends={"required": False})
def a_receipt_is_the_message_s_own_account_s_whoever_reports_it(scene: Scene) -> None:
    for customer in TEN[:3]:
        scene.ask("d", customer)
        scene.receipt("delivered", "d", customer, account_id="gateway")
    assert scene.limits("xiaoer")["delivered"] == 3
    scene.ask("f", "x", kind="friend_request")
    assert scene.limits("xiaoer")["adds_today"] == 1
    scene.receipt("failed", "f", "x", account_id="gateway")
    assert scene.limits("xiaoer")["adds_today"] == 0
    scene.ask("e", "c3")
    scene.receipt("failed", "e", "c3", account_id="other", reason="not_friend")
    scene.ask("g", "c3")
    scene.expect("g", "denied not_friend friends", customer="c3")
    scene.ask("h", "c3", account="other")
    scene.expect("h", "approved ok", customer="c3")
    assert [d for d in scene.everything("account-limits") if d["account_id"] == "gateway"] == []


@pytest.mark.rule("R2.31")
@flow(
    windows=[
        {"id": "day", "kinds": ["broadcast"], "scope": "enterprise", "limit": 1, "calendar": "day"}
    ]
)
def a_slot_that_was_used_outside_is_used_until_its_period_ends(scene: Scene) -> None:
    for name, tells in (
        ("a", ("already_received",)),
        ("b", ("not_sent", "already_received")),
        ("c", ("already_received", "not_sent", "already_received")),
    ):
        scene.ask("first", name, kind="broadcast", account=f"one-{name}")
        for reason in tells:
            scene.receipt("failed", "first", name, reason=reason)
        scene.ask("second", name, kind="broadcast", account="two")
        scene.expect("second", "deferred window_full day +14h", customer=name)
    scene.at("14h")
    for name in "abc":
        assert scene.story("second", name)[-1] == "approved ok"


# --- handovers ------------------------------------------------------------------------------------


@pytest.mark.rule("R8.16")
@flow(
    windows=[
        {"id": "t", "kinds": ["transfer"], "scope": "enterprise", "limit": 2, "rolling": "90d"}
    ]
)
def a_handover_that_is_told_twice_counts_once(scene: Scene) -> None:
    scene.hear("transferred", event_id="callback", to_account_id="taker")
    scene.at("5m")
    scene.hear("transferred", event_id="poll", to_account_id="taker")
    scene.ask("t", kind="transfer", account="taker", to_account_id="third")
    assert scene.story("t") == ["approved ok"]
    scene.hear("transferred", account_id="taker", to_account_id="third")
    scene.at("10m")
    scene.hear("transferred", account_id="taker", to_account_id="third")
    scene.ask("u", kind="transfer", account="third", to_account_id="taker")
    assert scene.story("u")[0].startswith("denied transfer_limit t")


@pytest.mark.rule("R8.16")
@flow(
    windows=[
        {"id": "t", "kinds": ["transfer"], "scope": "enterprise", "limit": 2, "rolling": "90d"}
    ]
)
def a_handover_is_not_new_because_its_taker_has_lost_the_customer_since(scene: Scene) -> None:
    then: Any = {"to_account_id": "taker", "occurred_at_ms": scene.start_ms}
    scene.hear("transferred", event_id="callback", **then)
    scene.at("1m")
    scene.hear("friend_removed", account_id="taker")
    scene.at("2m")
    scene.hear("transferred", event_id="poll", **then)
    scene.ask("t", kind="transfer", account="taker", to_account_id="third")
    assert scene.story("t") == ["approved ok"]
    scene.hear("transferred", account_id="taker", to_account_id="third")
    scene.at("3m")
    scene.hear("transferred", event_id="late poll", **then)
    scene.ask("d", account="third")
    assert scene.limits("third")["relations"] == 1


# --- what counts how long -------------------------------------------------------------------------


def over(red: str, green: str) -> Any:
    return {
        "red": REPUTATION["red"] | {"over": red},
        "green": REPUTATION["green"] | {"over": green},
        "hold": "24h",
    }


@pytest.mark.rule("R6.5")
@flow(reputation=over("20s", "60s"))
def a_window_of_seconds_is_kept_to_a_twentieth(scene: Scene) -> None:
    send(scene, "b", *TEN)
    scene.hear("complained", "c0")
    scene.at("19s999ms")
    assert (scene.limits("xiaoer")["delivered"], cost(scene, "xiaoer")) == (10, 1)
    scene.at("21s")
    assert (scene.limits("xiaoer")["delivered"], cost(scene, "xiaoer")) == (0, 0)
    assert scene.limits("xiaoer")["complaint_rate_high"] < 1
    scene.at("61s")
    assert scene.limits("xiaoer")["complaint_rate_high"] == 1


@pytest.mark.rule("R6.5")
@flow(reputation=over("1h", "20h"))
def another_policy_s_windows_count_what_is_known(scene: Scene) -> None:
    send(scene, "b", *TEN)
    scene.at("40m")
    scene.policy(2, reputation=over("30m", "10h"))
    scene.at("41m")
    assert scene.limits("xiaoer")["delivered"] == 0
    scene.policy(3, reputation=over("1h", "5h"))
    scene.at("42m")
    assert scene.limits("xiaoer")["delivered"] == 10
    scene.at("1h3m")
    assert scene.limits("xiaoer")["delivered"] == 0


@pytest.mark.rule("R6.6")
@flow(reputation=REPUTATION)
def a_policy_that_needs_too_many_counters_is_refused(scene: Scene) -> None:
    placed = scene.policy(2, reputation=over("1h", "21h"))
    error = scene.letter(placed)["error"]
    assert "reputation.green.over" in error
    assert "21h takes 420 counters an account, one every 3m, a twentieth of `red.over`" in error
    assert error.endswith(
        "the most is 400: `red.over`, which is 1h, may be 63m at the least, or this 20h at the most"
    )


@pytest.mark.rule("R6.6")
@flow(reputation=REPUTATION)
def a_window_below_twenty_seconds_takes_a_counter_a_second(scene: Scene) -> None:
    before = len(scene.letters())  # other flows' on the same topics
    placed = scene.policy(2, reputation=over("10s", "500s"))
    assert scene.letter(placed)["error"].endswith(
        "500s takes 500 counters an account, one every 1s, the finest there is; the most is 400:"
        " `red.over`, which is 10s, may be 25s at the least, or this 400s at the most"
    )
    scene.policy(2, reputation=over("10s", "400s"))
    scene.policy(3, reputation=over("25s", "500s"))
    assert len(scene.letters()) == before + 1


def ago(scene: Scene, ms: int) -> Any:
    return {"occurred_at_ms": scene.world.now_ms - ms}


@pytest.mark.rule("R6.7")
@flow(brake=BRAKE | {"pauses": ["3h", "6h", "off"]}, reputation=REPUTATION)
def what_an_alarm_has_settled_raises_no_other(scene: Scene) -> None:
    complain(scene, 8)
    assert scene.limits("xiaoer")["grade"] == "paused"
    scene.at("3h5m")
    for number in range(12):
        early = ago(scene, 3_900_000 if number % 2 else 11_400_000)  # in the pause, and before it
        scene.hear("complained", f"late-{number}", **early)
    assert scene.limits("xiaoer")["grade"] != "paused"
    complain(scene, 8)
    assert scene.limits("xiaoer")["grade"] == "paused"


@pytest.mark.rule("R6.7")
@flow(brake=BRAKE, reputation=REPUTATION)
def nothing_of_before_a_reinstatement_counts(scene: Scene) -> None:
    complain(scene, 8)
    scene.at("1h15m")
    scene.tell_status("xiaoer", "reinstated")
    scene.at("1h20m")
    for number in range(6):
        scene.hear("complained", f"late-{number}", **ago(scene, 600_000))
    assert (scene.limits("xiaoer")["grade"], cost(scene, "xiaoer")) == ("new", 0)
    scene.hear("complained", "fresh", **ago(scene, 240_000))
    assert cost(scene, "xiaoer") == 1


@pytest.mark.rule("R6.8")
@flow(brake=BRAKE)
def what_is_old_brakes_nobody(scene: Scene) -> None:
    for days in (200, 30, 8):
        for number in range(8):
            scene.hear("complained", f"{days}-{number}", **ago(scene, days * 86_400_000))
    assert all(d["grade"] == "new" for d in scene.everything("account-limits"))


@pytest.mark.rule("R4.26", "R6.8")
@flow(
    reputation=REPUTATION,
    brake=BRAKE,
    suppression={"kinds": ["direct"], "account": "2h", "enterprise": "2h"},
)
def no_complaint_is_older_than_what_it_is_about(scene: Scene) -> None:
    scene.at("8d")
    scene.ask("d", *TEN)
    for customer in TEN:
        scene.receipt("delivered", "d", customer)
    for customer in TEN[:2]:
        early = ago(scene, 8 * 86_400_000)
        scene.hear("complained", customer, **named(scene, "d", customer), **early)
        scene.ask("again", customer, account="other")
        scene.expect("again", "denied suppressed suppression +8d2h", customer=customer)
    assert cost(scene, "xiaoer") == 2
    scene.hear("complained", TEN[2], **ago(scene, 8 * 86_400_000))
    assert cost(scene, "xiaoer") == 2
    scene.hear("complained", TEN[3], **named(scene, "d", TEN[3]))
    scene.hear("complained", TEN[4], **named(scene, "d", TEN[4]))
    assert cost(scene, "xiaoer") == 4
