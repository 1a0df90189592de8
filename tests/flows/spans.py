"""Lengths of time as flows write them: `1h30m`, from days to milliseconds."""

from __future__ import annotations

import re
from typing import Final

UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART: Final = re.compile(r"(\d+)(ms|s|m|h|d)")


def span_ms(text: str) -> int:
    """`1h30m` in milliseconds."""
    parts = _PART.findall(text)
    assert parts, text
    assert "".join(number + unit for number, unit in parts) == text, text
    return sum(int(number) * UNITS_MS[unit] for number, unit in parts)


def span_text(ms: int) -> str:
    """Milliseconds as `1h30m`; the inverse of `span_ms`."""
    text, left = "", ms
    for unit in ("d", "h", "m", "s", "ms"):
        number, left = divmod(left, UNITS_MS[unit])
        text += f"{number}{unit}" if number else ""
    return text or "0s"
