"""How events and policies write instants, times of day and identifiers.

Rules of this file: text in, numbers out; ValueError if the text has another form. The caller writes
the message for people.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

MAX_IDENTIFIER: Final = 128
"""Characters of an identifier, and of an event's `id`."""

IDENTIFIER_CHARACTERS: Final = (
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:@="
)
"""The characters of an identifier. Not `/`: it joins the parts of record keys."""

IDENTIFIER: Final = rf"[A-Za-z0-9_.:@=-]{{1,{MAX_IDENTIFIER}}}"
"""The pattern of an identifier: of enterprises, accounts, customers and campaigns."""

RFC_3339: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
"""The form of an instant: no leap second, no fraction of a microsecond."""

TIME_OF_DAY: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
"""`21:30` or `21:30:15`; midnight is `00:00`, as there is no 24th hour."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_is_rfc_3339 = re.compile(RFC_3339).fullmatch
_is_time_of_day = re.compile(TIME_OF_DAY).fullmatch


def instant_ms(text: str) -> int:
    """UTC milliseconds from an RFC 3339 time."""
    if not _is_rfc_3339(text):
        raise ValueError(text)
    # It raises ValueError for a day or hour that does not exist.
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=64)
def rfc3339(at_ms: int) -> str:
    """`2026-11-22T02:00:00.123Z` for UTC milliseconds from 0 to the end of the year 9999.

    Cached, because a whole batch is decided at one reading of the clock.
    """
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of_day_ms(text: str) -> int:
    """Milliseconds after midnight from `21:30` or `21:30:15`."""
    if not _is_time_of_day(text):
        raise ValueError(text)
    hours, minutes, seconds = map(int, f"{text}:00".split(":")[:3])
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000
