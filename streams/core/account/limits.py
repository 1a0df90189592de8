"""What is published of an account: its limits now, and each change of them.

Rules of this file: values only, with the contract's names ("account limits", "limit changes").
`None` stands for what the policy does not govern or what there is not, and is left out outside.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

PAUSED: Final = "paused"
OFF: Final = "off"
"""What is shown as the grade of an account that the brake has stopped, or that is out."""


class Grade(IntEnum):
    """How an account's rates are judged; a worse grade is a smaller number.

    `NEW` stands above `AMBER`: nothing speaks against the account, it is only unknown.
    """

    RED = 0
    AMBER = 1
    NEW = 2
    GREEN = 3

    @property
    def label(self) -> str:
        """The grade's name in the contract."""
        return _LABELS[self]


_LABELS: Final = tuple(grade.name.lower() for grade in Grade)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """An account's present limits, and the figures they rest on.

    `delivered`, `complaints` (weighted), `complaint_rate` and `complaint_rate_low` are over red's
    window, `complaint_rate_high` and `reply_rate` over green's; all None without `reputation`.
    `paused_until_ms`: the first millisecond after the pause, None without one and when `off`.
    """

    grade: str
    relations: int
    relations_ceiling: int | None = None
    adds_today: int
    daily_add_ceiling: int | None = None
    broadcast_rate_per_s: float | None = None
    delivered: int | None = None
    complaints: float | None = None
    complaint_rate: float | None = None
    complaint_rate_low: float | None = None
    complaint_rate_high: float | None = None
    reply_rate: float | None = None
    paused_until_ms: int | None = None


class Change(msgspec.Struct, frozen=True):
    """One change: what it was, what it is, why, and the limits after it with their figures.

    `what` and `reason` are the contract's. A `pause` goes from and to 0 (not paused), its end in
    ms, or None (without end); a `grade` and a `status` are names, a ceiling is a count.
    """

    what: str
    before: int | str | None
    after: int | str | None
    reason: str
    limits: Limits

    @property
    def direction(self) -> str | None:
        """`up` or `down` for a ceiling, None for everything else."""
        if not self.what.endswith("_ceiling"):
            return None
        return "up" if _count(self.after) > _count(self.before) else "down"


def _count(value: int | str | None) -> int:
    return value if isinstance(value, int) else 0
