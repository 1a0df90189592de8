"""The values a policy file is written in: durations, shares, rates, times, zones.

Each function here makes a parser: from one plain JSON-like value to one number or string the core
decides by, or `Refused` with every fault found. Parsers never guess, never coerce, and know no
section's name; the path is put in front by whoever called them (`reader`).
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar

from streams.core.localtime import zone_named, zone_names
from streams.policy.faults import Fault, Parse, Refused, is_number, show, spelt

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

LONGEST_MS: Final = 400 * DAY_MS
"""No duration is longer: thirteen months, so that a year can be compared with the one before it.
What a policy looks back on is kept for every customer, so the look-back must have an end."""

_UNIT_MS: Final = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_PER_SECOND: Final = {"s": 1, "m": 60}

# `[0-9]`, not `\d`: the latter takes the digits of every script. The counts are bounded, because
# turning thousands of digits into a number is an error of its own.
_DURATION: Final = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,12})?)%")
_RATE: Final = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,6})?)/(s|m)")
_TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})",
)

_OFFSET: Final = re.compile("[0-9]")
"""What `Etc/GMT+8` has and a zone named after a place has not: a digit is no slip of the pen."""

IDENTIFIER: Final = r"[A-Za-z0-9_\-.:@=]{1,128}"
"""Enterprises, accounts, customers and campaigns (the contract's envelope)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def duration(*, least_ms: int = 1, most_ms: int = LONGEST_MS, why: str = "") -> Parse[int]:
    """Milliseconds from `500ms 90s 30m 24h 7d`: a whole number and one unit."""

    def parse(value: object) -> int:
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            text = "is not a duration; write a whole number and one unit: 500ms, 90s, 30m, 24h, 7d"
            raise Refused.because(f"{show(value)} {text}")
        length_ms = int(found[1]) * _UNIT_MS[found[2]]
        if length_ms < least_ms:
            raise Refused.because(f"{show(value)} is too short; the least is {least_ms}ms{why}")
        if length_ms > most_ms:
            raise Refused.because(f"{show(value)} is too long; the most is {_days(most_ms)}{why}")
        return length_ms

    return parse


def span(length_ms: int) -> str:
    """A length as a policy may write it: in the largest unit that it is a whole number of."""
    unit = next(name for name in reversed(_UNIT_MS) if length_ms % _UNIT_MS[name] == 0)
    return f"{length_ms // _UNIT_MS[unit]}{unit}"


def _days(length_ms: int) -> str:
    return f"{length_ms // DAY_MS}d"


def share(*, zero: bool = False, full: bool = False) -> Parse[float]:
    """A fraction of 1 from `0.3%` or `0.003`; whether 0 and 100 % themselves are allowed."""

    def parse(value: object) -> float:
        part = _fraction(value)
        if not (0 < part < 1 or (zero and part == 0) or (full and part == 1)):
            low, high = "from 0 %" if zero else "above 0 %", "to 100 %" if full else "below 100 %"
            raise Refused.because(f"{show(value)} is out of range: {low}, {high} (1 is 100 %)")
        return part

    return parse


def _fraction(value: object) -> float:
    if isinstance(value, str) and (found := _PERCENT.fullmatch(value)):
        # Decimal, so that 0.07% is the float nearest to 0.0007 and not its neighbour.
        return float(Decimal(found[1]).scaleb(-2))
    if is_number(value) and math.isfinite(value):
        return float(value)
    raise Refused.because(f"{show(value)} is not a share; write 0.3% or 0.003")


def rate_per_s(*, most_per_s: float = 10_000) -> Parse[float]:
    """Messages a second from `10/s` or `30/m`."""

    def parse(value: object) -> float:
        found = _RATE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise Refused.because(f"{show(value)} is not a rate; write 10/s or 30/m")
        per_s = float(found[1]) / _PER_SECOND[found[2]]
        if per_s > most_per_s:
            raise Refused.because(f"{show(value)} is too fast; the most is {most_per_s:g}/s")
        return per_s

    return parse


def time_of_day_ms(value: object) -> int:
    """Milliseconds after midnight from `"21:30"` or `"21:30:15"`."""
    if is_number(value):
        text = 'put the time in quotes, "21:30": without them YAML reads it as a number'
        raise Refused.because(f"{show(value)} is not a time of day; {text}")
    found = _TIME_OF_DAY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Refused.because(f'{show(value)} is not a time of day; write "21:30" or "21:30:15"')
    return int(found[1]) * HOUR_MS + int(found[2]) * MINUTE_MS + int(found[3] or 0) * SECOND_MS


def instant_ms(value: object) -> int | None:
    """UTC milliseconds from an RFC 3339 time; nothing stays nothing."""
    if value is None:
        return None
    if isinstance(value, str) and _RFC_3339.fullmatch(value):
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:  # the thirtieth of February
            pass
        else:
            return (instant - _EPOCH) // timedelta(milliseconds=1)
    text = "is not an RFC 3339 time; write 2026-11-22T02:00:00Z"
    raise Refused.because(f"{show(value)} {text}")


def time_zone(value: object) -> str:
    """The name of a time zone of the IANA database, spelt as it is there."""
    wrong = zone_fault(value)
    if wrong is not None or not isinstance(value, str):
        raise Refused.because(str(wrong))
    return value


def zone_fault(value: object) -> str | None:
    """What is wrong with the name of a zone, of a policy or a customer's; None where nothing is."""
    if isinstance(value, str) and zone_named(value) is not None:
        return None
    return f"{show(value)} is not an IANA time zone like Asia/Shanghai{_nearest_zone(value)}"


def _nearest_zone(wrong: object) -> str:
    """A zone to offer, only where it must be the one meant: a wrong one is hours off, and easily
    taken. Abbreviations and offsets (`CST`, `GMT+8`) have no neighbour that is sure to be right.
    """
    if not isinstance(wrong, str):
        return ""
    same = [name for name in zone_names() if name.casefold() == wrong.casefold()]
    area = wrong.casefold().rpartition("/")[0]
    there = (name for name in zone_names() if _area_of(name) == area and not _OFFSET.search(name))
    return spelt(wrong, same or (there if area else ()))


def _area_of(zone: str) -> str:
    return zone.casefold().rpartition("/")[0]


def whole(least: int, most: int, why: str = "") -> Parse[int]:
    """A whole number between two bounds, both allowed; `why` there is the upper one."""
    bounds = f"from {least} to {most}{why and f', {why}'}"

    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refused.because(f"{show(value)} is not a whole number")
        if not least <= value <= most:
            raise Refused.because(f"{show(value)} is out of range: {bounds}")
        return value

    return parse


def number(least: float, most: float) -> Parse[float]:
    """A number between two bounds, both allowed."""

    def parse(value: object) -> float:
        if not is_number(value) or not math.isfinite(value):
            raise Refused.because(f"{show(value)} is not a number")
        if not least <= value <= most:
            raise Refused.because(f"{show(value)} is out of range: from {least:g} to {most:g}")
        return float(value)

    return parse


def flag(value: object) -> bool:
    """True or false, and nothing that looks like it."""
    if not isinstance(value, bool):
        raise Refused.because(f"{show(value)} is neither true nor false")
    return value


def text(pattern: re.Pattern[str], says: str) -> Parse[str]:
    """A string of one form; `says` tells which."""

    def parse(value: object) -> str:
        if not isinstance(value, str):
            quotes = "; put it in quotes" if is_number(value) else ""
            raise Refused.because(f"{show(value)} is not a string{quotes}")
        if not pattern.fullmatch(value):
            raise Refused.because(f"{show(value)} must be {says}")
        return value

    return parse


identifier: Final = text(re.compile(IDENTIFIER), "1 to 128 of letters, digits and _ - . : @ =")


def choice(names: Mapping[str, T]) -> Parse[T]:
    """One of several words."""

    def parse(value: object) -> T:
        if isinstance(value, str) and value in names:
            return names[value]
        listed = ", ".join(names)
        raise Refused.because(f"{show(value)} is not one of {listed}{spelt(value, names)}")

    return parse


def either(words: Mapping[str, T], otherwise: Parse[T]) -> Parse[T]:
    """One of several words, or else another kind of value."""

    def parse(value: object) -> T:
        if isinstance(value, str) and value in words:
            return words[value]
        if value is False and "off" in words:
            raise Refused.because('put "off" in quotes: without them YAML reads it as `false`')
        return _or_words(words, otherwise, value)

    return parse


def _or_words(words: Mapping[str, T], otherwise: Parse[T], value: object) -> T:
    try:
        return otherwise(value)
    except Refused as refused:
        allowed = " or ".join(f"`{word}`" for word in words)
        raise Refused(
            *(Fault(f.path, f"{f.message}; or {allowed}") for f in refused.faults)
        ) from None
