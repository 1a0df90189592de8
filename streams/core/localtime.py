"""Calendar periods and quiet hours on the customer's wall clock, as instants in UTC milliseconds.

Rules of this file: every answer is a half-open span of instants, so that a decision never does
time-zone arithmetic of its own. Where a change of the clocks makes a local time happen twice or
not at all, quiet hours are read in the customer's favour: they start early and end late.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.core.policy import Calendar

DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SLOT_MS: Final = 900_000
"""Zones change their offset, and days begin, at whole quarters of an hour of UTC."""


class Span(NamedTuple):
    """[start_ms, end_ms)."""

    start_ms: int
    end_ms: int


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """The IANA zone of that name, or None where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def period(calendar: Calendar, zone: ZoneInfo, at_ms: int) -> Span:
    """The calendar day, week (from Monday) or month that `at_ms` falls in."""
    return _period(calendar, zone, at_ms // _SLOT_MS)


@lru_cache(maxsize=4096)
def _period(calendar: Calendar, zone: ZoneInfo, slot: int) -> Span:
    at_ms = slot * _SLOT_MS
    first = _first_day(calendar, _local(zone, at_ms).date())
    span = _whole(calendar, zone, first)
    # Where clocks go back over midnight the local date returns to the old day for a while; the new
    # period has begun all the same.
    return span if at_ms < span.end_ms else _whole(calendar, zone, _next(calendar, first))


def _whole(calendar: Calendar, zone: ZoneInfo, first: date) -> Span:
    # A midnight that clocks skip: the first of the two readings is the instant of the change.
    return Span(_instants(zone, first, 0)[0], _instants(zone, _next(calendar, first), 0)[0])


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
    """Days in the local month that begins at that instant."""
    first = _local(zone, month_starts_ms).date()
    return (_next(Calendar.MONTH, first) - first).days


def quiet_span(zone: ZoneInfo, from_ms: int, to_ms: int, at_ms: int) -> Span:
    """The quiet hours that hold at `at_ms`, else the next ones: the first that end after it.

    `from_ms` and `to_ms` are milliseconds after local midnight; from > to goes over midnight.
    """
    for span in _quiet_spans(zone, from_ms, to_ms, at_ms // DAY_MS):
        if span.end_ms > at_ms:
            return span
    raise AssertionError("quiet hours of four days on end before their first day does")


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
        spans.append(Span(min(starts), max(ends)))
    return tuple(spans)


def _local(zone: ZoneInfo, at_ms: int) -> datetime:
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone)


def _instants(zone: ZoneInfo, day: date, of_day_ms: int) -> tuple[int, int]:
    """A local time as instants: the same one twice, but for times that clocks repeat or skip."""
    naive = datetime.combine(day, time()) + timedelta(milliseconds=of_day_ms)
    return _to_ms(naive.replace(tzinfo=zone)), _to_ms(naive.replace(tzinfo=zone, fold=1))


def _to_ms(local: datetime) -> int:
    return (local - _EPOCH) // timedelta(milliseconds=1)
