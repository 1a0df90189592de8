"""Too early, the earliest legal time, and the last moment to send."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest

from streams.core.kinds import Kind
from streams.core.policy import Calendar, QuietHours, Reply, Scope, Silence
from streams.core.reasons import TOO_EARLY
from streams.events.fields import MAX_MS
from tests.unit.core.person import (
    DAY,
    DISTURBING,
    HOUR,
    MARKETING,
    MINUTE,
    NOON,
    SECOND,
    Person,
    calendar,
    kinds,
    ms,
    policy,
    rolling,
    validity,
)

EVENING, MORNING = (21 * 60 + 30) * MINUTE, (8 * 60 + 30) * MINUTE
NIGHT = QuietHours(kinds=DISTURBING, from_ms=EVENING, to_ms=MORNING)
DISTURBING_KINDS = [Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT, Kind.FRIEND_REQUEST]
OTHER_KINDS = [Kind.REPLY, Kind.TRANSACTIONAL, Kind.TRANSFER]


# --- not_before -----------------------------------------------------------------------------------


@pytest.mark.rule("R5.3")
def test_not_before_is_legal_at_its_millisecond() -> None:
    person = Person(policy())
    verdict = person.ask(Kind.DIRECT, not_before_ms=NOON + 1)
    assert (verdict.outcome, verdict.reason) == ("deferred", "not_yet")
    assert verdict.eligible_at_ms == NOON + 1
    assert person.ask(Kind.DIRECT, not_before_ms=NOON).outcome == "approved"


@pytest.mark.rule("R5.3")
def test_not_before_and_windows_together_give_the_later() -> None:
    person = Person(policy(rolling(1, DAY)))
    person.delivered(person.approved(Kind.DIRECT))
    assert person.ask(Kind.DIRECT, not_before_ms=NOON + 1).eligible_at_ms == NOON + DAY
    later = person.ask(Kind.DIRECT, not_before_ms=NOON + 2 * DAY)
    assert (later.reason, later.eligible_at_ms) == ("not_yet", NOON + 2 * DAY)


FAR = [MAX_MS, MAX_MS - 1, MAX_MS - DAY, MAX_MS - 7 * DAY]


@pytest.mark.parametrize("far_ms", FAR)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_not_before_at_the_end_of_time_is_no_poison(far_ms: int, zone: str) -> None:
    """Every time that an intent may carry must be decided: an exception would end the worker."""
    windows = [calendar(1, length, id=length.name.lower()) for length in Calendar]
    person = Person(policy(*windows, rolling(1, DAY), quiet_hours=NIGHT, time_zone=zone))
    verdict = person.ask(Kind.DIRECT, not_before_ms=far_ms)
    assert (verdict.outcome, verdict.reason) == ("deferred", "not_yet")
    assert verdict.eligible_at_ms is None or verdict.eligible_at_ms >= far_ms


def test_deadline_at_the_end_of_time_is_no_poison() -> None:
    person = Person(policy(rolling(1, DAY)))
    assert person.ask(Kind.DIRECT, deadline_ms=MAX_MS).outcome == "approved"
    assert person.ask(Kind.DIRECT, deadline_ms=MAX_MS).outcome == "deferred"


# --- 6: quiet hours -------------------------------------------------------------------------------


@pytest.mark.rule("R4.1")
@pytest.mark.parametrize("kind", DISTURBING_KINDS)
def test_quiet_hours_hold_from_and_end_before_to(kind: Kind) -> None:
    person = Person(policy(quiet_hours=NIGHT, time_zone="Asia/Shanghai"))
    start_ms = ms("2026-11-18 21:30", "Asia/Shanghai")
    end_ms = ms("2026-11-19 08:30", "Asia/Shanghai")
    assert person.at(start_ms - 1).ask(kind).outcome == "approved"
    for at_ms in (start_ms, end_ms - 1):
        verdict = person.at(at_ms).ask(kind, deny=True)
        assert (verdict.reason, verdict.eligible_at_ms) == ("quiet_hours", end_ms)
    assert person.at(end_ms).ask(kind).outcome == "approved"


@pytest.mark.rule("R4.1")
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_quiet_hours_bind_no_other_kind_whatever_the_policy_lists(kind: Kind) -> None:
    night = QuietHours(kinds=127, from_ms=0, to_ms=23 * HOUR)
    assert Person(policy(quiet_hours=night)).ask(kind).outcome == "approved"


def test_quiet_hours_with_seconds() -> None:
    night = QuietHours(kinds=DISTURBING, from_ms=12 * HOUR + 15 * SECOND, to_ms=13 * HOUR)
    person = Person(policy(quiet_hours=night), NOON + 15 * SECOND - 1)
    assert person.ask(Kind.DIRECT).send_by_ms == person.now_ms
    assert person.after(1).ask(Kind.DIRECT).eligible_at_ms == NOON + HOUR


@pytest.mark.rule("R4.2")
def test_quiet_hours_are_the_customers_own_zones() -> None:
    person = Person(policy(quiet_hours=NIGHT, time_zone="Asia/Shanghai"), ms("2026-11-18 12:00"))
    assert person.ask(Kind.DIRECT).outcome == "approved"  # 20:00 in Shanghai
    person.consents(kinds=[], time_zone="America/Los_Angeles")  # 04:00
    verdict = person.ask(Kind.DIRECT)
    assert verdict.reason == "quiet_hours"
    assert verdict.eligible_at_ms == ms("2026-11-18 08:30", "America/Los_Angeles")


@pytest.mark.rule("R4.4")
def test_quiet_hours_of_the_customer_replace_the_policys() -> None:
    person = Person(policy(quiet_hours=NIGHT))
    person.consents(kinds=[], quiet_hours=("12:00", "14:00:30"))
    assert person.ask(Kind.DIRECT).eligible_at_ms == ms("2026-11-18 14:00:30")
    assert person.at(ms("2026-11-18 23:00")).ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R4.4")
def test_quiet_hours_off_for_a_customer_who_wants_none() -> None:
    person = Person(policy(quiet_hours=NIGHT), ms("2026-11-18 23:00"))
    person.consents(kinds=[], quiet_hours="off")
    verdict = person.ask(Kind.DIRECT)
    assert (verdict.outcome, verdict.send_by_ms) == ("approved", person.now_ms + DAY)


@pytest.mark.rule("R4.4")
def test_quiet_hours_of_the_customer_bind_nothing_where_the_policy_governs_none() -> None:
    person = Person(policy())
    person.consents(kinds=[], quiet_hours=("12:00", "14:00"))
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R4.3")
def test_unknown_zone_deny_never_fails_open() -> None:
    person = Person(policy(quiet_hours=NIGHT, unknown_zone_denies=True))
    verdict = person.ask(Kind.DIRECT)
    assert (verdict.outcome, verdict.reason) == ("denied", "quiet_hours")
    assert verdict.eligible_at_ms is None
    assert person.ask(Kind.TRANSACTIONAL).outcome == "approved"
    person.consents(kinds=[], time_zone="Mars/Olympus")
    assert person.ask(Kind.DIRECT).outcome == "denied"
    person.consents(kinds=[], time_zone="UTC")
    assert person.ask(Kind.DIRECT).outcome == "approved"


def test_unknown_zone_matters_to_nobody_without_quiet_hours() -> None:
    person = Person(policy(quiet_hours=NIGHT, unknown_zone_denies=True))
    person.consents(kinds=[], quiet_hours="off")
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R4.3")
def test_unknown_zone_default_is_the_policys() -> None:
    person = Person(policy(quiet_hours=NIGHT, time_zone="Asia/Tokyo"), ms("2026-11-18 13:00"))
    person.consents(kinds=[], time_zone="Mars/Olympus")
    assert person.ask(Kind.DIRECT).eligible_at_ms == ms("2026-11-19 08:30", "Asia/Tokyo")


# --- 7: the earliest legal time -------------------------------------------------------------------


@pytest.mark.rule("R5.3")
def test_eligible_is_the_first_moment_at_which_all_rules_allow() -> None:
    """The window opens at night, the night ends in a full day, the next day is open after eight."""
    two = rolling(1, 14 * HOUR, kinds=kinds(Kind.DIRECT), id="rolling")
    day = calendar(1, Calendar.DAY, id="day")
    person = Person(policy(two, day, quiet_hours=NIGHT))
    person.delivered(person.approved(Kind.DIRECT))
    person.at(ms("2026-11-19 09:00"))
    person.delivered(person.approved(Kind.BROADCAST))
    verdict = person.ask(Kind.DIRECT)
    assert (verdict.reason, verdict.rule) == ("window_full", "day")
    assert verdict.eligible_at_ms == ms("2026-11-20 08:30")


@pytest.mark.rule("R5.3")
def test_eligible_lies_beyond_many_full_months() -> None:
    """A reader of the ledger's future: full this month and next, free the month after."""
    month = calendar(1, Calendar.MONTH)
    person = Person(policy(month, **validity(DAY)), ms("2026-11-30 23:00"))
    late = person.approved(Kind.DIRECT)
    person.at(ms("2026-12-01 00:00")).approved(Kind.DIRECT)
    person.at(ms("2026-12-01 09:00")).delivered(late)
    assert person.ask(Kind.DIRECT).eligible_at_ms == ms("2027-01-01 00:00")


