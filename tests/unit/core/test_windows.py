"""Windows to the millisecond."""

from __future__ import annotations

import pytest

from streams.core.kinds import ALL_KINDS, Kind
from streams.core.policy import DAYS_IN_MONTH, Calendar, Policy, Scope
from tests.unit.core.person import (
    DAY,
    HOUR,
    MARKETING,
    NOON,
    Person,
    calendar,
    kinds,
    ms,
    policy,
    rolling,
    validity,
)


def delivered_at_once(person: Person, kind: Kind, account: str = "a", **parts: object) -> str:
    intent = person.approved(kind, account, **parts)
    person.delivered(intent, account=account)
    return intent


# --- 2: rolling -----------------------------------------------------------------------------------


@pytest.mark.rule("R2.2")
@pytest.mark.parametrize("length_ms", [1, HOUR, DAY, 7 * DAY, 90 * DAY])
def test_rolling_contact_at_e_counts_until_e_plus_w(length_ms: int) -> None:
    person = Person(policy(rolling(1, length_ms)))
    delivered_at_once(person, Kind.DIRECT)
    early = person.at(NOON + length_ms - 1).ask(Kind.DIRECT, deny=True)
    assert (early.reason, early.eligible_at_ms) == ("window_full", NOON + length_ms)
    assert person.at(NOON + length_ms).ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R2.2")
def test_rolling_waits_for_as_many_contacts_to_leave_as_are_too_many() -> None:
    two_a_day = policy(rolling(2, DAY))
    person = Person(two_a_day)
    for hours in (0, 1):
        delivered_at_once(person.at(NOON + hours * HOUR), Kind.DIRECT)
    assert person.after(HOUR).ask(Kind.DIRECT).eligible_at_ms == NOON + DAY
    person.policy = policy(rolling(1, DAY), version=2)
    assert person.ask(Kind.DIRECT).eligible_at_ms == NOON + HOUR + DAY


@pytest.mark.rule("R2.2")
def test_rolling_counts_contacts_of_the_same_millisecond_each() -> None:
    person = Person(policy(rolling(2, DAY)))
    delivered_at_once(person, Kind.DIRECT)
    delivered_at_once(person, Kind.DIRECT)
    assert person.ask(Kind.DIRECT, deny=True).eligible_at_ms == NOON + DAY


@pytest.mark.rule("R2.12")
def test_reservation_counts_from_its_approval_on_though_its_time_lies_ahead() -> None:
    person = Person(policy(rolling(1, HOUR), **validity(DAY)))
    assert person.ask(Kind.DIRECT).send_by_ms == NOON + DAY
    verdict = person.after(1).ask(Kind.DIRECT)
    assert (verdict.reason, verdict.eligible_at_ms) == ("window_full", NOON + DAY + HOUR)


# --- 3: calendar ----------------------------------------------------------------------------------

PERIODS = [
    (Calendar.DAY, "2026-11-18 00:00", "2026-11-19 00:00"),
    (Calendar.WEEK, "2026-11-16 00:00", "2026-11-23 00:00"),
    (Calendar.MONTH, "2026-11-01 00:00", "2026-12-01 00:00"),
]


@pytest.mark.rule("R2.3")
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize(("length", "first", "following"), PERIODS)
def test_calendar_counts_start_until_next_start(
    length: Calendar, first: str, following: str, zone: str
) -> None:
    start_ms, next_ms = ms(first, zone), ms(following, zone)
    law = policy(calendar(1, length), time_zone=zone)
    person = Person(law, start_ms - 1)
    delivered_at_once(person, Kind.DIRECT)
    delivered_at_once(person.at(start_ms), Kind.DIRECT)
    last = person.at(next_ms - 1).ask(Kind.DIRECT, deny=True)
    assert (last.reason, last.eligible_at_ms) == ("window_full", next_ms)
    assert person.at(next_ms).ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R2.3")
def test_calendar_counts_a_contact_in_the_period_of_its_time_not_of_its_approval() -> None:
    person = Person(policy(calendar(1, Calendar.DAY)), ms("2026-11-18 23:59:59.999"))
    intent = person.approved(Kind.DIRECT)
    person.at(ms("2026-11-19 00:00"))
    assert person.ask(Kind.DIRECT, deny=True).outcome == "approved"
    person.delivered(intent)  # a sender that was too late: 1, it counts at its real time
    assert person.ask(Kind.DIRECT, deny=True).reason == "window_full"


