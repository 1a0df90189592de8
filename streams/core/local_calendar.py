"""Calendar periods and quiet hours on the customer's wall clock, as instants in UTC milliseconds.

Rules of this file: every answer is a half-open span of instants, so that no other file does
time-zone arithmetic. If clocks show a local time twice, quiet hours start at the first and end at
the second: in the customer's favour.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from streams.core.policy import Calendar

DAY_MS: Final = 86_400_000
LAST_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999: the last time that RFC 3339 can write."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SLOT_MS: Final = 900_000
"""Time zones change their offset, and days begin, at whole quarters of an hour in UTC."""


class Span(NamedTuple):
    """[start_ms, end_ms)."""

    start_ms: int
    end_ms: int


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every name of the IANA database, as the package `tzdata` carries it.

    Never the machine's own database: it may be older, or have `localtime`, `posixrules` and
    `right/`, and then two workers would decide differently. `Factory` means that no zone is set.
    """
    listed = files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(listed.split()) - {"Factory"}


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """The IANA zone of exactly this name; None if there is none."""
    if name not in zone_names():
        return None
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def period(calendar: Calendar, zone: ZoneInfo, at_ms: int) -> Span:
    """The calendar day, week (from Monday) or month that `at_ms` falls in."""
    return _period(calendar, zone, at_ms // _SLOT_MS)


@lru_cache(maxsize=4096)
def _period(calendar: Calendar, zone: ZoneInfo, slot: int) -> Span:
    at_ms = slot * _SLOT_MS
    first = _first_day(calendar, _local(zone, at_ms).date())
    span = _whole(calendar, zone, first)
    # If clocks go back across midnight, the local date is the old one again for a while. The new
    # period has begun all the same.
    return span if at_ms < span.end_ms else _whole(calendar, zone, _next(calendar, first))


def _whole(calendar: Calendar, zone: ZoneInfo, first: date) -> Span:
    after = _next(calendar, first)
    return Span(_instants(zone, first, 0).start_ms, _instants(zone, after, 0).start_ms)


def _first_day(calendar: Calendar, day: date) -> date:
    if calendar is Calendar.MONTH:
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if calendar is Calendar.WEEK else day


def _next(calendar: Calendar, first: date) -> date:
    if calendar is Calendar.MONTH:
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if calendar is Calendar.WEEK else 1)


@lru_cache(maxsize=4096)
def days_in_month(zone: ZoneInfo, month_starts_ms: int) -> int:
    """The number of days in the local month that begins at that instant."""
    first = _local(zone, month_starts_ms).date()
    return (_next(Calendar.MONTH, first) - first).days


def quiet_span(zone: ZoneInfo, from_ms: int, to_ms: int, at_ms: int) -> Span:
    """The quiet hours that hold at `at_ms`, else the next ones: the first that end after it.

    `from_ms` and `to_ms` are milliseconds after local midnight; from > to goes across midnight.
    """
    for span in _quiet_spans(zone, from_ms, to_ms, at_ms // DAY_MS):
        if span.end_ms > at_ms:
            return span
    raise AssertionError("no quiet hours end within the four days after this one")


@lru_cache(maxsize=4096)
def _quiet_spans(zone: ZoneInfo, from_ms: int, to_ms: int, day: int) -> tuple[Span, ...]:
    today = _local(zone, day * DAY_MS).date()
    over_midnight = timedelta(days=1 if from_ms > to_ms else 0)
    spans = []
    for offset in range(-2, 5):
        start = today + timedelta(days=offset)
        starts, ends = (
            _instants(zone, start, from_ms),
            _instants(zone, start + over_midnight, to_ms),
        )
        if starts.start_ms < ends.end_ms:  # not if clocks skip all of it
            spans.append(Span(starts.start_ms, ends.end_ms))
    return tuple(spans)


def _local(zone: ZoneInfo, at_ms: int) -> datetime:
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone)


def _instants(zone: ZoneInfo, day: date, of_day_ms: int) -> Span:
    """A local time's first and last instant: they differ if clocks show the time twice.

    If clocks skip the time, both are the instant of the skip.
    """
    naive = datetime.combine(day, time()) + timedelta(milliseconds=of_day_ms)
    first, last = (_to_ms(naive.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    return Span(first, last) if first <= last else Span(*[_change(zone, last, first)] * 2)


def _change(zone: ZoneInfo, before_ms: int, after_ms: int) -> int:
    """The instant of the offset's change between `before_ms` and `after_ms`, by bisection."""
    new = _local(zone, after_ms).utcoffset()
    while after_ms - before_ms > 1:
        middle_ms = (before_ms + after_ms) // 2
        if _local(zone, middle_ms).utcoffset() == new:
            after_ms = middle_ms
        else:
            before_ms = middle_ms
    return after_ms


def _to_ms(local: datetime) -> int:
    return (local - _EPOCH) // timedelta(milliseconds=1)
