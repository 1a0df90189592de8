"""The law of pace: GCRA, metered anew on the approved messages of each account.

Each message costs the interval of the highest rate that its account had at its moment. Over any
span the intervals of all messages but the last sum up to at most the span plus the burst less the
last one's interval. What an operator's brake is on is metered once more, at the amber rate, with
all that its scope holds of the account.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from streams.topics import ACCOUNT_LIMITS
from tests.properties.accounts.commands import Commands
from tests.properties.accounts.past import APPROVED
from tests.properties.accounts.units import duration_ms, per_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.properties.accounts.past import Entry, Past


def faults(past: Past) -> Iterator[str]:
    """Messages that went too fast."""
    commands, meters = Commands(past), _Meters()
    for entry in past.of(*APPROVED):
        sections = past.sections("pacing", entry.moment)
        if not sections or any(entry.data["kind"] not in s["kinds"] for s in sections):
            continue
        rate = _rate(past, entry, sections)
        if rate is None:
            continue
        yield from meters.pass_by(entry, entry.key, rate, sections)
        amber = min(rate, max(per_s(section["amber"]) for section in sections))
        for scope in commands.over(entry, "brake"):
            yield from meters.pass_by(entry, f"{entry.key} under {scope}", amber, sections)


def _rate(past: Past, entry: Entry, sections: list[dict[str, Any]]) -> float | None:
    """The highest rate of the moment; None where one of its limits has none."""
    told = past.standing(ACCOUNT_LIMITS, entry.key, entry.moment)
    known: list[float] = [
        limits.data["broadcast_rate_per_s"]
        for limits in told
        if "broadcast_rate_per_s" in limits.data
    ]
    if len(known) < len(told):
        return None
    if not told or told[0].moment == entry.moment:  # nothing was told before: a new account
        known += [per_s(section["new"]) for section in sections]
    return max(known)


class _Meters:
    """When each meter would expect its next message if they came evenly, in microseconds."""

    def __init__(self) -> None:
        self._due_us: dict[str, int] = {}

    def pass_by(
        self, entry: Entry, name: str, rate: float, sections: list[dict[str, Any]]
    ) -> Iterator[str]:
        """One message goes; a fault if it comes too early."""
        said = f"{name}: {entry.data['kind']} at {entry.moment}"
        if rate <= 0:
            yield f"{said} at a rate of 0"
            return
        interval_us, now_us = ceil(1_000_000 / rate), entry.at_ms * 1_000
        burst_us = max(duration_ms(section["burst"]) for section in sections) * 1_000
        due_us = max(self._due_us.get(name, 0), now_us)
        early_us = due_us - now_us - max(0, burst_us - interval_us)
        if early_us > 0:
            yield f"{said} is {early_us / 1000} ms too early for {rate}/s"
        self._due_us[name] = due_us + interval_us
