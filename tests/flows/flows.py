"""The flows: what is asked and heard, and the decisions it must lead to, outcome by outcome.

Each is told once and played in every world (`test_flows.py`, `tests/kafka/test_flows.py`). A flow
has an enterprise, customers and accounts to itself. Times count from its start, ten in the morning
UTC. Add one by writing a function under `@flow`; what holds for all of them is checked afterwards.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

FLOWS: Final[list[Flow]] = []

TWO_A_DAY: Final = {
    "id": "two-a-day",
    "kinds": ["direct", "broadcast"],
    "scope": "enterprise",
    "limit": 2,
    "rolling": "24h",
}
GAP: Final = {"id": "gap", "kinds": ["direct"], "scope": "enterprise", "min_gap": "4h"}
REPLY: Final = {"credits": 2, "within": "48h"}
SUPPRESSION: Final = {"kinds": ["direct", "moment"], "account": "forever", "enterprise": "30d"}


class Flow(NamedTuple):
    """`sections`: the policy published before the flow begins; None: the packaged one."""

    name: str
    sections: dict[str, Any] | None
    play: Callable[[Scene], None]


def flow(**sections: Any) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Enter a function into the table; `sections` are those of its policy."""

    def enter(play: Callable[[Scene], None]) -> Callable[[Scene], None]:
        FLOWS.append(Flow(play.__name__, sections or None, play))
        return play

    return enter


# --- windows, gaps, time ------------------------------------------------------------------------


@flow(windows=[TWO_A_DAY])
def a_full_window_holds_until_the_first_contact_is_a_day_old(scene: Scene) -> None:
    scene.ask("1")
    scene.receipt("delivered", "1", at="0s")
    scene.at("1h")
    scene.ask("2", kind="broadcast", account="other")
    scene.receipt("delivered", "2", at="1h")
    scene.at("2h")
    scene.ask("3", deadline_ms=scene.start_ms + 172_800_000)
    scene.expect("3", "deferred window_full two-a-day +1d")
    scene.at("23h59m59s999ms")
    scene.expect("3", "deferred window_full two-a-day +1d")
    scene.at("1d")
    scene.expect("3", "deferred window_full two-a-day +1d", "approved ok")
    assert scene.decided_at("3") == "1d"
    scene.expect("1", "approved ok")
    scene.expect("2", "approved ok")


@flow(windows=[TWO_A_DAY], validity={"direct": "1h"})
def without_a_receipt_a_message_counts_from_the_last_moment_it_may_be_sent(scene: Scene) -> None:
    scene.ask("1")
    scene.ask("2")
    scene.ask("3", deadline_ms=scene.start_ms + 172_800_000)
    scene.expect("3", "deferred window_full two-a-day +1d1h")
    scene.at("30m")
    scene.receipt("delivered", "1", at="10m")
    scene.expect(
        "3", "deferred window_full two-a-day +1d1h", "deferred window_full two-a-day +1d10m"
    )
    scene.at("2d")
    assert scene.decided_at("3") == "1d10m"


@flow(windows=[TWO_A_DAY])
def a_failed_message_frees_its_slot_at_once(scene: Scene) -> None:
    scene.ask("1")
    scene.ask("2")
    scene.ask("3")
    scene.at("5m")
    scene.receipt("failed", "1")
    scene.expect("3", "deferred window_full two-a-day +1d1h", "approved ok")
    assert scene.decided_at("3") == "5m"


@flow(windows=[TWO_A_DAY])
def a_delivery_beats_a_failure_in_either_order(scene: Scene) -> None:
    scene.ask("1")
    scene.ask("2")
    scene.receipt("failed", "1")
    scene.receipt("delivered", "1", at="0s")
    scene.receipt("delivered", "2", at="0s")
    scene.receipt("failed", "2")
    scene.receipt("delivered", "2", at="0s", event_id="again")
    scene.ask("3", if_not_now="deny")
    scene.expect("3", "denied window_full two-a-day +1d")


@flow(windows=[TWO_A_DAY])
def receipts_for_nobody_and_from_the_future_change_nothing_they_should_not(scene: Scene) -> None:
    scene.hear("delivered", decision_id="0" * 32)
    scene.hear("failed", decision_id="no-decision", reason="other")
    scene.ask("1")
    scene.receipt("delivered", "1", at="30d")
    scene.ask("2")
    scene.receipt("delivered", "2", at="0s")
    scene.ask("3", if_not_now="deny")
    scene.expect("3", "denied window_full two-a-day +1d")