@pytest.mark.rule("R5.3")
def test_eligible_does_not_depend_on_the_deadline() -> None:
    person = Person(policy(rolling(1, 90 * DAY)))
    person.delivered(person.approved(Kind.DIRECT))
    verdict = person.ask(Kind.DIRECT, deadline_ms=NOON + HOUR)
    assert (verdict.outcome, verdict.eligible_at_ms) == ("deferred", NOON + 90 * DAY)


@pytest.mark.rule("R5.2", "R1.13")
def test_eligible_stands_on_denials_that_are_only_too_early() -> None:  # contract: `eligible_at_ms`
    person = Person(policy(rolling(1, DAY)))
    person.delivered(person.approved(Kind.DIRECT))
    verdict = person.ask(Kind.DIRECT, deny=True)
    assert (verdict.outcome, verdict.eligible_at_ms) == ("denied", NOON + DAY)
    assert person.next_ms() is None


# --- 9: what is too early -------------------------------------------------------------------------


@pytest.mark.rule("R5.1")
def test_too_early_reasons_are_the_documents() -> None:
    assert set(TOO_EARLY) == {
        "window_full",
        "account_window_full",
        "min_gap",
        "quiet_hours",
        "silence_backoff",
        "slot_reserved",
        "not_yet",
        "account_paused",
        "account_pacing",
        "daily_add_quota",
        "campaign_canary",
        "campaign_paused",
        "control",
    }