@pytest.mark.rule("R2.3")
def test_calendar_does_not_count_a_reservation_for_the_next_period_in_this_one() -> None:
    person = Person(policy(**validity(12 * HOUR)))
    assert person.ask(Kind.DIRECT).send_by_ms == ms("2026-11-19 00:00")
    person.policy = policy(calendar(1, Calendar.DAY), version=2)
    assert person.ask(Kind.DIRECT).outcome == "approved"
    assert person.at(ms("2026-11-19 00:00")).ask(Kind.DIRECT).reason == "window_full"


@pytest.mark.rule("R2.5")
@pytest.mark.parametrize(
    ("month", "days"), [("2026-02", 28), ("2028-02", 29), ("2026-11", 30), ("2026-12", 31)]
)
def test_days_in_month(month: str, days: int) -> None:
    person = Person(policy(calendar(DAYS_IN_MONTH, Calendar.MONTH)), ms(f"{month}-01 00:00"))
    for left in range(days - 1, -1, -1):
        assert person.ask(Kind.DIRECT).remaining == {"w": left}
    full = person.ask(Kind.DIRECT, deny=True)
    assert (full.reason, full.eligible_at_ms) == ("window_full", person.now_ms + days * DAY)


@pytest.mark.rule("R2.5")
def test_days_in_month_belong_to_the_month_of_the_policys_zone() -> None:
    last_of_january = ms("2026-01-31 23:59:59.999", "Asia/Shanghai")
    month = calendar(DAYS_IN_MONTH, Calendar.MONTH)
    person = Person(policy(month, time_zone="Asia/Shanghai"), last_of_january)
    assert person.ask(Kind.DIRECT).remaining == {"w": 30}
    assert person.after(1).ask(Kind.DIRECT).remaining == {"w": 27}


# --- 4: min_gap -----------------------------------------------------------------------------------


@pytest.mark.rule("R2.6")
def test_min_gap_is_legal_at_e_plus_g() -> None:
    person = Person(policy(rolling(None, None, min_gap_ms=4 * HOUR)))
    delivered_at_once(person, Kind.DIRECT)
    early = person.at(NOON + 4 * HOUR - 1).ask(Kind.DIRECT, deny=True)
    assert (early.reason, early.rule, early.eligible_at_ms) == ("min_gap", "w", NOON + 4 * HOUR)
    assert person.at(NOON + 4 * HOUR).ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R2.6")
def test_min_gap_holds_towards_a_reservations_last_sending_moment() -> None:
    person = Person(policy(rolling(None, None, min_gap_ms=HOUR), **validity(DAY)))
    person.approved(Kind.DIRECT)
    assert person.after(2 * HOUR).ask(Kind.DIRECT).eligible_at_ms == NOON + DAY + HOUR


@pytest.mark.rule("R2.6")
def test_min_gap_holds_towards_every_contact_under_the_rule_whatever_the_order() -> None:
    person = Person(policy(rolling(9, DAY, min_gap_ms=HOUR)))
    first = person.approved(Kind.DIRECT)
    person.delivered(first)
    second = person.after(HOUR).approved(Kind.DIRECT)
    person.delivered(second)
    verdict = person.after(HOUR - 1).ask(Kind.DIRECT, deny=True)
    assert (verdict.reason, verdict.eligible_at_ms) == ("min_gap", NOON + 2 * HOUR)


@pytest.mark.rule("R2.1")
def test_limit_speaks_before_the_gap_of_the_same_rule() -> None:
    person = Person(policy(rolling(1, DAY, min_gap_ms=2 * DAY)))
    delivered_at_once(person, Kind.DIRECT)
    assert person.ask(Kind.DIRECT).reason == "window_full"
    verdict = person.at(NOON + DAY).ask(Kind.DIRECT)
    assert (verdict.reason, verdict.eligible_at_ms) == ("min_gap", NOON + 2 * DAY)


