"""The policy file's values as numbers, read without the engine's code."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from datetime import date

_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(text: str) -> int:
    """`30m` in milliseconds."""
    found = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text)
    assert found, text
    return int(found[1]) * _UNITS_MS[found[2]]


def per_s(text: str) -> float:
    """`30/m` as a rate a second."""
    count, unit = text.split("/")
    return int(count) * 1000 / _UNITS_MS[unit]


def share(text: str) -> float:
    """`10%` as a share."""
    return float(text.removesuffix("%")) / 100


def day_of(policy: dict[str, Any], at_ms: int) -> date:
    """The policy's calendar day."""
    zone = ZoneInfo(policy.get("time_zone", "UTC"))
    return (datetime.fromtimestamp(0, zone) + timedelta(milliseconds=at_ms)).astimezone(zone).date()
