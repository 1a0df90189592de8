"""Customers whose true complaint rate is known: what an account hears from them, hour by hour.

Every delivery is a complaint with the same chance (Bernoulli), found by skipping from one complaint
to the next (geometric gaps), so that a month of a good account costs a handful of random numbers.
A complaint comes after an exponential delay, as people read at their own time.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.account.facts import Facts

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
START: Final = 20_400 * DAY
"""Midnight of UTC; 08:00 in the zone of the packaged policy."""

FIRST_HOUR, WORKING_HOURS = 1, 12
"""Sending goes on from 09:00 to 21:00 there."""

REPLIES: Final = 0.1


class Audience(NamedTuple):
    """`per_day` deliveries, of which `share` are complained of after `delay_ms` on average.

    `at_once`: one broadcast at a random hour of the day instead of an even stream.
    """

    per_day: int
    share: float
    at_once: bool = False
    delay_ms: int = 2 * HOUR


def gaps(chance: random.Random, share: float, trials: int) -> Iterator[int]:
    """Which of the trials are hits, in order."""
    if share <= 0:
        return
    scale, hit = math.log1p(-share), -1
    while True:
        hit += 1 + int(math.log(1 - chance.random()) / scale)
        if hit >= trials:
            return
        yield hit


def sendings(chance: random.Random, audience: Audience) -> dict[int, int]:
    """How many are delivered in which hour of a day."""
    per_day = audience.per_day
    if audience.at_once:
        return {FIRST_HOUR + chance.randrange(WORKING_HOURS): per_day}
    each, more = divmod(per_day, WORKING_HOURS)
    return {FIRST_HOUR + hour: each + (hour < more) for hour in range(WORKING_HOURS)}


def complaints(
    chance: random.Random, audience: Audience, delivered: int, from_ms: int
) -> Iterator[int]:
    """When the complaints about one hour's deliveries come."""
    for hit in gaps(chance, audience.share, delivered):
        sent_ms = from_ms + HOUR * hit // delivered
        yield sent_ms + int(chance.expovariate(1 / audience.delay_ms))


def facts_of(delivered: int, complained: int, now_ms: int) -> Facts:
    """What a batch tells at `now_ms`."""
    return Facts(
        now_ms,
        delivered=delivered,
        complaints=complained,
        received=round(delivered * REPLIES),
    )


class Post:
    """Complaints on their way, by the hour in which they arrive."""

    def __init__(self) -> None:
        self._arrive: Counter[int] = Counter()

    def send(self, times_ms: Iterator[int]) -> None:
        self._arrive.update(at_ms // HOUR for at_ms in times_ms)

    def arrived(self, from_ms: int, to_ms: int) -> int:
        """How many arrive in whole hours of [from_ms, to_ms)."""
        hours = range(from_ms // HOUR, to_ms // HOUR)
        return sum(self._arrive.pop(hour, 0) for hour in hours) if self._arrive else 0