# --- scope and kinds ------------------------------------------------------------------------------


@pytest.mark.rule("R2.7")
@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        (Scope.ENTERPRISE, "window_full"),
        (Scope.ACCOUNT, "ok"),
    ],
)
def test_scope_of_other_accounts_contacts(scope: Scope, reason: str) -> None:
    person = Person(policy(rolling(1, DAY, scope=scope)))
    person.approved(Kind.DIRECT, "a")
    assert person.ask(Kind.DIRECT, "b").reason == reason


@pytest.mark.rule("R2.7")
def test_account_scope_has_a_reason_of_its_own() -> None:
    person = Person(policy(rolling(1, DAY, scope=Scope.ACCOUNT)))
    person.approved(Kind.DIRECT, "a")
    assert person.ask(Kind.DIRECT, "a").reason == "account_window_full"


@pytest.mark.rule("R2.7")
def test_campaign_scope_counts_this_campaign_of_all_accounts() -> None:
    person = Person(policy(rolling(1, DAY, scope=Scope.CAMPAIGN)))
    person.approved(Kind.BROADCAST, "a", campaign_id="spring")
    person.approved(Kind.BROADCAST, "a", campaign_id="summer")
    verdict = person.ask(Kind.BROADCAST, "b", campaign_id="spring")
    assert (verdict.reason, verdict.remaining) == ("window_full", {"w": 0})


@pytest.mark.rule("R2.7")
def test_campaign_scope_counts_nothing_together_that_is_of_no_campaign() -> None:
    person = Person(policy(rolling(1, DAY, scope=Scope.CAMPAIGN)))
    person.approved(Kind.DIRECT)
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R2.1")
def test_all_rules_are_checked_and_the_first_in_the_files_order_names_the_reason() -> None:
    day = calendar(1, Calendar.DAY, id="day", scope=Scope.ACCOUNT)
    person = Person(policy(day, rolling(1, 7 * DAY, id="week")))
    delivered_at_once(person, Kind.DIRECT)
    verdict = person.after(1).ask(Kind.DIRECT)
    assert (verdict.reason, verdict.rule) == ("account_window_full", "day")
    assert verdict.eligible_at_ms == NOON + 7 * DAY


@pytest.mark.rule("R2.8")
def test_kinds_outside_the_rule_neither_count_nor_are_bound() -> None:
    person = Person(policy(rolling(1, DAY, kinds=kinds(Kind.DIRECT))))
    person.approved(Kind.BROADCAST)
    person.approved(Kind.DIRECT)
    verdict = person.ask(Kind.BROADCAST)
    assert (verdict.outcome, verdict.remaining) == ("approved", {})


@pytest.mark.rule("R2.8")
def test_kinds_under_one_rule_share_its_slots() -> None:
    person = Person(policy(rolling(2, DAY, kinds=MARKETING)))
    person.approved(Kind.DIRECT)
    person.approved(Kind.BROADCAST)
    assert person.ask(Kind.MOMENT).reason == "window_full"


@pytest.mark.rule("R3.6")
def test_reply_is_outside_all_windows() -> None:
    person = Person(policy(rolling(1, DAY, kinds=ALL_KINDS, min_gap_ms=DAY)))
    for _ in range(3):
        assert person.ask(Kind.REPLY).remaining == {}


# --- reserve --------------------------------------------------------------------------------------


def reserving(limit: int = 2, slots: int = 1) -> Policy:
    return policy(rolling(limit, DAY, reserve_slots=slots, reserve_priority=80))


@pytest.mark.rule("R5.9")
@pytest.mark.parametrize(("priority", "reason"), [(79, "slot_reserved"), (80, "ok")])
def test_last_slot_only_for_the_urgent(priority: int, reason: str) -> None:
    person = Person(reserving())
    delivered_at_once(person, Kind.DIRECT)
    assert person.ask(Kind.DIRECT, priority=priority).reason == reason


