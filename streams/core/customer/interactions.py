"""What customers do and want, written into the ledger. Receipts and transfers have their own files.

Rules of this file: one function an event; it writes and decides nothing. `occurred_ms` is the
producer's time, bounded by the engine's clock: nothing happens in the future. The order of events
does not matter: a newer statement replaces an older one, and of two of the same millisecond the
stricter one counts (of two time zones, the one whose name sorts last).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.customer.ledger import ConsentRecord, Friend
from streams.core.local_calendar import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.customer.ledger import CustomerQuietHours, Ledger, Relationship


def heard_ms(occurred_ms: int, now_ms: int) -> int:
    """When something happened: at most now, and at least 1, for 0 means never."""
    return max(1, min(occurred_ms, now_ms))


def apply_message_received(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """The customer wrote: reply credits open or renew, and the silence is over."""
    relationship = ledger.relationship(account)
    relationship.last_message_ms = max(relationship.last_message_ms, heard_ms(occurred_ms, now_ms))
    apply_engaged(ledger, account, occurred_ms, now_ms)


def apply_engaged(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """A sign of interest: it answers every contact that was decided by then."""
    relationship = ledger.relationship(account)
    at_ms = heard_ms(occurred_ms, now_ms)
    relationship.last_engagement_ms = max(relationship.last_engagement_ms, at_ms)
    forget_answered(relationship)


def forget_answered(relationship: Relationship) -> None:
    """Drop the ignored contacts that the last engagement answers.

    An engagement older than all times kept answers none: `ignored_more` then stays as it is.
    """
    last_ms = relationship.last_engagement_ms
    left = [decided_ms for decided_ms in relationship.ignored if decided_ms > last_ms]
    if len(left) < len(relationship.ignored):  # then it answers the earlier ones as well
        relationship.ignored, relationship.ignored_more = left, 0
    if not left:
        relationship.ignored_ms = 0


def apply_complaint(ledger: Ledger, account: str, at_ms: int) -> None:
    """A complaint or a block: suppression counts from the latest."""
    relationship = ledger.relationship(account)
    relationship.last_complaint_ms = max(relationship.last_complaint_ms, at_ms)
    ledger.last_complaint_ms = max(ledger.last_complaint_ms, at_ms)


def apply_friend_added(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """The customer is a contact of the account, which answers a friend request."""
    ledger.relationship(account).friend_request_ms = 0
    _set_friend(ledger.relationship(account), Friend.YES, heard_ms(occurred_ms, now_ms))


def apply_friend_removed(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """The customer is no longer a contact of the account."""
    _set_friend(ledger.relationship(account), Friend.REMOVED, heard_ms(occurred_ms, now_ms))


def apply_friend_refused(ledger: Ledger, account: str) -> None:
    """The customer refused the account's friend request."""
    ledger.relationship(account).friend_request_ms = 0


def _set_friend(relationship: Relationship, friend: Friend, at_ms: int) -> None:
    if (at_ms, friend) > (relationship.friend_ms, relationship.friend):
        relationship.friend, relationship.friend_ms = friend, at_ms


def apply_consent(
    ledger: Ledger, kinds: Iterable[int], occurred_ms: int, now_ms: int, *, allowed: bool
) -> bool:
    """The customer allows or refuses kinds of messages; the newest statement on each kind holds.

    Returns whether it refused at least one kind that was allowed before.
    """
    at_ms, is_opt_out = heard_ms(occurred_ms, now_ms), False
    for kind in kinds:
        before = ledger.consent.get(kind)
        if before is None or (before.at_ms, not before.allowed) < (at_ms, not allowed):
            is_opt_out |= not allowed and (before is None or before.allowed)
            ledger.consent[kind] = ConsentRecord(at_ms, allowed)
    return is_opt_out


def apply_quiet_hours(
    ledger: Ledger,
    quiet: CustomerQuietHours | None,
    zone: str | None,
    occurred_ms: int,
    now_ms: int,
) -> None:
    """The customer's own quiet hours and time zone, where given; the newest of each holds."""
    at_ms = heard_ms(occurred_ms, now_ms)
    if quiet is not None and (at_ms, _quietness(quiet)) > (
        ledger.quiet_ms,
        _quietness(ledger.quiet),
    ):
        ledger.quiet, ledger.quiet_ms = quiet, at_ms
    if zone is not None and (at_ms, zone) > (ledger.zone_ms, ledger.zone or ""):
        ledger.zone, ledger.zone_ms = zone, at_ms


def _quietness(quiet: CustomerQuietHours | None) -> tuple[int, int]:
    """Sorts quiet hours by length in milliseconds, then by start."""
    return ((quiet.to_ms - quiet.from_ms) % DAY_MS, quiet.from_ms) if quiet else (-1, 0)
