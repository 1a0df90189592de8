"""The packaged profiles to the last slot: the numbers that `docs/rules.md` gives are the files'."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.core.kinds import Kind
from tests.properties.rules.profiles import profile, windows_of
from tests.unit.core.person import DAY, HOUR, MINUTE, Person, ms

if TYPE_CHECKING:
    from streams.core.policy import Policy

ZONE = "Asia/Shanghai"
TEN = ms("2026-11-18 10:00", ZONE)
MIDNIGHT = ms("2026-11-19 00:00", ZONE)


def begin(law: Policy, at_ms: int = TEN) -> Person:
    return Person(law, at_ms)


def send(person: Person, kind: Kind, account: str = "a") -> None:
    """One approved and delivered at once."""
    person.delivered(person.approved(kind, account), account=account)


def refused(person: Person, kind: Kind, account: str = "a") -> tuple[str, str | None, int | None]:
    """Why not now, by which rule, and from when on."""
    verdict = person.ask(kind, account, deny=True)
    assert verdict.outcome == "denied", verdict
    return verdict.reason, verdict.rule, verdict.eligible_at_ms


def fills(person: Person, rule: str, count: int, ends_ms: int, left: int) -> None:
    """So many broadcasts and no more, until the window's end; then so many after the next one."""
    for _ in range(count):
        send(person, Kind.BROADCAST)
    person.at(ends_ms - 1)
    assert refused(person, Kind.BROADCAST) == ("window_full", rule, ends_ms)
    assert person.at(ends_ms).ask(Kind.BROADCAST).remaining == {rule: left}


@pytest.mark.rule("R2.21")
@pytest.mark.parametrize("account", ["a", "another"])
def test_one_broadcast_a_day_from_the_whole_enterprise(account: str) -> None:
    person = begin(windows_of("wecom"))
    send(person, Kind.BROADCAST)
    person.at(MIDNIGHT - 1)
    full = ("window_full", "broadcast-day", MIDNIGHT)
    assert refused(person, Kind.BROADCAST, account) == full
    send(person.at(MIDNIGHT), Kind.BROADCAST, account)


@pytest.mark.rule("R2.21")
def test_seven_broadcasts_a_week_from_monday_on() -> None:
    monday, following = ms("2026-11-16 00:00", ZONE), ms("2026-11-23 00:00", ZONE)
    person = begin(windows_of("wecom-week", "broadcast-week"), monday)
    fills(person, "broadcast-week", 7, following, left=6)


@pytest.mark.rule("R2.21", "R2.5")
@pytest.mark.parametrize(
    ("month", "following", "days"),
    [("2027-02-01", "2027-03-01", 28), ("2028-02-01", "2028-03-01", 29)],
)
def test_as_many_broadcasts_a_month_as_it_has_days(month: str, following: str, days: int) -> None:
    start_ms, end_ms = ms(f"{month} 00:00", ZONE), ms(f"{following} 00:00", ZONE)
    person = begin(windows_of("wecom-month", "broadcast-month"), start_ms)
    fills(person, "broadcast-month", days, end_ms, left=30)


@pytest.mark.rule("R2.21")
def test_four_broadcasts_a_month_by_the_older_allowance() -> None:
    start_ms, end_ms = ms("2026-11-01 00:00", ZONE), ms("2026-12-01 00:00", ZONE)
    person = begin(windows_of("wecom-2021", "broadcast-month"), start_ms)
    fills(person, "broadcast-month", 4, end_ms, left=3)


@pytest.mark.rule("R2.21")
def test_one_broadcast_a_day_from_the_same_account_though_the_enterprise_has_room() -> None:
    person = begin(windows_of("wecom-week"))
    send(person, Kind.BROADCAST)
    person.at(TEN + 5 * HOUR)
    full = ("account_window_full", "member-day", MIDNIGHT)
    assert refused(person, Kind.BROADCAST) == full
    send(person, Kind.BROADCAST, "another")


@pytest.mark.rule("R2.22")
@pytest.mark.parametrize(("name", "limit"), [("wecom", 3), ("wecom-2021", 1)])
def test_moments_a_day_from_the_whole_enterprise(name: str, limit: int) -> None:
    person = begin(windows_of(name))
    for number in range(limit):
        send(person, Kind.MOMENT, f"account-{number}")
    person.at(MIDNIGHT - 1)
    assert refused(person, Kind.MOMENT) == ("window_full", "moment-day", MIDNIGHT)
    send(person.at(MIDNIGHT), Kind.MOMENT)


