"""The values a policy file is written in: durations, shares, rates, times, zones, words.

Rules of this file: a form reads one plain JSON-like value into one number or string that the core
decides by, or raises `Refused` with one sentence. It never guesses, never coerces, and knows no
section's name. What the JSON Schema says of a form stands beside the code that reads it.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar

from pydantic_core import core_schema
from typing_extensions import TypeAliasType

from streams.core.local_calendar import DAY_MS
from streams.core.written import IDENTIFIER, RFC_3339, TIME_OF_DAY, instant_ms, time_of_day_ms
from streams.policy.faults import Refused, is_number, show, spelt
from streams.policy.zones import zone_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS

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


class Form(Generic[T]):
    """How one value is written: what reads it, and what the JSON Schema says of it.

    It stands in the `Annotated` type of a field, where pydantic asks it for both.
    """

    def __init__(self, read: Callable[[object], T], schema: dict[str, Any]) -> None:
        self.read = read
        self.schema = schema

    def __call__(self, value: object) -> T:
        """The value as the core knows it. Raises Refused."""
        return self.read(value)

    def __get_pydantic_core_schema__(self, *_: object) -> core_schema.CoreSchema:
        """How pydantic reads it."""
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, *_: object) -> dict[str, Any]:
        """What pydantic prints of it; a copy, because it adds to what it is given."""
        return dict(self.schema)


def _written(pattern: str, description: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{pattern}$", "description": description}


def duration(*, least_ms: int = 1, most_ms: int = LONGEST_MS) -> Form[int]:
    """Milliseconds from `500ms 90s 30m 24h 7d`: a whole number and one unit."""

    def read(value: object) -> int:
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            text = "is not a duration; write a whole number and one unit: 500ms, 90s, 30m, 24h, 7d"
            raise Refused(f"{show(value)} {text}")
        length_ms = int(found[1]) * _UNIT_MS[found[2]]
        if length_ms < least_ms:
            raise Refused(f"{show(value)} is too short; the least is {least_ms}ms")
        if length_ms > most_ms:
            raise Refused(f"{show(value)} is too long; the most is {span(most_ms)}")
        return length_ms

    units = "A whole number and one unit: 500ms, 90s, 30m, 24h, 7d"
    return Form(read, _written(_DURATION.pattern, f"{units}; at most {span(most_ms)}."))


def span(length_ms: int) -> str:
    """A length as a policy may write it: in the largest unit that it is a whole number of."""
    unit = next(name for name in reversed(_UNIT_MS) if length_ms % _UNIT_MS[name] == 0)
    return f"{length_ms // _UNIT_MS[unit]}{unit}"


def share(*, zero: bool = False, full: bool = False) -> Form[float]:
    """A fraction of 1 from `0.3%` or `0.003`; whether 0 and 100 % themselves are allowed."""
    low, high = "from 0 %" if zero else "above 0 %", "to 100 %" if full else "below 100 %"

    def read(value: object) -> float:
        part = _fraction(value)
        if not (0 < part < 1 or (zero and part == 0) or (full and part == 1)):
            raise Refused(f"{show(value)} is out of range: {low}, {high} (1 is 100 %)")
        return part

    bounds = {
        "minimum" if zero else "exclusiveMinimum": 0,
        "maximum" if full else "exclusiveMaximum": 1,
    }
    percent = {"type": "string", "pattern": f"^{_PERCENT.pattern}$"}
    description = f"0.3% or 0.003; {low}, {high}."
    return Form(
        read, {"description": description, "anyOf": [percent, {"type": "number", **bounds}]}
    )


def _fraction(value: object) -> float:
    if isinstance(value, str) and (found := _PERCENT.fullmatch(value)):
        # Decimal, so that 0.07% is the float nearest to 0.0007 and not its neighbour.
        return float(Decimal(found[1]).scaleb(-2))
    if is_number(value) and math.isfinite(value):
        return float(value)
    raise Refused(f"{show(value)} is not a share; write 0.3% or 0.003")


def rate_per_s(*, most_per_s: float = 10_000) -> Form[float]:
    """Messages a second from `10/s` or `30/m`."""

    def read(value: object) -> float:
        found = _RATE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise Refused(f"{show(value)} is not a rate; write 10/s or 30/m")
        per_s = float(found[1]) / _PER_SECOND[found[2]]
        if per_s > most_per_s:
            raise Refused(f"{show(value)} is too fast; the most is {most_per_s:g}/s")
        return per_s

    return Form(read, _written(_RATE.pattern, f"10/s or 30/m; at most {most_per_s:g}/s."))


def _time_of_day(value: object) -> int:
    if is_number(value):
        text = 'put the time in quotes, "21:30": without them YAML reads it as a number'
        raise Refused(f"{show(value)} is not a time of day; {text}")
    if isinstance(value, str):
        with suppress(ValueError):
            return time_of_day_ms(value)
    raise Refused(f'{show(value)} is not a time of day; write "21:30" or "21:30:15"')


time_of_day: Final = Form(_time_of_day, _written(TIME_OF_DAY, '"21:30" or "21:30:15", in quotes.'))
"""Milliseconds after midnight."""


def _instant(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        with suppress(ValueError):
            return instant_ms(value)
    raise Refused(f"{show(value)} is not an RFC 3339 time; write 2026-11-22T02:00:00Z")


instant: Final = Form(
    _instant, {"anyOf": [{"type": "string", "pattern": f"^{RFC_3339}$"}, {"type": "null"}]}
)
"""UTC milliseconds from an RFC 3339 time; nothing stays nothing."""


def _zone(value: object) -> str:
    wrong = zone_fault(value)
    if wrong is not None or not isinstance(value, str):
        raise Refused(str(wrong))
    return value


zone: Final = Form(_zone, {"type": "string"})
"""The name of a time zone of the IANA database, spelt as it is there."""


def whole(least: int, most: int, why: str = "") -> Form[int]:
    """A whole number between two bounds, both allowed; `why` there is the upper one."""
    bounds = f"from {least} to {most}{why and f', {why}'}"

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refused(f"{show(value)} is not a whole number")
        if not least <= value <= most:
            raise Refused(f"{show(value)} is out of range: {bounds}")
        return value

    return Form(read, {"type": "integer", "minimum": least, "maximum": most})


def number(least: float, most: float) -> Form[float]:
    """A number between two bounds, both allowed."""

    def read(value: object) -> float:
        if not is_number(value) or not math.isfinite(value):
            raise Refused(f"{show(value)} is not a number")
        if not least <= value <= most:
            raise Refused(f"{show(value)} is out of range: from {least:g} to {most:g}")
        return float(value)

    return Form(read, {"type": "number", "minimum": least, "maximum": most})


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused(f"{show(value)} is neither true nor false")
    return value


flag: Final = Form(_flag, {"type": "boolean"})
"""True or false, and nothing that looks like it."""


def text(pattern: str, says: str) -> Form[str]:
    """A string of one form; `says` tells which."""
    matches = re.compile(pattern).fullmatch

    def read(value: object) -> str:
        if not isinstance(value, str):
            quotes = "; put it in quotes" if is_number(value) else ""
            raise Refused(f"{show(value)} is not a string{quotes}")
        if not matches(value):
            raise Refused(f"{show(value)} must be {says}")
        return value

    return Form(read, {"type": "string", "pattern": f"^{pattern}$"})


identifier: Final = text(IDENTIFIER, "1 to 128 of letters, digits and _ - . : @ =")


def choice(names: Mapping[str, T]) -> Form[T]:
    """One of several words."""

    def read(value: object) -> T:
        if isinstance(value, str) and value in names:
            return names[value]
        raise Refused(f"{show(value)} is not one of {', '.join(names)}{spelt(value, names)}")

    return Form(read, {"enum": list(names)})


def either(word: str, means: T, otherwise: Form[T]) -> Form[T]:
    """One word, or else another kind of value."""

    def read(value: object) -> T:
        if value == word:
            return means
        if value is False and word == "off":
            raise Refused('put "off" in quotes: without them YAML reads it as `false`')
        try:
            return otherwise(value)
        except Refused as refused:
            raise Refused(f"{refused}; or `{word}`") from None

    return Form(read, {"anyOf": [{"const": word}, otherwise.schema]})


# Named types stand once in the JSON Schema.
Duration = TypeAliasType("Duration", Annotated[int, duration()])
Share = TypeAliasType("Share", Annotated[float, share()])