@flow(windows=[GAP])
def a_gap_is_over_to_the_millisecond(scene: Scene) -> None:
    scene.ask("1")
    scene.receipt("delivered", "1", at="0s")
    scene.at("3h59m59s999ms")
    scene.ask("2", if_not_now="deny")
    scene.expect("2", "denied min_gap gap +4h")
    scene.at("4h")
    scene.ask("3", if_not_now="deny")
    scene.expect("3", "approved ok")


@flow(
    windows=[
        {"id": "ours", "kinds": ["broadcast"], "scope": "account", "limit": 1, "calendar": "day"}
    ]
)
def an_account_s_day_ends_at_midnight_and_binds_that_account_alone(scene: Scene) -> None:
    scene.ask("1", kind="broadcast")
    scene.ask("2", kind="broadcast")
    scene.expect("2", "deferred account_window_full ours +14h")
    scene.ask("3", kind="broadcast", account="other")
    scene.expect("3", "approved ok")
    assert scene.sent("broadcast")[0]["send_by_ms"] == scene.start_ms + 14 * 3_600_000 - 1
    scene.at("14h")
    scene.expect("2", "deferred account_window_full ours +14h", "approved ok")
    assert scene.decided_at("2") == "14h"


@flow(
    windows=[{"id": "once", "kinds": ["moment"], "scope": "campaign", "limit": 1, "rolling": "7d"}]
)
def a_campaign_has_windows_of_its_own(scene: Scene) -> None:
    scene.ask("1", kind="moment", campaign_id="spring", if_not_now="deny")
    scene.ask("2", kind="moment", campaign_id="spring", if_not_now="deny", account="other")
    scene.ask("3", kind="moment", campaign_id="summer", if_not_now="deny")
    assert [scene.story(i)[0].split()[0] for i in "123"] == ["approved", "denied", "approved"]


@flow(windows=[TWO_A_DAY | {"reserve": {"slots": 1, "priority": 80}}])
def the_last_slot_is_kept_for_the_urgent(scene: Scene) -> None:
    scene.ask("1")
    scene.receipt("delivered", "1", at="0s")
    scene.ask("2", priority=79)
    scene.expect("2", "deferred slot_reserved two-a-day +1d")
    scene.ask("3", priority=80)
    scene.expect("3", "approved ok")


@flow(quiet_hours={"kinds": ["direct"], "from": "21:30", "to": "08:30"})
def quiet_hours_hold_until_morning_and_let_replies_and_notices_pass(scene: Scene) -> None:
    scene.at("11h29m59s999ms")
    scene.ask("1")
    scene.expect("1", "approved ok")
    scene.at("11h30m")
    scene.ask("2")
    scene.ask("3", kind="transactional")
    scene.ask("4", kind="reply")
    scene.expect("2", "deferred quiet_hours quiet_hours +22h30m")
    scene.expect("3", "approved ok")
    scene.expect("4", "approved ok")
    scene.hear("consent", allowed=True, kinds=[], quiet_hours={"from": "00:00", "to": "06:00"})
    scene.expect("2", "deferred quiet_hours quiet_hours +22h30m", "approved ok")


@flow(
    quiet_hours={"kinds": ["direct"], "from": "21:30", "to": "08:30"},
    unknown_zone="deny",
)
def an_unknown_zone_can_be_a_no(scene: Scene) -> None:
    scene.ask("1")
    scene.expect("1", "denied quiet_hours unknown_zone")
    scene.hear("consent", allowed=True, kinds=[], time_zone="Asia/Shanghai")
    scene.ask("2")
    scene.expect("2", "approved ok")


@flow(silence={"kinds": ["direct"], "ignored": 2, "first": "5d", "factor": 2, "longest": "30d"})
def silence_is_answered_with_silence_until_somebody_speaks(scene: Scene) -> None:
    for number in ("1", "2"):
        scene.ask(number)
        scene.receipt("delivered", number, at="0s")
    scene.ask("3", deadline_ms=scene.start_ms + 6 * 86_400_000)
    scene.expect("3", "deferred silence_backoff silence +5d")
    scene.at("1d")
    scene.hear("engaged", action="click")
    scene.expect("3", "deferred silence_backoff silence +5d", "approved ok")