@pytest.mark.rule("R2.23")
def test_one_direct_a_day_and_three_a_week() -> None:
    person = begin(windows_of("wecom"))
    for day in (1, 2):
        send(person, Kind.DIRECT)
        person.at(TEN + day * DAY - 1)
        assert refused(person, Kind.DIRECT) == ("window_full", "direct-24h", TEN + day * DAY)
        person.after(1)
    send(person, Kind.DIRECT)
    person.at(TEN + 7 * DAY - 1)
    assert refused(person, Kind.DIRECT) == ("window_full", "direct-7d", TEN + 7 * DAY)
    send(person.after(1), Kind.DIRECT)


@pytest.mark.rule("R2.24")
def test_marketing_keeps_four_hours_apart() -> None:
    person = begin(windows_of("wecom"))
    send(person, Kind.DIRECT)
    person.after(4 * HOUR - 1)
    apart = ("min_gap", "marketing-24h", TEN + 4 * HOUR)
    assert refused(person, Kind.BROADCAST, "another") == apart
    send(person.after(1), Kind.BROADCAST, "another")


@pytest.mark.rule("R2.24")
def test_two_of_marketing_a_day() -> None:
    person = begin(windows_of("wecom"))
    send(person, Kind.DIRECT)
    send(person.after(4 * HOUR), Kind.BROADCAST)
    person.at(TEN + DAY - 1)
    assert refused(person, Kind.BROADCAST) == ("window_full", "marketing-24h", TEN + DAY)
    send(person.after(1), Kind.BROADCAST)


@pytest.mark.rule("R2.24")
def test_six_of_marketing_a_week() -> None:
    person = begin(windows_of("wecom"))
    for day in range(3):
        send(person.at(TEN + day * DAY), Kind.DIRECT)
        send(person.after(4 * HOUR), Kind.BROADCAST)
    person.at(TEN + 7 * DAY - 1)
    assert refused(person, Kind.BROADCAST) == ("window_full", "marketing-7d", TEN + 7 * DAY)
    send(person.after(1), Kind.BROADCAST)


@pytest.mark.rule("R2.25")
def test_ten_order_notices_a_day_beside_marketing() -> None:
    person = begin(windows_of("wecom"))
    send(person, Kind.DIRECT)
    for _ in range(10):
        send(person, Kind.TRANSACTIONAL)
    full = ("window_full", "transactional", TEN + DAY)
    assert refused(person, Kind.TRANSACTIONAL) == full
    person.at(TEN + 4 * HOUR)
    remaining = person.ask(Kind.BROADCAST).remaining
    assert remaining is not None
    assert (remaining["marketing-24h"], remaining["marketing-7d"]) == (0, 4)
    person.at(TEN + DAY - 1)
    assert refused(person, Kind.TRANSACTIONAL) == full
    send(person.after(1), Kind.TRANSACTIONAL)


@pytest.mark.rule("R2.26")
def test_one_friend_request_a_week_and_two_a_season() -> None:
    person = begin(windows_of("wecom"))
    send(person, Kind.FRIEND_REQUEST)
    person.at(TEN + 7 * DAY - 1)
    week = ("window_full", "add-7d", TEN + 7 * DAY)
    assert refused(person, Kind.FRIEND_REQUEST, "another") == week
    send(person.after(1), Kind.FRIEND_REQUEST, "another")
    person.at(TEN + 90 * DAY - 1)
    season = ("window_full", "add-90d", TEN + 90 * DAY)
    assert refused(person, Kind.FRIEND_REQUEST) == season
    send(person.after(1), Kind.FRIEND_REQUEST)


@pytest.mark.rule("R2.19")
@pytest.mark.parametrize(
    ("kind", "length_ms"),
    [
        (Kind.DIRECT, HOUR),
        (Kind.BROADCAST, DAY),
        (Kind.MOMENT, DAY),
        (Kind.REPLY, 2 * DAY),
        (Kind.TRANSACTIONAL, 10 * MINUTE),
        (Kind.FRIEND_REQUEST, DAY),
        (Kind.TRANSFER, DAY),
    ],
)
def test_an_approved_message_may_be_sent_so_long(kind: Kind, length_ms: int) -> None:
    law = windows_of("wecom", "transfer-90d")  # one window without a calendar, to shorten nothing
    person = begin(law)
    person.wrote()
    ends_ms = TEN + length_ms - (kind is Kind.REPLY)  # the credit's last millisecond
    assert person.ask(kind).send_by_ms == ends_ms


