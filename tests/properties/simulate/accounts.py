"""Whole accounts under the whole law: what becomes of good, bad and middling ones in months."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tests.properties.simulate.audience import HOUR, Audience
from tests.properties.simulate.life import Life
from tests.properties.simulate.report import Row, middle, percent, share, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

TOP: Final = (20_000, 30)
FLOOR: Final = (1_000, 10)


def lives(
    audience: Audience, accounts: int, days: int, *, seed: int = 1, step_ms: int = 6 * HOUR
) -> list[Life]:
    """Accounts with the same true rate; their seeds follow each other."""
    return [Life(audience, seed * 1_000_003 + n, step_ms).live(days) for n in range(accounts)]


def name(audience: Audience) -> str:
    manner = ", all at once" if audience.at_once else ""
    return f"{percent(audience.share)}, {audience.per_day:,} a day{manner}"


class Good(NamedTuple):
    """What good accounts came to; reds and brakes per 1,000 account-months."""

    green: float
    green_day: float | None
    top: float
    top_day: float | None
    at_top: float
    reds: float
    brakes: float


def good(audience: Audience, accounts: int, days: int) -> Good:
    many = lives(audience, accounts, days)
    greens = [life.first("grade", after="green") for life in many]
    tops = [life.first("relations_ceiling", after=TOP[0]) for life in many]
    months = accounts * days / 30 / 1_000
    return Good(
        green=share(day is not None for day in greens),
        green_day=middle(greens),
        top=share(day is not None for day in tops),
        top_day=middle(tops),
        at_top=share(life.ceilings == TOP for life in many),
        reds=sum(life.first("grade", after="red") is not None for life in many) / months,
        brakes=sum(life.count("pause") > 0 for life in many) / months,
    )


def good_row(audience: Audience, accounts: int, days: int) -> Row:
    found = good(audience, accounts, days)
    return Row(
        name(audience),
        f"{accounts:,} × {days} d",
        f"green {percent(found.green)} (median day {shown(found.green_day)}); relations at the top "
        f"{percent(found.top)} (median day {shown(found.top_day)}), both ceilings there at the end "
        f"{percent(found.at_top)}; per 1,000 account-months {shown(found.reds)} red, "
        f"{shown(found.brakes)} braked",
    )


class Bad(NamedTuple):
    """What bad accounts came to; days are medians of those that came there."""

    red: float
    red_day: float | None
    braked_first_day: float
    floor: float
    floor_day: float | None
    off: float
    off_day: float | None


def bad(audience: Audience, accounts: int, days: int, *, step_ms: int = 6 * HOUR) -> Bad:
    many = lives(audience, accounts, days, seed=2, step_ms=step_ms)
    reds = [life.first("grade", after="red") for life in many]
    brakes = [life.first("pause", reason="burst") for life in many]
    floors = [life.first("relations_ceiling", after=FLOOR[0]) for life in many]
    offs = [life.first("status", after="off") for life in many]
    return Bad(
        red=share(day is not None for day in reds),
        red_day=middle(reds),
        braked_first_day=share(day is not None and day <= 1 for day in brakes),
        floor=share(day is not None for day in floors),
        floor_day=middle(floors),
        off=share(day is not None for day in offs),
        off_day=middle(offs),
    )


def bad_row(audience: Audience, accounts: int, days: int, *, step_ms: int = 6 * HOUR) -> Row:
    found = bad(audience, accounts, days, step_ms=step_ms)
    return Row(
        name(audience),
        f"{accounts:,} × {days} d",
        f"red {percent(found.red)} (median day {shown(found.red_day)}); braked on the first day "
        f"{percent(found.braked_first_day)}; relations at the floor {percent(found.floor)} "
        f"(median day {shown(found.floor_day)}); off {percent(found.off)} "
        f"(median day {shown(found.off_day)})",
    )


def changes_a_month(many: Sequence[Life], days: int) -> float:
    """Changes of grade per account and 30 days, of accounts that are not off."""
    stayed = [life for life in many if life.first("status", after="off") is None]
    return sum(life.count("grade") for life in stayed) / max(1, len(stayed)) / days * 30