@flow(windows=[TWO_A_DAY])
def not_before_its_time(scene: Scene) -> None:
    scene.ask("1", not_before_ms=scene.start_ms + 3_600_000)
    scene.expect("1", "deferred not_yet +1h")
    scene.at("1h")
    scene.expect("1", "deferred not_yet +1h", "approved ok")
    scene.ask("2", not_before_ms=scene.start_ms + 7_200_000, if_not_now="deny")
    scene.expect("2", "denied not_yet +2h")


# --- what is held -------------------------------------------------------------------------------


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


@flow(windows=[TWO_A_DAY], max_held=2)
def the_least_urgent_yields_when_too_many_wait(scene: Scene) -> None:
    scene.ask("1")
    scene.ask("2")
    for name, priority in (("high", 70), ("low", 20), ("middle", 50)):
        scene.ask(name, priority=priority)
    scene.expect("low", "deferred window_full two-a-day +1d1h", "denied too_many_held max_held")
    scene.ask("lowest", priority=1)
    scene.expect("lowest", "denied too_many_held max_held")
    scene.expect("high", "deferred window_full two-a-day +1d1h")


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


@flow(remember="1h")
def after_the_policy_s_memory_a_repeat_is_new(scene: Scene) -> None:
    scene.ask("1")
    scene.at("59m59s999ms")
    scene.ask("1")
    scene.expect("1", "approved ok", "duplicate duplicate")
    scene.at("1h")
    scene.ask("1")
    scene.expect("1", "approved ok", "duplicate duplicate", "approved ok")


# --- the noes -----------------------------------------------------------------------------------


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


@flow(consent={"ask_first": []}, windows=[TWO_A_DAY])
def an_opt_out_ends_what_is_held(scene: Scene) -> None:
    for number in ("1", "2", "3"):
        scene.ask(number)
    scene.hear("consent", allowed=False)
    scene.expect("3", "deferred window_full two-a-day +1d1h", "denied no_consent consent")


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


@flow(holdout={"share": "50%", "kinds": ["direct"]})
def the_held_out_are_always_the_same(scene: Scene) -> None:
    customers = [f"c{number}" for number in range(40)]
    scene.ask("1", *customers)
    scene.ask("2", *customers)
    stories = [scene.story("1", customer) for customer in customers]
    assert stories == [scene.story("2", customer) for customer in customers]
    assert 8 < stories.count(["held_out holdout holdout"]) < 32


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


# --- policies -----------------------------------------------------------------------------------


@flow(windows=[TWO_A_DAY])
def a_new_version_is_in_force_from_its_time_on(scene: Scene) -> None:
    scene.policy(2, effective_at="2099-01-01T00:00:00Z", windows=[])
    scene.policy(3, effective_at=_at(scene, hours=2), windows=[{**TWO_A_DAY, "limit": 1}])
    scene.ask("1")
    scene.at("1h59m59s999ms")
    scene.ask("2")
    scene.at("2h")
    scene.ask("3", if_not_now="deny")
    assert [scene.decisions(i)[0]["policy_version"] for i in "123"] == [1, 1, 3]
    assert scene.decisions("3")[0]["remaining"] == {"two-a-day": 0}
    scene.expect("2", "approved ok")
    scene.expect("3", "denied window_full two-a-day +1d2h59m59s999ms")


@flow(windows=[TWO_A_DAY])
def a_broken_policy_is_refused_and_the_old_one_stays(scene: Scene) -> None:
    broken = scene.policy(2, windows=[{"id": "x", "kinds": ["direct"], "scope": "everyone"}])
    older = scene.policy(1, windows=[])
    again = scene.policy(1, windows=[TWO_A_DAY])
    letter = scene.letter(broken)
    assert letter["reason"] == "refused_policy"
    assert "windows[0]" in letter["error"]
    assert scene.letter(older)["reason"] == "refused_policy"
    assert not [x for x in scene.letters() if (x["topic"], x["offset"]) == (again[0], again[2])]
    scene.ask("1")
    assert scene.decisions("1")[0]["policy_version"] == 1


@flow()
def who_has_no_policy_has_the_packaged_one(scene: Scene) -> None:
    scene.ask("1", kind="transactional")
    decision = scene.decisions("1")[0]
    assert (decision["policy"], decision["policy_version"]) == ("wecom", 1)


def _at(scene: Scene, hours: int) -> str:
    moment = datetime.fromtimestamp(scene.start_ms / 1000 + 3600 * hours, UTC)
    return moment.isoformat().replace("+00:00", "Z")