@pytest.mark.rule("R5.6")
@pytest.mark.parametrize(
    ("kind", "length_ms"),
    [(Kind.DIRECT, DAY), (Kind.BROADCAST, 7 * DAY), (Kind.MOMENT, DAY)],
)
def test_what_is_held_without_a_deadline_is_held_so_long(kind: Kind, length_ms: int) -> None:
    person = begin(profile())
    person.ask(kind, not_before_ms=TEN + 1, intent_id="held")
    assert [held.deadline_ms for held in person.ledger.held] == [TEN + 1 + length_ms]


@pytest.mark.rule("R5.10")
def test_twenty_wait_and_no_more() -> None:
    person = begin(profile())
    for _ in range(20):
        verdict = person.ask(Kind.DIRECT, not_before_ms=TEN + HOUR)
        assert verdict.outcome == "deferred"
    assert person.ask(Kind.DIRECT, not_before_ms=TEN + HOUR).reason == "too_many_held"
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R4.1")
def test_the_packaged_night_is_from_half_past_nine_to_half_past_eight() -> None:
    start_ms, end_ms = ms("2026-11-18 21:30", ZONE), ms("2026-11-19 08:30", ZONE)
    for kind in (Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT, Kind.FRIEND_REQUEST):
        assert begin(profile(), start_ms - 1).ask(kind).send_by_ms == start_ms - 1
        for at_ms in (start_ms, end_ms - 1):
            night = ("quiet_hours", "quiet_hours", end_ms)
            assert refused(begin(profile(), at_ms), kind) == night
        assert begin(profile(), end_ms).ask(kind).outcome == "approved"


@pytest.mark.rule("R4.10")
def test_the_packaged_silence_after_a_complaint_is_for_ever_and_thirty_days() -> None:
    person = begin(profile())
    person.complained(account="a")
    assert refused(person, Kind.DIRECT, "a") == ("suppressed", "suppression", None)
    after_ms = TEN + 30 * DAY
    assert refused(person, Kind.DIRECT, "b") == ("suppressed", "suppression", after_ms)
    send(person.at(after_ms), Kind.DIRECT, "b")
    assert refused(person.at(TEN + 3650 * DAY), Kind.DIRECT, "a")[0] == "suppressed"


@pytest.mark.rule("R3.1", "R3.3")
def test_the_packaged_answers_are_five_in_forty_eight_hours() -> None:
    person = begin(profile())
    person.wrote()
    person.at(TEN + 2 * DAY - 1)
    for _ in range(5):
        assert person.ask(Kind.REPLY).send_by_ms == TEN + 2 * DAY - 1
    assert person.ask(Kind.REPLY).wecom_errcode == 95001
    assert person.after(1).ask(Kind.REPLY).wecom_errcode == 95002


@pytest.mark.rule("R3.7")
def test_the_packaged_silence_grows_from_five_days_to_a_hundred_and_eighty() -> None:
    person = begin(profile())
    for day in (0, 1):
        send(person.at(TEN + day * DAY), Kind.DIRECT)
    at_ms = TEN + 2 * DAY
    for days in (5, 10, 20, 40, 80, 160, 180, 180):
        send(person.at(at_ms), Kind.DIRECT)
        at_ms += days * DAY
        person.at(at_ms - 1)
        verdict = person.ask(Kind.BROADCAST, deny=True)
        assert verdict.eligible_at_ms == at_ms, days


@pytest.mark.rule("R8.1")
def test_two_transfers_a_season() -> None:
    person = begin(profile())
    for giver, taker in (("a", "b"), ("b", "c")):
        person.approved(Kind.TRANSFER, giver, to_account_id=taker)
        person.transferred(giver, taker)
    person.at(TEN + 90 * DAY - 1)
    verdict = person.ask(Kind.TRANSFER, "c", to_account_id="d")
    assert (verdict.reason, verdict.wecom_errcode) == ("transfer_limit", 40128)
    assert (verdict.rule, verdict.eligible_at_ms) == ("transfer-90d", TEN + 90 * DAY)
    assert person.after(1).ask(Kind.TRANSFER, "c", to_account_id="d").outcome == "approved"
