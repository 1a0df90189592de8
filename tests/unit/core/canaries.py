"""`python -m tests.unit.core.canaries`: campaigns of known complaint rates, staged; prints a table.

`--delay 60`: people complain after an hour on average, which is longer than a step is watched.

The model of one campaign, minute by minute: its accounts send what is released at `PER_MINUTE`,
every message is reported delivered a minute later, and each customer complains with the campaign's
true rate, after a delay that is exponential (its mean is `DELAY_MIN`). The policy is the packaged
`wecom`. Seeds are fixed: the table is the same on every machine.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from heapq import heappop, heappush
from math import log
from random import Random
from statistics import median
from typing import Final, NamedTuple

from streams.core.campaign import apply_facts
from streams.core.campaign_state import (
    CampaignFacts,
    CampaignRules,
    CampaignState,
    Phase,
    campaign_rules_of,
)
from streams.policy.files import packaged

LAW: Final[CampaignRules] = campaign_rules_of(packaged("wecom")[1])
NOON: Final = 1_795_312_800_000
MINUTE_MS: Final = 60_000
PER_MINUTE: Final = 6_000
"""Ten green accounts at their full rate: a step is gone in minutes, which is the hardest case."""
DELAY_MIN: Final = 10.0
AFTER_DELAYS: Final = 18
"""For how many mean delays complaints are still awaited after the last message."""

SIZES: Final = (2_000, 5_000, 20_000, 48_000, 200_000)
RATES: Final = (0.0005, 0.001, 0.006, 0.01, 0.02, 0.05)
CASES: Final = 200


class Result(NamedTuple):
    """How a campaign ended: who got it, and how many minutes until all of it was released."""

    phase: Phase
    approved: float
    full_min: int | None


class _Crowd:
    """Customers who were sent something: when their complaints come."""

    def __init__(self, rate: float, delay_min: float, chance: Random) -> None:
        self.rate = rate
        self.delay_min = delay_min
        self.chance = chance
        self.coming: list[float] = []

    def receive(self, count: int, minute: int) -> None:
        """Let `count` customers get it; the next who complains is a geometric way off."""
        passed = self._way()
        while passed <= count:
            heappush(self.coming, minute + self.chance.expovariate(1 / self.delay_min))
            passed += self._way()

    def complained(self, minute: int) -> int:
        """How many complaints came since this was asked last."""
        count = 0
        while self.coming and self.coming[0] <= minute:
            heappop(self.coming)
            count += 1
        return count

    def _way(self) -> int:
        return 1 + int(log(1 - self.chance.random()) / log(1 - self.rate))


def play(size: int, rate: float, seed: int, delay_min: float = DELAY_MIN) -> Result:
    """One campaign from its first intent to its last complaint, or until it is killed."""
    crowd = _Crowd(rate, delay_min, Random(f"{size} {rate} {seed}"))
    book, sent, last, full_min = CampaignState(), 0, 0, None
    apply_facts(book, LAW, CampaignFacts(NOON, size=size), NOON)
    minute, underway = 0, 0
    while book.phase is not Phase.KILLED and minute - last < AFTER_DELAYS * delay_min:
        minute += 1
        released = 0 if book.phase is Phase.PAUSED else round(book.released * size)
        going = min(PER_MINUTE, max(0, released - sent))
        facts = CampaignFacts(
            NOON, approved=going, delivered=underway, complaints=crowd.complained(minute)
        )
        apply_facts(book, LAW, facts, NOON + minute * MINUTE_MS)
        crowd.receive(going, minute)
        sent, underway = sent + going, going
        last = minute if going or book.phase is Phase.PAUSED else last
        if book.phase is Phase.FULL and full_min is None:
            full_min = minute
    return Result(book.phase, sent / size, full_min)


def row(size: int, rate: float, delay_min: float) -> str:
    """One line of the table."""
    played = [play(size, rate, seed, delay_min) for seed in range(CASES)]
    whole = [one for one in played if one.approved == 1.0]
    killed = [one.approved for one in played if one.phase is Phase.KILLED and one not in whole]
    reached = f"{median(killed):.1%} | {max(killed):.1%}" if killed else "– | –"
    hours = f"{median(one.full_min or 0 for one in whole) / 60:.1f}" if whole else "–"
    share = f"{rate:.2%} | {len(whole) / CASES:.1%} | {len(killed) / CASES:.1%}"
    return f"| {size:,} | {share} | {reached} | {hours} |"


def table(delay_min: float = DELAY_MIN) -> str:
    """All sizes and rates."""
    head = (
        "| audience | true rate | everybody got it | stopped before that "
        "| of the audience, median | at most | hours to the last step |"
    )
    rule = "|---:|---:|---:|---:|---:|---:|---:|"
    return "\n".join(
        [head, rule, *(row(size, rate, delay_min) for size in SIZES for rate in RATES)]
    )


if __name__ == "__main__":
    parser = ArgumentParser(description="Campaigns of known complaint rates, staged.")
    parser.add_argument("--delay", type=float, default=DELAY_MIN, help="mean minutes to complain")
    sys.stdout.write(f"{table(parser.parse_args().delay)}\n")
