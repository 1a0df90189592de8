"""Flows of windows, gaps and times: what is too early, and from when it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.flows.accounts import ONE_A_SECOND
from tests.flows.table import TWO_A_DAY, flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene

GAP: Final = {"id": "gap", "kinds": ["direct"], "scope": "enterprise", "min_gap": "4h"}


@pytest.mark.rule("R2.2", "R2.7", "R2.8", "R5.4")
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


@pytest.mark.rule("R2.12", "R5.5")
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


@pytest.mark.rule("R2.15", "R5.5")
@flow(windows=[TWO_A_DAY])
def a_failed_message_frees_its_slot_at_once(scene: Scene) -> None:
    scene.ask("1")
    scene.ask("2")
    scene.ask("3")
    scene.at("5m")
    scene.receipt("failed", "1")
    scene.expect("3", "deferred window_full two-a-day +1d1h", "approved ok")
    assert scene.decided_at("3") == "5m"


@pytest.mark.rule("R2.16")
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


@pytest.mark.rule("R2.13", "R2.17")
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


@pytest.mark.rule("R2.6")
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


@pytest.mark.rule("R2.3", "R2.7", "R2.20")
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


@pytest.mark.rule("R2.7")
@flow(
    windows=[{"id": "once", "kinds": ["moment"], "scope": "campaign", "limit": 1, "rolling": "7d"}]
)
def a_campaign_has_windows_of_its_own(scene: Scene) -> None:
    scene.ask("1", kind="moment", campaign_id="spring", if_not_now="deny")
    scene.ask("2", kind="moment", campaign_id="spring", if_not_now="deny", account="other")
    scene.ask("3", kind="moment", campaign_id="summer", if_not_now="deny")
    assert [scene.story(i)[0].split()[0] for i in "123"] == ["approved", "denied", "approved"]


@pytest.mark.rule("R5.9")
@flow(windows=[TWO_A_DAY | {"reserve": {"slots": 1, "priority": 80}}])
def the_last_slot_is_kept_for_the_urgent(scene: Scene) -> None:
    scene.ask("1")
    scene.receipt("delivered", "1", at="0s")
    scene.ask("2", priority=79)
    scene.expect("2", "deferred slot_reserved two-a-day +1d")
    scene.ask("3", priority=80)
    scene.expect("3", "approved ok")


@pytest.mark.rule("R4.1", "R4.4", "R5.4")
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


@pytest.mark.rule("R4.3")
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


@pytest.mark.rule("R3.7", "R3.8")
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


@pytest.mark.rule("R5.6")
@flow(windows=[TWO_A_DAY], deadline={"default": "24h", "broadcast": "24h"}, pacing=ONE_A_SECOND)
def what_is_for_days_ahead_is_not_given_up_before(scene: Scene) -> None:
    scene.ask("1", not_before_ms=scene.start_ms + 3 * 86_400_000)
    scene.ask("2", kind="broadcast", not_before_ms=scene.start_ms + 3 * 86_400_000)
    scene.at("3d")
    scene.expect("1", "deferred not_yet +3d", "approved ok")
    scene.expect("2", "deferred not_yet +3d", "approved ok")


@pytest.mark.rule("R5.11")
@flow(windows=[TWO_A_DAY])
def who_may_be_sent_to_at_no_time_is_refused_whole(scene: Scene) -> None:
    asked = scene.ask("1", not_before_ms=scene.start_ms + 2, deadline_ms=scene.start_ms + 1)
    letter = scene.letter(asked)
    assert letter["reason"] == "invalid"
    scene.expect("1")


@pytest.mark.rule("R5.2", "R5.3")
@flow(windows=[TWO_A_DAY])
def not_before_its_time(scene: Scene) -> None:
    scene.ask("1", not_before_ms=scene.start_ms + 3_600_000)
    scene.expect("1", "deferred not_yet +1h")
    scene.at("1h")
    scene.expect("1", "deferred not_yet +1h", "approved ok")
    scene.ask("2", not_before_ms=scene.start_ms + 7_200_000, if_not_now="deny")
    scene.expect("2", "denied not_yet +2h")
