"""Leave: what the account has a say in before the customer's last word.

An account's pace, its campaigns' stages, its daily adds and its room for relations are the account
stage's to count. It gives leave for one message; leave that the customer stage makes no use of is
given back. Rules of this file: which kinds need one under a policy, and how long one is good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.kinds import Kind
from streams.core.local_calendar import period
from streams.core.policy import Calendar

if TYPE_CHECKING:
    from streams.core.customer.rules import KindRules
    from streams.core.policy import Canary, Pacing


def needs_permit(kind: Kind, pacing: Pacing | None, canary: Canary | None) -> bool:
    """Whether a message of this kind must pass its account's queue or count first.

    `pacing`, `canary`: what of them binds the kind. What may become a relation is counted even
    while no ceiling governs it: one that comes later must find the count.
    """
    counted = kind in {Kind.FRIEND_REQUEST, Kind.TRANSFER}
    return counted or pacing is not None or canary is not None


def permit_is_valid(leave_ms: int, rules: KindRules, now_ms: int) -> bool:
    """Whether leave given at `leave_ms` (0: none) still holds.

    A friend request counts for the calendar day of its leave, so it cannot be used on another.
    """
    if not leave_ms:
        return False
    if rules.kind is not Kind.FRIEND_REQUEST:
        return True
    return leave_ms >= period(Calendar.DAY, rules.zone, now_ms).start_ms
