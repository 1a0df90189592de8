"""How ceilings move: one table, and the theory behind it.

Theory. A ceiling is a bet on an account's audience: more relations where people are glad, fewer
where they complain. It moves like a congestion window (AIMD, Chiu and Jain 1989): up by a step,
slowly, and only where what there is gets used; down by a factor, at once. So accounts settle below
what their audience bears, a mistake upwards costs a day, and a mistake downwards is mended by days
of good behaviour. It falls on a lower bound over a week and rises on an upper bound over four, so
that neither chance nor a small sample moves it (`grade`). No ceiling leaves [floor, max].

Rules of this file: the table decides, for each ceiling by itself, the first row that applies; it
knows no rates and no brake. Docs print the table (`docs/ceilings.md`); a test compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from streams.core.account.limits import Grade
from streams.core.account.rates import bucket_ms, width_of
from streams.core.local_calendar import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.policy import Ceiling, Ceilings


def width_ms(rules: Ceilings) -> int:
    """How wide the time of a peak is: a twentieth of the shorter window, at most a day."""
    return min(DAY_MS, width_of(rules.rise_within_ms, rules.idle_within_ms))


class Peak(msgspec.Struct, array_like=True):
    """The most that was used in the time that began at `from_ms`, `width_ms` long."""

    from_ms: int
    most: int


class CeilingState(msgspec.Struct, array_like=True):
    """One ceiling of an account: None while it never moved (the policy's `start`).

    `moved_ms`: when it last moved. `peaks`: what was used, oldest and highest first, and only what
    nothing later exceeds: so the most since any time is the first peak since then.
    """

    ceiling: int | None = None
    moved_ms: int = 0
    peaks: list[Peak] = []

    def in_force(self, limits: Ceiling) -> int:
        """The ceiling in force: never outside what the policy of today allows."""
        ceiling = limits.start if self.ceiling is None else self.ceiling
        return min(max(ceiling, limits.floor), limits.max)

    def used(self, most: int, rules: Ceilings, at_ms: int) -> None:
        """Remember that so much was used then."""
        peaks, from_ms = self.peaks, bucket_ms(at_ms, width_ms(rules))
        while peaks and peaks[-1].most <= most:
            peaks.pop()
        if not peaks or peaks[-1].from_ms < from_ms:
            peaks.append(Peak(from_ms, most))

    def most_within(self, within_ms: int, rules: Ceilings, now_ms: int) -> int:
        """The most used in that time; 0 when nothing is known."""
        for peak in self.peaks:
            if peak.from_ms + width_ms(rules) > now_ms - within_ms:
                return peak.most
        return 0

    def last_use_of(self, most: float) -> int | None:
        """When the time began in which so much was used last."""
        times = [peak.from_ms for peak in self.peaks if peak.most >= most]
        return times[-1] if times else None

    def forget(self, rules: Ceilings, now_ms: int) -> None:
        """Drop the peaks that no window reaches any more."""
        keep_ms = max(rules.rise_within_ms, rules.idle_within_ms) + width_ms(rules)
        while self.peaks and self.peaks[0].from_ms + keep_ms <= now_ms:
            self.peaks.pop(0)


class CeilingInput(NamedTuple):
    """What the table looks at: one ceiling of one account, now. Times are ms since then."""

    grade: int
    still_red: bool
    paused: bool
    replied: bool
    since_fall_ms: int
    since_rise_ms: int
    since_move_ms: int
    ceiling: int
    used: int
    used_long: int


class Row(NamedTuple):
    """One move: why, when (in words and as a test), and where to (in words and as a sum)."""

    reason: str
    when: str
    applies: Callable[[CeilingInput, Ceilings, Ceiling], bool]
    then: str
    to: Callable[[int, Ceilings, Ceiling], int]


def red_period(case: CeilingInput, rules: Ceilings) -> bool:
    """Whether a period of red begins: the moment at which ceilings fall, or are found fallen."""
    return (
        case.grade == Grade.RED and case.still_red and case.since_fall_ms >= rules.fall_cool_down_ms
    )


def _falls(case: CeilingInput, rules: Ceilings, _: Ceiling) -> bool:
    return red_period(case, rules)


def _rises(case: CeilingInput, rules: Ceilings, _: Ceiling) -> bool:
    return (
        case.grade == Grade.GREEN
        and not case.paused
        and case.replied
        and case.since_fall_ms >= rules.fall_cool_down_ms
        and case.since_rise_ms >= rules.rise_every_ms
        and case.used >= rules.rise_used * case.ceiling
    )


def _idles(case: CeilingInput, rules: Ceilings, limits: Ceiling) -> bool:
    return (
        case.ceiling > limits.start
        and case.since_move_ms >= rules.idle_within_ms
        and case.used_long < rules.idle_used * case.ceiling
    )


def _part(ceiling: int, factor: float) -> int:
    # 0.29 of 100 is 28.999…: rounding first takes the float's noise away, not a whole relation.
    return int(round(ceiling * factor, 6))


TABLE: Final[tuple[Row, ...]] = (
    Row(
        "red",
        "grade `red`, the rates still red, `fall.cool_down` since the last fall",
        _falls,
        "× `fall.factor`, rounded down, not below `floor`",
        lambda ceiling, rules, limits: max(limits.floor, _part(ceiling, rules.fall_factor)),
    ),
    Row(
        "green_used",
        "grade `green`, not paused, `rise.every` since the account's last rise, `fall.cool_down` "
        "since its last fall, at least `rise.used` of the ceiling used in `rise.within`, reply "
        "rate not below the enterprise's",
        _rises,
        "+ `step`, not above `max`",
        lambda ceiling, _, limits: min(limits.max, ceiling + limits.step),
    ),
    Row(
        "idle",
        "above `start`, unmoved for `idle.within`, under `idle.used` of it used in that time",
        _idles,
        "− `step`, not below `start`",
        lambda ceiling, _, limits: max(limits.start, ceiling - limits.step),
    ),
)


def moved(case: CeilingInput, rules: Ceilings, limits: Ceiling) -> tuple[int, str] | None:
    """Where the ceiling goes and why; None when it stays."""
    for row in TABLE:
        if row.applies(case, rules, limits):
            to = row.to(case.ceiling, rules, limits)
            return None if to == case.ceiling else (to, row.reason)
    return None


def table() -> str:
    """The table as Markdown, for the docs."""
    rows = [f"| `{row.reason}` | {row.when} | {row.then} |" for row in TABLE]
    return "\n".join(["| reason | when | the ceiling goes |", "|---|---|---|", *rows])