@pytest.mark.rule("R5.1")
def test_transfer_is_never_deferred() -> None:
    verdict = Person(policy()).ask(Kind.TRANSFER, not_before_ms=NOON + 1)
    assert (verdict.outcome, verdict.reason) == ("denied", "not_yet")
    assert verdict.eligible_at_ms == NOON + 1


# --- 5: send_by -----------------------------------------------------------------------------------


def send_by(at_ms: int, law: Any, kind: Kind = Kind.DIRECT, **parts: Any) -> int | None:
    return Person(law, at_ms).ask(kind, **parts).send_by_ms


@pytest.mark.rule("R2.19")
@pytest.mark.parametrize("kind", list(Kind))
def test_send_by_is_decided_plus_the_kinds_validity(kind: Kind) -> None:
    lengths = tuple(HOUR + number for number in range(len(Kind)))
    assert send_by(NOON, policy(validity_ms=lengths), kind) == NOON + HOUR + kind


@pytest.mark.rule("R2.20")
def test_send_by_is_not_after_the_deadline() -> None:
    assert send_by(NOON, policy(), deadline_ms=NOON + DAY - 1) == NOON + DAY - 1
    assert send_by(NOON, policy(), deadline_ms=NOON) == NOON


@pytest.mark.rule("R2.20")
@pytest.mark.parametrize(
    ("length", "last"),
    [
        (Calendar.DAY, "2026-11-18 23:59:59.999"),
        (Calendar.WEEK, "2026-11-22 23:59:59.999"),
        (Calendar.MONTH, "2026-11-30 23:59:59.999"),
    ],
)
def test_send_by_is_the_last_millisecond_of_the_calendar_period(
    length: Calendar, last: str
) -> None:
    last_ms = ms(last, "America/New_York")
    law = policy(calendar(3, length), time_zone="America/New_York", **validity(60 * DAY))
    assert send_by(NOON, law) == last_ms
    assert send_by(last_ms, law) == last_ms


@pytest.mark.rule("R2.20")
def test_send_by_heeds_only_calendar_rules_of_its_kind() -> None:
    law = policy(calendar(3, Calendar.DAY, kinds=kinds(Kind.MOMENT)))
    assert send_by(NOON, law) == NOON + DAY


@pytest.mark.rule("R2.20")
def test_send_by_is_before_the_next_quiet_hours_of_its_kind() -> None:
    law = policy(quiet_hours=NIGHT)
    assert send_by(NOON, law) == ms("2026-11-18 21:29:59.999")
    assert send_by(NOON, law, Kind.TRANSACTIONAL) == NOON + DAY
    morning_ms = ms("2026-11-18 08:30")
    assert send_by(morning_ms, law) == ms("2026-11-18 21:29:59.999")


@pytest.mark.rule("R3.5")
def test_send_by_lies_within_the_reply_credit() -> None:
    person = Person(policy(reply=Reply(credits=5, within_ms=2 * DAY), **validity(3 * DAY)))
    person.wrote(NOON - HOUR)
    assert person.ask(Kind.REPLY).send_by_ms == NOON - HOUR + 2 * DAY - 1


@pytest.mark.rule("R2.20")
def test_send_by_is_the_earliest_of_all() -> None:
    law = policy(calendar(3, Calendar.DAY), quiet_hours=NIGHT, **validity(2 * HOUR))
    assert send_by(NOON, law) == NOON + 2 * HOUR
    assert send_by(NOON, law, deadline_ms=NOON + HOUR) == NOON + HOUR
    assert send_by(ms("2026-11-18 21:00"), law) == ms("2026-11-18 21:29:59.999")


