"""Grades alone, without brake or `off`: how often they change for an account near a line.

The law is asked twice over the same days: with the policy's `hold`, and without one.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.account.facts import Facts
from streams.core.account.grade import GradeState, grade_of, update_grade
from streams.core.account.limits import Grade
from streams.core.account.rates import bucket_ms, bucket_of, rates_of, totals_of
from tests.properties.simulate.audience import HOUR, START, gaps
from tests.properties.simulate.life import LAW
from tests.properties.simulate.report import Row, percent, shown

if TYPE_CHECKING:
    from streams.core.account.rates import Bucket, Rates

STEP_MS: Final = 6 * HOUR
A_MONTH: Final = 120
"""Steps."""


class Flaps(NamedTuple):
    """Changes of grade per account and month, and the share of time spent red."""

    changes: float
    reds: float
    time_red: float


def flaps(per_day: int, share: float, accounts: int, months: int, *, hold_ms: int) -> Flaps:
    changes = reds = red_buckets = 0
    for seed in range(accounts):
        grades = _grades(random.Random(seed), per_day, share, months, hold_ms=hold_ms)
        steps = list(pairwise(grades))
        changes += sum(a != b for a, b in steps)
        reds += sum(a != b == Grade.RED for a, b in steps)
        red_buckets += sum(grade == Grade.RED for grade in grades)
    lived = accounts * months
    return Flaps(changes / lived, reds / lived, red_buckets / lived / A_MONTH)


def _grades(
    chance: random.Random, per_day: int, share: float, months: int, *, hold_ms: int
) -> list[int]:
    """The grade at the end of every step, after a first month in which it settles."""
    standing, reputation, grades = GradeState(), LAW.reputation, []
    buckets: list[Bucket] = []
    assert reputation is not None
    for index in range(A_MONTH * (months + 1)):
        start_ms = START + index * STEP_MS
        delivered = per_day // 4
        hits = sum(1 for _ in gaps(chance, share, delivered))
        bucket = bucket_of(buckets, bucket_ms(start_ms, LAW.width_ms))
        bucket.add(Facts(start_ms, delivered=delivered, complaints=hits))
        del buckets[:-A_MONTH]
        now_ms = start_ms + STEP_MS - 1
        update_grade(standing, grade_of(_rates(buckets, now_ms), reputation), hold_ms, now_ms)
        grades.append(standing.grade)
    return grades[A_MONTH:]


def _rates(buckets: list[Bucket], now_ms: int) -> Rates:
    reputation = LAW.reputation
    assert reputation is not None
    red = totals_of(buckets, reputation.red.over_ms, LAW.width_ms, now_ms)
    green = totals_of(buckets, reputation.green.over_ms, LAW.width_ms, now_ms)
    return rates_of(red, green, reputation.weights, LAW.red_z, LAW.green_z)


def flaps_row(per_day: int, share: float, accounts: int, months: int) -> Row:
    assert LAW.reputation is not None
    law = flaps(per_day, share, accounts, months, hold_ms=LAW.reputation.hold_ms)
    naive = flaps(per_day, share, accounts, months, hold_ms=0)
    return Row(
        f"{percent(share)}, {per_day:,} a day, grade alone",
        f"{accounts:,} × {months} months",
        f"{shown(law.changes)} changes of grade a month, {shown(law.reds, 2)} of them to red, red "
        f"{percent(law.time_red)} of the time; without `hold` {shown(naive.changes)} and "
        f"{shown(naive.reds, 2)}, {percent(naive.time_red)}",
    )