@pytest.mark.rule("R5.9")
def test_reserved_slot_is_legal_when_more_than_the_reserve_is_free() -> None:
    person = Person(reserving())
    delivered_at_once(person, Kind.DIRECT)
    delivered_at_once(person.after(HOUR), Kind.DIRECT, priority=80)
    verdict = person.after(HOUR).ask(Kind.DIRECT, priority=79)
    assert (verdict.reason, verdict.eligible_at_ms) == ("window_full", NOON + DAY + HOUR)
    person.at(NOON + DAY)
    again = person.ask(Kind.DIRECT, priority=79, deny=True)
    assert (again.reason, again.eligible_at_ms) == ("slot_reserved", NOON + DAY + HOUR)
    assert again.remaining == {"w": 1}
    assert person.ask(Kind.DIRECT, priority=80).eligible_at_ms is None


@pytest.mark.rule("R5.9")
def test_all_slots_reserved_leaves_no_earliest_time_for_the_rest() -> None:
    person = Person(reserving(limit=1))
    verdict = person.ask(Kind.DIRECT, priority=10)
    assert (verdict.outcome, verdict.reason) == ("deferred", "slot_reserved")
    assert verdict.eligible_at_ms is None
    assert person.next_ms() == NOON + DAY + 1  # its deadline


@pytest.mark.rule("R5.9")
def test_reserved_calendar_slot_opens_with_the_next_period() -> None:
    person = Person(policy(calendar(2, Calendar.DAY, reserve_slots=1, reserve_priority=80)))
    delivered_at_once(person, Kind.DIRECT)
    verdict = person.ask(Kind.DIRECT)
    assert (verdict.reason, verdict.eligible_at_ms) == ("slot_reserved", ms("2026-11-19 00:00"))


# --- shadow ---------------------------------------------------------------------------------------


@pytest.mark.rule("R2.10")
def test_shadow_rule_reports_and_never_decides() -> None:
    shadow = rolling(1, DAY, id="tried", shadow=True)
    person = Person(policy(rolling(9, DAY), shadow))
    assert person.ask(Kind.DIRECT).shadow == {"tried": "ok"}
    verdict = person.ask(Kind.DIRECT)
    assert (verdict.outcome, verdict.shadow) == ("approved", {"tried": "window_full"})
    assert verdict.remaining == {"w": 7}  # every non-shadow window


@pytest.mark.rule("R2.10")
def test_shadow_calendar_rule_does_not_shorten_send_by() -> None:
    person = Person(policy(calendar(1, Calendar.DAY, shadow=True), **validity(DAY)))
    assert person.ask(Kind.DIRECT).send_by_ms == NOON + DAY


def test_shadow_rule_of_other_kinds_says_nothing() -> None:
    person = Person(policy(rolling(1, DAY, kinds=kinds(Kind.MOMENT), shadow=True)))
    assert person.ask(Kind.DIRECT).shadow is None


# --- 8: remaining ---------------------------------------------------------------------------------


@pytest.mark.rule("R2.11")
def test_remaining_counts_this_message_when_approved_and_only_then() -> None:
    person = Person(policy(rolling(2, DAY, id="two"), rolling(None, None, id="gap", min_gap_ms=1)))
    assert person.ask(Kind.DIRECT).remaining == {"two": 1}
    verdict = person.ask(Kind.DIRECT, deny=True)
    assert (verdict.reason, verdict.remaining) == ("min_gap", {"two": 1})


@pytest.mark.rule("R2.11")
def test_remaining_is_never_negative_under_a_smaller_new_limit() -> None:
    person = Person(policy(rolling(3, DAY)))
    for _ in range(3):
        person.approved(Kind.DIRECT)
    person.policy = policy(rolling(1, DAY), version=2)
    assert person.ask(Kind.DIRECT).remaining == {"w": 0}


# --- the packaged rules ---------------------------------------------------------------------------


@pytest.mark.rule("R2.9")
def test_exact_log_lets_three_per_day_through_and_never_a_fourth() -> None:
    person = Person(policy(rolling(3, DAY)))
    times = []
    for minute in range(0, 3 * 24 * 60, 20):
        person.at(NOON + minute * 60_000)
        if person.ask(Kind.DIRECT, deny=True).outcome == "approved":
            person.delivered(f"i{person._count}")
            times.append(person.now_ms)
    assert len(times) == 9
    assert all(later - early >= DAY for early, later in zip(times, times[3:], strict=False))
