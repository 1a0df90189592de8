"""The law of pace: GCRA, metered anew on the approved messages of each account.

Each message costs the interval of the highest rate that its account had at its moment, or less
where an operator's brake was on it. Over any span the intervals of all messages but the last sum up
to at most the span plus the burst less the last one's interval.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from streams.topics import ACCOUNT_LIMITS
from tests.accounts.commands import Commands
from tests.accounts.past import APPROVED
from tests.accounts.units import duration_ms, per_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.accounts.past import Entry, Past


def faults(past: Past) -> Iterator[str]:
    """Messages that went too fast."""
    commands, due_us = Commands(past), {}
    for entry in past.of(*APPROVED):
        sections = past.sections("pacing", entry.moment)
        if not sections or any(entry.data["kind"] not in s["kinds"] for s in sections):
            continue
        rate = _rate(past, entry, sections, commands)
        if rate is None:
            continue
        said = f"{entry.key} {entry.data['kind']} at {entry.moment}"
        if rate <= 0:
            yield f"{said} at a rate of 0"
            continue
        interval_us, now_us = ceil(1_000_000 / rate), entry.at_ms * 1_000
        burst_us = max(duration_ms(s["burst"]) for s in sections) * 1_000
        late_us = due_us.get(entry.key, 0) - now_us - max(0, burst_us - interval_us)
        if late_us > 0:
            yield f"{said} is {late_us / 1000} ms too early for {rate}/s"
        due_us[entry.key] = max(due_us.get(entry.key, 0), now_us) + interval_us


def _rate(
    past: Past, entry: Entry, sections: list[dict[str, Any]], commands: Commands
) -> float | None:
    told = past.standing(ACCOUNT_LIMITS, entry.key, entry.moment)
    rates = [limits.data.get("broadcast_rate_per_s") for limits in told]
    known = [rate for rate in rates if rate is not None]
    if len(known) < len(rates) or not known:
        return None
    if commands.over(entry, "brake"):
        return min(max(known), max(per_s(section["amber"]) for section in sections))
    return max(known)
