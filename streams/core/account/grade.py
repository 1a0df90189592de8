"""An account's grade: what its rates prove, and how long a better grade must be proven.

Falling is judged on a short window, rising on a long one, because few complaints say much about a
bad account and little about a good one: without one complaint in 1,400 deliveries the upper bound
is still 0.27 % (97.5 %, one-sided). Each bound stands for the doubt that must be overcome: red
needs proof against the account (lower bound), green proof in its favour (upper bound).

A worse grade acts at once, a better one must hold for `hold` first (hysteresis): so an account on a
line changes its grade about once a month and not every few days (`tests/properties/simulate`). A
red account whose rates have come back under the line serves its hold as red, but falls no further.
To leave red on stricter terms than it is entered on was tried and left out: it changes little in
how often grades change, but keeps accounts at the line red, and falling, more than twice as long.

Rules of this file: rates in, a grade out; nothing here knows ceilings or the brake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.core.account.limits import Grade

if TYPE_CHECKING:
    from streams.core.account.rates import Rates
    from streams.core.policy import Reputation


class GradeState(msgspec.Struct, array_like=True):
    """An account's grade, and the better one that is being proven since `since_ms`.

    `proving` is the worst that the rates have allowed in that time; None when they allow no better
    grade than the account has.
    """

    grade: int = Grade.NEW
    proving: int | None = None
    since_ms: int = 0

    def holds_until_ms(self, reputation: Reputation) -> int | None:
        """When the better grade is given, if the rates stay as they are."""
        return None if self.proving is None else self.since_ms + reputation.hold_ms


def grade_of(rates: Rates, reputation: Reputation) -> Grade:
    """The grade that the rates alone would give."""
    red, green = reputation.red, reputation.green
    if rates.delivered >= red.minimum and rates.low > red.share:
        return Grade.RED
    if rates.proven < red.minimum:
        return Grade.NEW
    if rates.proven >= green.minimum and rates.high < green.share:
        return Grade.GREEN
    return Grade.AMBER


def update_grade(current: GradeState, allowed: Grade, hold_ms: int, now_ms: int) -> None:
    """Bring the grade to what the rates allow: down at once, up after `hold_ms`."""
    if allowed <= current.grade:
        current.grade, current.proving = int(allowed), None
        return
    if current.proving is None:
        current.since_ms = now_ms
    current.proving = int(allowed) if current.proving is None else min(allowed, current.proving)
    if now_ms >= current.since_ms + hold_ms:
        current.grade, current.proving = current.proving, None
        # What lies higher still has a proof of its own to give, from now on.
        if allowed > current.grade:
            current.proving, current.since_ms = int(allowed), now_ms
