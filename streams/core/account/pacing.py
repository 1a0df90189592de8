"""The pace of an account: how many messages may go now, and when the next one may.

GCRA, the generic cell rate algorithm of ITU-T I.371 (Turner's leaky bucket as a meter) in its
virtual-scheduling form. All that is kept is the *theoretical arrival time* (TAT): when the next
message would be due if they came evenly, one each *interval*. A message conforms while its TAT is
no further ahead of the clock than the tolerance; each one that goes moves the TAT on by an
interval. Idleness is credit only up to the tolerance, for a TAT in the past counts as now.

The tolerance is `burst_ms` less one interval, so that after idleness exactly as many go at once as
fit into `burst_ms`, and at least one. Over any span *t* at most rate x (*t* + burst) + 1 go. Where
the rate changes meanwhile, the same holds of time: the intervals of the messages of any span, each
as it was taken, sum up to at most *t* + max(burst, the last interval).

Rules of this file: whole numbers only, microseconds for the TAT (a rate of 7/s has no whole
milliseconds), always rounded towards too slow. A rate of 0 has no interval: without
one, nothing else is asked. A TAT of 0 is that of an account that never sent.
"""

from __future__ import annotations

from math import ceil
from typing import Final

_US_PER_S: Final = 1_000_000
_US_PER_MS: Final = 1_000


def interval_us(rate_per_s: float) -> int | None:
    """Microseconds from one message to the next, rounded up; None: at rate 0 nothing goes."""
    return ceil(_US_PER_S / rate_per_s) if rate_per_s > 0 else None


def fits(tat_us: int, interval_us: int, burst_ms: int, now_ms: int) -> int:
    """How many messages may go at `now_ms`."""
    now_us = now_ms * _US_PER_MS
    spare_us = now_us + _tolerance_us(interval_us, burst_ms) - max(tat_us, now_us)
    return 0 if spare_us < 0 else spare_us // interval_us + 1


def take(tat_us: int, interval_us: int, count: int, now_ms: int) -> int:
    """The TAT after `count` messages went at `now_ms`, which is to be no more than `fits` says."""
    return max(tat_us, now_ms * _US_PER_MS) + count * interval_us


def give_back(tat_us: int, interval_us: int, count: int) -> int:
    """The TAT after `count` messages, taken at this interval, turned out not to go.

    Exact as long as the account was never idle in between. After an idle moment the credit would
    have run over by itself, and giving it back lets up to rate x delay messages more go at once,
    the delay being the time from taking to giving back.
    """
    return tat_us - count * interval_us


def opens_ms(tat_us: int, interval_us: int, burst_ms: int, now_ms: int) -> int:
    """The first millisecond, not before `now_ms`, at which a message may go."""
    conforms_us = tat_us - _tolerance_us(interval_us, burst_ms)
    return max(now_ms, -(-conforms_us // _US_PER_MS))


def _tolerance_us(interval_us: int, burst_ms: int) -> int:
    return max(0, burst_ms * _US_PER_MS - interval_us)
