"""Statistics that several rules share: Wilson's bounds of a share, and stable sampling by a hash.

Rules of this file: pure functions of numbers and names; it knows no account, customer or policy.
"""

from __future__ import annotations

from hashlib import blake2b
from math import sqrt


def wilson_low(hits: float, trials: int, z: float) -> float:
    """The lower one-sided score bound of a share (Wilson 1927) at the normal quantile `z`.

    `hits` may be fractional (weights) and are taken as at most `trials`: a complaint can arrive
    before the receipt of what it is about. 0 without trials: nothing is known.
    """
    if trials <= 0:
        return 0.0
    centre, spread, scale = _terms(hits, trials, z)
    return max(0.0, (centre - spread) / scale)


def wilson_high(hits: float, trials: int, z: float) -> float:
    """The upper one-sided score bound of a share, as `wilson_low`. 1 without trials."""
    if trials <= 0:
        return 1.0
    centre, spread, scale = _terms(hits, trials, z)
    return min(1.0, (centre + spread) / scale)


def _terms(hits: float, trials: int, z: float) -> tuple[float, float, float]:
    share = min(hits / trials, 1.0)
    z2 = z * z / trials
    return share + z2 / 2, z * sqrt(share * (1 - share) / trials + z2 / (4 * trials)), 1 + z2


def share_of(salt: str, subject: str) -> float:
    """A subject's stable position in [0, 1): uniform over subjects, independent between salts."""
    digest = blake2b(subject.encode(), digest_size=8, person=salt.encode()).digest()
    return int.from_bytes(digest, "big") / 2**64
