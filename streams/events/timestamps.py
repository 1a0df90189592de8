"""Milliseconds as RFC 3339 text, the way events show a time."""

from __future__ import annotations

import time
from functools import lru_cache


@lru_cache(maxsize=64)
def rfc3339(ms: int) -> str:
    """`2026-11-22T02:00:00.123Z` for UTC milliseconds from 0 to the end of the year 9999.

    Cached, because a whole batch is decided at one reading of the clock.
    """
    seconds, fraction = divmod(ms, 1_000)
    moment = time.gmtime(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{fraction:03d}Z"
