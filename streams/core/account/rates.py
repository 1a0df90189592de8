"""Counts in buckets, and what they say: an account's rates with their Wilson bounds.

Rules of this file: counting and estimating only; what follows from a rate is `grade`'s. Counts
are only ever read over whole buckets, so every sum is a sum of integers, exact and repeatable.

Buckets stand in for a log of times: a contact cap must be exact to the millisecond, because a
person feels it, but a rate over a week is the same rate some hours later. They are a twentieth of
the policy's shortest window wide (`width_of`), so a window W at `now` is every bucket that ends
after `now − W`: it looks back at most a twentieth more than it says. Facts carry their own
time (`Facts.at_ms`); only what is kept is cut to buckets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from streams.core.stats import wilson_high, wilson_low

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.account.facts import Facts
    from streams.core.policy import Weights

PARTS: Final = 20
"""Buckets in the shortest window."""

LEAST_WIDTH_MS: Final = 1_000
"""No window is kept finer than to a second."""

COUNTERS_MOST: Final = 400
"""Buckets of an account: about 7 kB. A policy that needs more is refused (`streams.policy`)."""


def width_of(*windows_ms: int) -> int:
    """How wide the buckets for these windows are."""
    return max(LEAST_WIDTH_MS, min(windows_ms) // PARTS)


def counters_of(*windows_ms: int) -> int:
    """How many buckets these windows need."""
    return -(-max(windows_ms) // width_of(*windows_ms))


class Bucket(msgspec.Struct, array_like=True):
    """What happened between an account and its customers in a bucket's time."""

    start_ms: int
    delivered: int = 0
    complaints: int = 0
    blocks: int = 0
    opt_outs: int = 0
    received: int = 0

    def add(self, facts: Facts | Bucket) -> None:
        """Count these in."""
        self.delivered += facts.delivered
        self.complaints += facts.complaints
        self.blocks += facts.blocks
        self.opt_outs += facts.opt_outs
        self.received += facts.received


class Totals(msgspec.Struct, array_like=True):
    """The sums of a window's buckets, kept so that a new fact costs one addition, not hundreds.

    They hold for one length and one first bucket; `oldest_ms` is the oldest bucket in them (0:
    none). Whoever reads them for another moment makes them anew (`totals_of`).
    """

    over_ms: int = 0
    from_ms: int = 0
    oldest_ms: int = 0
    delivered: int = 0
    complaints: int = 0
    blocks: int = 0
    opt_outs: int = 0
    received: int = 0

    def add(self, bucket_ms: int, counts: Bucket | Facts) -> None:
        """Count in what belongs to the bucket that starts at `bucket_ms`."""
        self.oldest_ms = min(self.oldest_ms or bucket_ms, bucket_ms)
        self.delivered += counts.delivered
        self.complaints += counts.complaints
        self.blocks += counts.blocks
        self.opt_outs += counts.opt_outs
        self.received += counts.received

    def holds_at(self, over_ms: int, width_ms: int, now_ms: int) -> bool:
        """Whether these are the sums of that window at that time."""
        from_ms = first_bucket_ms(over_ms, width_ms, now_ms)
        return self.over_ms == over_ms and self.from_ms == from_ms

    def ends_ms(self, width_ms: int) -> int | None:
        """When time alone changes the sums next: the oldest bucket leaves the window."""
        return self.oldest_ms + width_ms + self.over_ms if self.oldest_ms else None


class Rates(NamedTuple):
    """What an account's counts say.

    `delivered`, `complaints` (weighted), `rate` and its lower bound `low` over red's window;
    `proven` deliveries, the upper bound `high` and `reply_rate` (messages received ÷ delivered, 0
    without a delivery; a talkative audience has more than 1) over green's.
    """

    delivered: int
    complaints: float
    rate: float
    low: float
    proven: int
    high: float
    reply_rate: float


def bucket_ms(at_ms: int, width_ms: int) -> int:
    """The start of the bucket that `at_ms` falls in."""
    return at_ms - at_ms % width_ms


def first_bucket_ms(over_ms: int, width_ms: int, now_ms: int) -> int:
    """The start of the first bucket that ends after `now_ms − over_ms`."""
    return bucket_ms(now_ms - over_ms, width_ms)


def totals_of(buckets: Iterable[Bucket], over_ms: int, width_ms: int, now_ms: int) -> Totals:
    """The sums of the window of `over_ms` at `now_ms`."""
    from_ms = first_bucket_ms(over_ms, width_ms, now_ms)
    totals = Totals(over_ms, from_ms)
    for bucket in buckets:
        if bucket.start_ms >= from_ms:
            totals.add(bucket.start_ms, bucket)
    return totals


def bucket_of(buckets: list[Bucket], start_ms: int) -> Bucket:
    """The bucket that starts then, inserted in its order when there is none."""
    index = len(buckets)
    while index and buckets[index - 1].start_ms > start_ms:
        index -= 1
    if not index or buckets[index - 1].start_ms < start_ms:
        buckets.insert(index, Bucket(start_ms))
        return buckets[index]
    return buckets[index - 1]


def recut(buckets: Iterable[Bucket], width_ms: int) -> list[Bucket]:
    """The counts in buckets of another width; nothing counts as younger than it was."""
    found: list[Bucket] = []
    for bucket in buckets:
        bucket_of(found, bucket_ms(bucket.start_ms, width_ms)).add(bucket)
    return found


def weighted(counts: Totals, weights: Weights) -> float:
    """Complaints, blocks and opt-outs in complaints' worth.

    What is taken back may outlive what it was charged for, so the sums can be below nought.
    """
    return max(
        0.0,
        weights.complaint * counts.complaints
        + weights.block * counts.blocks
        + weights.opt_out * counts.opt_outs,
    )


def rates_of(red: Totals, green: Totals, weights: Weights, red_z: float, green_z: float) -> Rates:
    """The rates of an account with these sums over red's and green's window."""
    complaints, delivered, proven = weighted(red, weights), red.delivered, green.delivered
    return Rates(
        delivered=delivered,
        complaints=complaints,
        rate=min(complaints / delivered, 1.0) if delivered else 0.0,
        low=wilson_low(complaints, delivered, red_z),
        proven=proven,
        high=wilson_high(weighted(green, weights), proven, green_z),
        reply_rate=green.received / proven if proven else 0.0,
    )
