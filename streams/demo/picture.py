"""The picture of one account's day: what customers said, what became of its limits, what it sent.

For somebody who has read nothing else. Drawn by matplotlib without a display; only this file needs
it, so whoever imports this file says what to do where it is missing. Rules of this file: it draws
a `Portrait`, and knows no topic.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from streams.demo.day import HOUR_MS, ZONE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from matplotlib.axes import Axes

    from streams.demo.portrait import Portrait

INCHES: Final = (15, 10)
DOTS: Final = 110
GRADES: Final = {
    "new": ("#dfe3e8", "new: too little sent to judge"),
    "green": ("#c9ecc5", "green: proven good, faster"),
    "amber": ("#ffe9b3", "amber: not proven, slower"),
    "red": ("#f6c6c1", "red: proven bad, no broadcasts, no posts"),
    "paused": ("#b9a3d6", "paused by the brake: no marketing"),
    "off": ("#8c8c8c", "off: nothing but answers and orders"),
}
INK: Final = "#1f2d3d"
RATE, SENT, OTHER, HURT, CEILING = "#0b4f9c", "#2f7fd6", "#6f8ba3", "#c62828", "#444444"
TICKS: Final = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
LOWEST: Final = 0.0002
"""Where the logarithmic axis ends; a rate of nought is drawn there."""
BAR_MS: Final = HOUR_MS // 4
LABEL_MS: Final = 3 * HOUR_MS
BESIDE: Final[dict[str, Any]] = {
    "loc": "upper left",
    "bbox_to_anchor": (1.005, 1.0),
    "frameon": False,
    "fontsize": 10,
}
"""Legends stand beside what they explain, never on it."""
HEAD: Final[dict[str, Any]] = {"loc": "left", "fontsize": 12, "color": INK}


def paint(portrait: Portrait, path: Path) -> None:
    """Write the picture as PNG. Raises OSError where it cannot be written."""
    figure = Figure(figsize=INCHES, dpi=DOTS, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    rates, messages, relations, adds = figure.subplots(
        4, 1, sharex=True, gridspec_kw={"height_ratios": (3.2, 2.2, 1, 1)}
    )
    _title(figure, portrait)
    _rates(rates, portrait)
    _messages(messages, portrait)
    _ceiling(relations, portrait, ("relations", "relations_ceiling"), "contacts")
    _ceiling(adds, portrait, ("adds_today", "daily_add_ceiling"), "friend requests\nof the day")
    for axes in (rates, messages, relations, adds):
        _frame(axes, portrait)
    _hours(adds, portrait)
    figure.savefig(path, format="png")


def _title(figure: Figure, portrait: Portrait) -> None:
    day = f"{_local(portrait.begins_ms):%A %d %B %Y}"
    figure.suptitle(
        f"One account's day under Decorum: {portrait.account} of {portrait.enterprise}, from {day}",
        fontsize=15,
        fontweight="bold",
        color=INK,
    )


def _rates(axes: Axes, portrait: Portrait) -> None:
    _bounds(axes, portrait)
    if portrait.red is not None:
        label = f"{portrait.red:.1%}: red when the lower bound is above"
        axes.axhline(portrait.red, color=HURT, linestyle="--", linewidth=1.4, label=label)
    axes.set_yscale("log")
    axes.set_ylim(LOWEST, 1)
    axes.yaxis.set_major_locator(FixedLocator(TICKS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))
    axes.set_ylabel("complaints per message\n(of the last 7 days, log scale)")
    axes.set_title("How many complain, and the grade that follows from it (colours)", **HEAD)
    for note in portrait.notes:
        axes.annotate(
            note.text,
            (_time(note.at_ms), 0.85),
            xytext=(-6 if note.before else 6, 0),
            textcoords="offset points",
            horizontalalignment="right" if note.before else "left",
            verticalalignment="top",
            fontweight="bold",
            color=INK,
        )
    shown = {span.grade for span in portrait.grades}
    patches = [Patch(color=GRADES[g][0], label=GRADES[g][1]) for g in GRADES if g in shown]
    axes.legend(handles=[*axes.get_legend_handles_labels()[0], *patches], **BESIDE)


def _bounds(axes: Axes, portrait: Portrait) -> None:
    """The rate, and how sure it is."""
    told = [each for each in portrait.limits if each.get("delivered")]
    times = _numbers(each["updated_at_ms"] for each in told)
    names = ("complaint_rate_low", "complaint_rate_high", "complaint_rate")
    low, high, rate = ([max(LOWEST, each[name]) for each in told] for name in names)
    label = "between its lower and upper bound"
    axes.fill_between(times, low, high, step="post", color=RATE, alpha=0.18, label=label)
    for bound in (low, high):
        axes.step(times, bound, where="post", color=RATE, linewidth=0.8, alpha=0.7)
    axes.step(times, rate, where="post", color=RATE, linewidth=2.2, label="complaint rate")


def _messages(axes: Axes, portrait: Portrait) -> None:
    edges = range(portrait.begins_ms, portrait.ends_ms + 1, BAR_MS)
    axes.hist(
        [_numbers(portrait.marketing_ms), _numbers(portrait.other_ms)],
        bins=_numbers(edges),
        stacked=True,
        color=[SENT, OTHER],
        rwidth=0.9,
        label=["marketing, delivered", "orders, answers, requests\n(the brake leaves them alone)"],
    )
    top = axes.get_ylim()[1] * 1.1
    axes.set_ylim(0, top * 1.1)
    hurts = _numbers(portrait.hurts_ms)
    label = "a customer complains or blocks"
    axes.scatter(
        hurts,
        [top] * len(hurts),
        s=50,
        c=HURT,
        marker="v",
        edgecolors="white",
        linewidths=0.5,
        label=label,
    )
    if portrait.dead[1] > portrait.dead[0]:
        label = "the worker is dead: kill -9"
        axes.axvspan(
            *_numbers(portrait.dead), facecolor="none", hatch="///", ec=CEILING, label=label
        )
    axes.set_ylabel("messages in a\nquarter of an hour")
    axes.set_title("What it sent, and who complained", **HEAD)
    axes.legend(**BESIDE)


def _ceiling(axes: Axes, portrait: Portrait, names: tuple[str, str], what: str) -> None:
    """A ceiling and what is used of it; nothing where the policy has none."""
    used, ceiling = names
    told = [each for each in portrait.limits if each.get(ceiling) is not None]
    if told:
        within = (each["updated_at_ms"] for each in told)
        times = _numbers([portrait.begins_ms, *within, portrait.ends_ms])
        for name, colour, label in ((ceiling, CEILING, "allowed"), (used, SENT, "used")):
            values = [each[name] for each in (told[0], *told, told[-1])]
            axes.step(times, values, where="post", color=colour, linewidth=2, label=label)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.1)
        axes.legend(**BESIDE)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.set_ylabel(what)


def _frame(axes: Axes, portrait: Portrait) -> None:
    for span in portrait.grades:
        axes.axvspan(
            _time(span.begins_ms), _time(span.ends_ms), color=GRADES[span.grade][0], zorder=0, lw=0
        )
    for brake_ms in portrait.brake_ms:
        axes.axvline(_time(brake_ms), color=INK, linewidth=1.4)
    axes.grid(axis="y", color="white", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _hours(axes: Axes, portrait: Portrait) -> None:
    axes.set_xlim(_time(portrait.begins_ms), _time(portrait.ends_ms))
    labels = range(portrait.begins_ms, portrait.ends_ms + 1, LABEL_MS)
    axes.xaxis.set_major_locator(FixedLocator(_numbers(labels)))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda hours, _: f"{_local(hours * HOUR_MS):%a\n%H:%M}")
    )
    axes.set_xlabel(f"time of day ({ZONE.key})")


def _numbers(times_ms: Iterable[int]) -> list[float]:
    return [_time(each) for each in times_ms]


def _time(at_ms: int) -> float:
    """UTC milliseconds as the hours that the axes count."""
    return at_ms / HOUR_MS


def _local(at_ms: float) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZONE)