# --- silence --------------------------------------------------------------------------------------

SILENCE = Silence(kinds=MARKETING, ignored=3, first_ms=5 * DAY, factor=2.0, longest_ms=180 * DAY)


def ignore(person: Person, times: int) -> None:
    for _ in range(times):
        person.delivered(person.approved(Kind.DIRECT))


@pytest.mark.rule("R3.7")
def test_silence_steps_from_5_days_to_180() -> None:
    person = Person(policy(silence=SILENCE))
    ignore(person, 2)
    for gap in (5, 10, 20, 40, 80, 160, 180, 180, 180):
        ignore(person, 1)
        last_ms = person.now_ms
        early = person.at(last_ms + gap * DAY - 1).ask(Kind.DIRECT, deny=True)
        assert (early.reason, early.rule) == ("silence_backoff", "silence")
        assert early.eligible_at_ms == last_ms + gap * DAY
        person.after(1)


@pytest.mark.rule("R3.7")
def test_silence_needs_as_many_contacts_in_a_row_as_the_policy_says() -> None:
    person = Person(policy(silence=SILENCE))
    ignore(person, 2)
    assert person.ask(Kind.DIRECT).outcome == "approved"
    assert person.ask(Kind.DIRECT).reason == "silence_backoff"


@pytest.mark.rule("R3.8")
@pytest.mark.parametrize("sign", ["wrote", "engaged"])
def test_silence_ends_with_any_engagement(sign: str) -> None:
    person = Person(policy(silence=SILENCE))
    ignore(person, 3)
    getattr(person.after(1), sign)()
    ignore(person.after(1), 3)
    assert person.ask(Kind.DIRECT).reason == "silence_backoff"


@pytest.mark.rule("R3.10")
def test_silence_is_not_broken_by_interest_in_another_account() -> None:  # rules.md 8: pair's state
    person = Person(policy(silence=SILENCE))
    ignore(person, 3)
    person.after(1).engaged(account="b")
    assert person.ask(Kind.DIRECT, "a").reason == "silence_backoff"
    assert person.ask(Kind.DIRECT, "b").outcome == "approved"


@pytest.mark.rule("R3.9")
def test_silence_counts_its_own_kinds_and_what_was_not_released() -> None:
    person = Person(policy(silence=SILENCE))
    for kind in (Kind.TRANSACTIONAL, Kind.REPLY, Kind.FRIEND_REQUEST):
        person.delivered(person.approved(kind))
    ignore(person, 2)
    person.failed(person.approved(Kind.DIRECT))
    assert person.ask(Kind.DIRECT).outcome == "approved"
    assert person.ask(Kind.DIRECT).reason == "silence_backoff"
    assert person.ask(Kind.FRIEND_REQUEST).outcome == "approved"


@pytest.mark.rule("R3.9")
def test_silence_waits_from_the_last_contact_reserved_ones_at_their_last_moment() -> None:
    person = Person(policy(silence=SILENCE, **validity(HOUR)))
    ignore(person, 2)
    person.approved(Kind.DIRECT)
    assert person.ask(Kind.DIRECT).eligible_at_ms == NOON + HOUR + 5 * DAY


def test_silence_grows_by_small_factors_to_the_longest_too() -> None:
    """first x factor^(n - ignored), at most longest: 1.05^64 is 22.7, so far from 180."""
    slow = Silence(kinds=MARKETING, ignored=1, first_ms=DAY, factor=1.05, longest_ms=180 * DAY)
    person = Person(policy(silence=slow))
    gaps = accumulate([float(DAY)] + [1.05] * 110, lambda gap, factor: gap * factor)
    for gap_ms in gaps:
        ignore(person, 1)
        wait_ms = min(int(gap_ms), 180 * DAY)
        eligible_ms = person.ask(Kind.DIRECT, deny=True).eligible_at_ms
        assert eligible_ms is not None
        assert abs(eligible_ms - person.now_ms - wait_ms) <= 1  # floating point's last digit
        person.after(wait_ms + 1)


def test_silence_with_the_largest_factor_stays_finite() -> None:
    steep = Silence(kinds=MARKETING, ignored=1, first_ms=1, factor=100.0, longest_ms=2)
    person = Person(policy(silence=steep))
    for _ in range(400):
        ignore(person, 1)
        person.after(2)
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R2.7")
def test_a_rule_by_campaign_is_silent_on_messages_of_none() -> None:
    person = Person(policy(calendar(1, Calendar.DAY, scope=Scope.CAMPAIGN)))
    alone = person.ask(Kind.DIRECT)
    assert (alone.remaining, alone.send_by_ms) == ({}, NOON + DAY)
    of_one = person.ask(Kind.DIRECT, campaign_id="spring")
    assert (of_one.remaining, of_one.send_by_ms) == ({"w": 0}, NOON + DAY // 2 - 1)
