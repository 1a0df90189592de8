"""Section 4: decisions where clocks change, and with zones that nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.core.kinds import Kind
from streams.core.policy import Calendar, QuietHours
from tests.unit.core.person import DAY, DISTURBING, HOUR, MINUTE, Person, calendar, ms, policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

NIGHT = QuietHours(kinds=DISTURBING, from_ms=(21 * 60 + 30) * MINUTE, to_ms=(8 * 60 + 30) * MINUTE)

NIGHTS = [
    # zone, the night's first millisecond and the first after it, both UTC
    ("America/New_York", "2026-03-08 02:30", "2026-03-08 12:30"),  # forward: ten hours
    ("America/New_York", "2026-11-01 01:30", "2026-11-01 13:30"),  # back: twelve hours
    ("Europe/Berlin", "2026-03-28 20:30", "2026-03-29 06:30"),
    ("Europe/Berlin", "2026-10-24 19:30", "2026-10-25 07:30"),
    ("Australia/Lord_Howe", "2026-10-03 11:00", "2026-10-03 21:30"),  # forward: half an hour
    ("Asia/Shanghai", "2026-11-18 13:30", "2026-11-19 00:30"),  # no change: eleven hours
]


@pytest.mark.rule("R4.5", "R4.2", "R5.3")
@pytest.mark.parametrize(("zone", "start", "end"), NIGHTS)
def test_a_night_in_which_clocks_change_is_kept_to_the_millisecond(
    zone: str, start: str, end: str
) -> None:
    start_ms, end_ms = ms(start), ms(end)
    person = Person(policy(quiet_hours=NIGHT, time_zone="Pacific/Honolulu"), start_ms - 1)
    person.consents(kinds=[], time_zone=zone)
    assert person.ask(Kind.DIRECT).send_by_ms == start_ms - 1
    for at_ms in (start_ms, (start_ms + end_ms) // 2, end_ms - 1):
        verdict = person.at(at_ms).ask(Kind.DIRECT, deny=True)
        assert (verdict.reason, verdict.eligible_at_ms) == ("quiet_hours", end_ms)
    assert person.at(end_ms).ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R4.5", "R5.4")
@pytest.mark.parametrize(("zone", "start", "end"), NIGHTS)
def test_what_waits_through_such_a_night_goes_when_it_ends(zone: str, start: str, end: str) -> None:
    person = Person(policy(quiet_hours=NIGHT, time_zone=zone), ms(start))
    person.ask(Kind.DIRECT)
    said = person.run_until(ms(end) + HOUR)
    assert [(at_ms, s.verdict.outcome) for at_ms, s in said] == [(ms(end), "approved")]


DAYS = [
    # zone, the day's first millisecond and the next day's, both UTC
    ("America/New_York", "2026-03-08 05:00", "2026-03-09 04:00"),  # 23 hours
    ("America/New_York", "2026-11-01 04:00", "2026-11-02 05:00"),  # 25 hours
    ("Europe/Berlin", "2026-03-28 23:00", "2026-03-29 22:00"),
    ("Europe/Berlin", "2026-10-24 22:00", "2026-10-25 23:00"),
    ("America/Havana", "2024-11-03 04:00", "2024-11-04 05:00"),  # midnight comes twice
    ("Asia/Beirut", "2026-03-28 22:00", "2026-03-29 21:00"),  # midnight is skipped
]


@pytest.mark.rule("R2.4", "R2.20")
@pytest.mark.parametrize(("zone", "start", "end"), DAYS)
def test_one_a_day_on_a_day_of_23_or_25_hours(zone: str, start: str, end: str) -> None:
    start_ms, end_ms = ms(start), ms(end)
    person = Person(policy(calendar(1, Calendar.DAY), time_zone=zone), start_ms - 1)
    person.delivered(person.approved(Kind.DIRECT))
    verdict = person.at(start_ms).ask(Kind.DIRECT)
    assert verdict.send_by_ms == min(start_ms + DAY, end_ms - 1)
    person.delivered("i2")
    late = person.at(end_ms - 1).ask(Kind.DIRECT, deny=True)
    assert (late.reason, late.eligible_at_ms) == ("window_full", end_ms)
    assert person.at(end_ms).ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R4.3")
@pytest.mark.parametrize("zone", ["Mars/Olympus", "Asia", "EST5EDT4"])
def test_a_zone_that_does_not_exist_opens_nothing(told: Callable[..., Scene], zone: str) -> None:
    night: dict[str, Any] = {"kinds": ["direct"], "from": "21:30", "to": "08:30"}
    scene = told(quiet_hours=night, unknown_zone="deny")
    scene.hear("consent", allowed=True, kinds=[], time_zone=zone)
    assert len(scene.letters()) == 1
    scene.ask("1")
    scene.expect("1", "denied quiet_hours unknown_zone")
    scene.ask("2", kind="transactional")
    scene.expect("2", "approved ok")


@pytest.mark.rule("R4.3", "R4.20")
@pytest.mark.parametrize("zone", ["localtime", "Factory", "posixrules", "right/UTC", "CST"])
def test_a_zone_that_was_stored_and_is_none_opens_nothing(zone: str) -> None:
    at_ms = ms("2026-11-18 22:00")
    guessing = Person(policy(quiet_hours=NIGHT, time_zone="UTC"), at_ms)
    guessing.consents(kinds=[], time_zone=zone)
    verdict = guessing.ask(Kind.DIRECT, deny=True)
    assert verdict.eligible_at_ms == ms("2026-11-19 08:30")
    denying = Person(policy(quiet_hours=NIGHT, unknown_zone_denies=True), at_ms)
    denying.consents(kinds=[], time_zone=zone)
    assert denying.ask(Kind.DIRECT).rule == "unknown_zone"


@pytest.mark.rule("R4.2", "R4.4")
def test_own_hours_are_read_on_the_customer_s_own_clock() -> None:
    person = Person(policy(quiet_hours=NIGHT, time_zone="UTC"), ms("2026-11-18 12:00"))
    person.consents(kinds=[], quiet_hours=("21:00", "22:00"), time_zone="Asia/Tokyo")
    verdict = person.ask(Kind.DIRECT, deny=True)
    assert verdict.eligible_at_ms == ms("2026-11-18 22:00", "Asia/Tokyo")
    assert person.at(ms("2026-11-18 22:00")).ask(Kind.DIRECT).outcome == "approved"
