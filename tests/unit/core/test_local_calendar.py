"""Calendar periods and quiet hours where clocks change. Expected instants are written in UTC."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from streams.core.local_calendar import days_in_month, period, quiet_span, zone_named, zone_names
from streams.core.policy import Calendar
from tests.unit.core.person import DAY, HOUR, MINUTE, SECOND, ms

DAYS = [
    # zone, a moment in the day, its start, its end, both UTC
    ("Asia/Shanghai", "2026-11-18 12:00", "2026-11-17 16:00", "2026-11-18 16:00"),
    ("America/New_York", "2026-03-08 12:00", "2026-03-08 05:00", "2026-03-09 04:00"),  # 23 h
    ("America/New_York", "2026-11-01 12:00", "2026-11-01 04:00", "2026-11-02 05:00"),  # 25 h
    ("Europe/Berlin", "2026-03-29 12:00", "2026-03-28 23:00", "2026-03-29 22:00"),
    ("Europe/Berlin", "2026-10-25 12:00", "2026-10-24 22:00", "2026-10-25 23:00"),
    ("Australia/Lord_Howe", "2026-10-03 20:00", "2026-10-03 13:30", "2026-10-04 13:00"),  # 23.5 h
    ("Australia/Lord_Howe", "2026-04-04 20:00", "2026-04-04 13:00", "2026-04-05 13:30"),  # 24.5 h
    # Midnight does not exist: the day begins at 01:00.
    ("America/Sao_Paulo", "2018-11-04 12:00", "2018-11-04 03:00", "2018-11-05 02:00"),
    ("Asia/Beirut", "2026-03-29 12:00", "2026-03-28 22:00", "2026-03-29 21:00"),
    # 23:00 happens twice: the day has 25 hours.
    ("America/Sao_Paulo", "2018-02-17 12:00", "2018-02-17 02:00", "2018-02-18 03:00"),
    ("Asia/Beirut", "2026-10-24 12:00", "2026-10-23 21:00", "2026-10-24 22:00"),
    # Midnight happens twice: the day begins at the first.
    ("America/Havana", "2024-11-03 12:00", "2024-11-03 04:00", "2024-11-04 05:00"),
]


@pytest.mark.rule("R2.4")
@pytest.mark.parametrize(("zone", "inside", "start", "end"), DAYS)
def test_day(zone: str, inside: str, start: str, end: str) -> None:
    first_ms, end_ms = ms(start), ms(end)
    for at_ms in (first_ms, ms(inside), end_ms - 1):
        assert period(Calendar.DAY, ZoneInfo(zone), at_ms) == (first_ms, end_ms)
    assert period(Calendar.DAY, ZoneInfo(zone), first_ms - 1).end_ms == first_ms
    assert period(Calendar.DAY, ZoneInfo(zone), end_ms).start_ms == end_ms


@pytest.mark.rule("R2.4")
def test_a_date_that_never_was_is_no_period() -> None:
    """Samoa had no 30 December 2011: the 29th ends where the 31st begins."""
    apia = ZoneInfo("Pacific/Apia")
    change_ms = ms("2011-12-30 10:00")
    assert period(Calendar.DAY, apia, change_ms - 1).end_ms == change_ms
    assert period(Calendar.DAY, apia, change_ms) == (change_ms, change_ms + DAY)


@pytest.mark.rule("R2.3")
@pytest.mark.parametrize(
    ("zone", "at", "start", "end"),
    [
        ("UTC", "2026-11-22 23:59", "2026-11-16 00:00", "2026-11-23 00:00"),  # from Monday
        ("Asia/Shanghai", "2026-11-22 16:00", "2026-11-22 16:00", "2026-11-29 16:00"),
        ("America/New_York", "2026-03-08 12:00", "2026-03-02 05:00", "2026-03-09 04:00"),
        ("UTC", "2027-01-01 00:00", "2026-12-28 00:00", "2027-01-04 00:00"),  # over the year
    ],
)
def test_week(zone: str, at: str, start: str, end: str) -> None:
    assert period(Calendar.WEEK, ZoneInfo(zone), ms(at)) == (ms(start), ms(end))


@pytest.mark.rule("R2.3", "R2.5")
@pytest.mark.parametrize(
    ("zone", "at", "start", "end", "days"),
    [
        ("UTC", "2026-02-28 23:59", "2026-02-01 00:00", "2026-03-01 00:00", 28),
        ("UTC", "2028-02-29 23:59", "2028-02-01 00:00", "2028-03-01 00:00", 29),
        ("UTC", "2026-12-31 23:59", "2026-12-01 00:00", "2027-01-01 00:00", 31),
        ("Asia/Shanghai", "2026-11-30 16:00", "2026-11-30 16:00", "2026-12-31 16:00", 31),
        ("America/New_York", "2026-11-15 00:00", "2026-11-01 04:00", "2026-12-01 05:00", 30),
        ("Europe/Berlin", "2026-03-15 00:00", "2026-02-28 23:00", "2026-03-31 22:00", 31),
    ],
)
def test_month(zone: str, at: str, start: str, end: str, days: int) -> None:
    span = period(Calendar.MONTH, ZoneInfo(zone), ms(at))
    assert span == (ms(start), ms(end))
    assert days_in_month(ZoneInfo(zone), span.start_ms) == days


ALL_YEAR = ["UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]
ALL_YEAR += ["Asia/Beirut", "America/Havana", "Asia/Kathmandu", "Pacific/Chatham", "Africa/Cairo"]


@pytest.mark.rule("R2.3", "R2.4")
@pytest.mark.parametrize("zone", ALL_YEAR)
@pytest.mark.parametrize("calendar", list(Calendar))
def test_periods_follow_each_other_without_gap_or_overlap(zone: str, calendar: Calendar) -> None:
    at_ms, until_ms = ms("2026-01-01 00:00"), ms("2028-04-01 00:00")
    before = period(calendar, ZoneInfo(zone), at_ms)
    while before.end_ms < until_ms:
        here = period(calendar, ZoneInfo(zone), before.end_ms)
        assert here.start_ms == before.end_ms < here.end_ms
        assert period(calendar, ZoneInfo(zone), here.end_ms - 1) == here
        before = here


@pytest.mark.parametrize("zone", ALL_YEAR)
def test_a_days_date_is_the_calendars(zone: str) -> None:
    at_ms, until_ms = ms("2026-01-01 00:00"), ms("2027-01-01 00:00")
    days = 0
    while at_ms < until_ms:
        at_ms = period(Calendar.DAY, ZoneInfo(zone), at_ms).end_ms
        days += 1
    assert days in (365, 366)


# --- 6: quiet hours -------------------------------------------------------------------------------

EVENING, MORNING = (21 * 60 + 30) * MINUTE, (8 * 60 + 30) * MINUTE


@pytest.mark.rule("R4.1")
def test_quiet_hours_over_midnight_are_from_to() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    start_ms, end_ms = ms("2026-11-18 13:30"), ms("2026-11-19 00:30")
    for at_ms in (start_ms - 1, start_ms, ms("2026-11-18 16:00"), end_ms - 1):
        assert quiet_span(zone, EVENING, MORNING, at_ms) == (start_ms, end_ms)
    assert quiet_span(zone, EVENING, MORNING, end_ms).start_ms == start_ms + DAY


def test_quiet_hours_within_a_day_with_seconds() -> None:
    zone, start, end = ZoneInfo("UTC"), 12 * HOUR + 15 * SECOND, 13 * HOUR + 45 * SECOND
    start_ms, end_ms = ms("2026-11-18 12:00:15"), ms("2026-11-18 13:00:45")
    assert quiet_span(zone, start, end, end_ms - 1) == (start_ms, end_ms)
    assert quiet_span(zone, start, end, end_ms) == (start_ms + DAY, end_ms + DAY)


@pytest.mark.rule("R4.5")
@pytest.mark.parametrize(
    ("zone", "night", "start", "end"),
    [
        # The night of a change is an hour shorter or longer.
        ("America/New_York", "2026-03-08 06:00", "2026-03-08 02:30", "2026-03-08 12:30"),
        ("America/New_York", "2026-11-01 06:00", "2026-11-01 01:30", "2026-11-01 13:30"),
        ("Europe/Berlin", "2026-03-29 00:00", "2026-03-28 20:30", "2026-03-29 06:30"),
        ("Europe/Berlin", "2026-10-25 00:00", "2026-10-24 19:30", "2026-10-25 07:30"),
        ("Australia/Lord_Howe", "2026-10-03 14:00", "2026-10-03 11:00", "2026-10-03 21:30"),
        ("Asia/Beirut", "2026-03-28 23:00", "2026-03-28 19:30", "2026-03-29 05:30"),
        ("America/Sao_Paulo", "2018-11-04 05:00", "2018-11-04 00:30", "2018-11-04 10:30"),
    ],
)
def test_night_of_a_change(zone: str, night: str, start: str, end: str) -> None:
    span = quiet_span(ZoneInfo(zone), EVENING, MORNING, ms(night))
    assert span == (ms(start), ms(end))


@pytest.mark.rule("R4.5")
def test_quiet_from_a_time_that_comes_twice_begins_with_the_first() -> None:
    span = quiet_span(ZoneInfo("Europe/Berlin"), 2 * HOUR, 6 * HOUR, ms("2026-10-25 02:00"))
    assert span == (ms("2026-10-25 00:00"), ms("2026-10-25 05:00"))


@pytest.mark.rule("R4.5")
def test_quiet_until_a_time_that_comes_twice_ends_with_the_second() -> None:
    half_past_two = 2 * HOUR + 30 * MINUTE
    span = quiet_span(ZoneInfo("Europe/Berlin"), 22 * HOUR, half_past_two, ms("2026-10-24 22:00"))
    assert span == (ms("2026-10-24 20:00"), ms("2026-10-25 01:30"))


@pytest.mark.rule("R4.5")
def test_quiet_from_a_skipped_midnight_begins_with_the_day() -> None:
    span = quiet_span(ZoneInfo("Asia/Beirut"), 0, 8 * HOUR, ms("2026-03-29 00:00"))
    assert span.end_ms == ms("2026-03-29 05:00")
    assert span.start_ms <= ms("2026-03-28 22:00")  # never later than the first minute after it


@pytest.mark.rule("R4.5")
def test_quiet_until_a_skipped_time_is_over_when_the_clock_is_past_it() -> None:
    """6: quiet hours are [from, to) on the wall clock, which reads 03:00 right after 01:59:59."""
    half_past_two, change_ms = 2 * HOUR + 30 * MINUTE, ms("2026-03-29 01:00")
    span = quiet_span(ZoneInfo("Europe/Berlin"), 22 * HOUR, half_past_two, ms("2026-03-28 23:00"))
    assert span == (ms("2026-03-28 21:00"), change_ms)


@pytest.mark.rule("R4.5")
def test_quiet_hours_that_are_skipped_whole_disturb_nobody_before_them() -> None:
    """6: from 02:15 to 02:45 never comes on this morning; 01:15 to 02:00 is not quiet."""
    start, end = 2 * HOUR + 15 * MINUTE, 2 * HOUR + 45 * MINUTE
    span = quiet_span(ZoneInfo("Europe/Berlin"), start, end, ms("2026-03-28 12:00"))
    assert span == (ms("2026-03-30 00:15"), ms("2026-03-30 00:45"))


@pytest.mark.parametrize("zone", ALL_YEAR)
def test_every_night_is_found_from_anywhere_before_its_end(zone: str) -> None:
    at_ms = ms("2026-01-01 12:00")
    for _ in range(400):
        span = quiet_span(ZoneInfo(zone), EVENING, MORNING, at_ms)
        assert span.start_ms < span.end_ms
        assert quiet_span(ZoneInfo(zone), EVENING, MORNING, span.end_ms - 1) == span
        at_ms = span.end_ms


# --- zones ----------------------------------------------------------------------------------------


@pytest.mark.rule("R4.3", "R4.20")
@pytest.mark.parametrize(
    "name",
    [
        *("Mars/Olympus", "", "..", "../etc/passwd", "Asia", "/UTC", "asia/shanghai", "CST"),
        *(
            "localtime",
            "posixrules",
            "Factory",
            "right/UTC",
            "posix/UTC",
            "zone.tab",
            "leapseconds",
        ),
    ],
)
def test_unknown_zone(name: str) -> None:
    assert zone_named(name) is None


@pytest.mark.rule("R4.16", "R4.20")
def test_zones_are_those_of_the_package_whatever_the_machine_has() -> None:
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=())
    try:
        assert zone_names() == zoneinfo.available_timezones() - {"Factory"}
        for name in sorted(zone_names()):
            zone, packaged = zone_named(name), ZoneInfo.no_cache(name)
            assert zone is not None
            assert zone.key == name
            for year in range(1970, 2038):
                noon = datetime(year, year % 12 + 1, 1, 12, tzinfo=UTC)
                assert noon.astimezone(zone).utcoffset() == noon.astimezone(packaged).utcoffset()
    finally:
        zoneinfo.reset_tzpath(to=before)
