"""What a ledger forgets, and how large it may become: a bound for each kind of entry.

Most entries are dropped by time, when nothing can ask for them any more. The bounds are for
producers that send too much; each says what is dropped first. No bound makes a count wrong in
silence: contacts that binding windows count are never dropped, and when there are too many of them
the next message has to wait (`is_full`).

Rules of this file: all that it knows of a policy is its `Retention`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.core.customer.ledger import FEEDBACK_MS, ContactState, Friend, ignore, is_unanswered
from streams.core.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.core.customer.ledger import Contact, Ledger, Relationship
    from streams.core.customer.rules import Retention

BINDING_MOST: Final = 768
"""Contacts that a binding window or credit counts: two a day for a year. More have to wait."""

FREE_MOST: Final = 256
"""Contacts that no binding window counts (any more), kept for receipts and for shadow windows: one
every eleven minutes for two days. The oldest are dropped first; then shadow windows count too few.
"""

RELEASED_MOST: Final = 128
"""Failed contacts, kept because a later delivery beats a failure. The oldest are dropped first."""

IDLE_MOST: Final = 192
"""Accounts without a contact, of which something else is known."""

_FEW: Final = RELEASED_MOST
"""Up to this number of contacts no bound is reached."""


def forget_contacts(ledger: Ledger, retention: Retention, now_ms: int) -> None:
    """Drop what nothing can ask for again, and what is above the bounds.

    The times of dropped unanswered contacts stay: the silence back-off needs them longer.
    """
    keep_ms, listed = retention.keep_ms, 0
    for account, relationship in list(ledger.relationships.items()):
        if relationship.blames and relationship.blames[0].at_ms + FEEDBACK_MS <= now_ms:
            relationship.blames = [b for b in relationship.blames if b.at_ms + FEEDBACK_MS > now_ms]
        for contact in relationship.contacts:  # most ledgers have nothing to forget, most times
            if contact.at_ms + keep_ms[contact.kind] <= now_ms:
                _keep_only(
                    relationship, lambda c: c.at_ms + keep_ms[c.kind] > now_ms, retention.silent
                )
                break
        listed += len(relationship.contacts)
        if _is_nothing(relationship, retention, now_ms):
            del ledger.relationships[account]
    if listed > _FEW:
        _bound_contacts(ledger, retention, now_ms)
    if has_too_many_idle(ledger):
        _bound_idle(ledger)


def is_large(ledger: Ledger, before: int = 0) -> bool:
    """Whether the ledger has grown since it had `before` entries, and may be above a bound: then
    `forget_contacts` has to run before it is stored.
    """
    now = entries(ledger)
    return now > _FEW and now > before


def entries(ledger: Ledger) -> int:
    """The number of contacts and accounts."""
    known = ledger.relationships
    return len(known) + sum([len(relationship.contacts) for relationship in known.values()])


def has_too_many_idle(ledger: Ledger) -> bool:
    """Whether `forget_contacts` will drop accounts of which something is still known."""
    known = ledger.relationships
    if len(known) <= IDLE_MOST:
        return False
    return sum([not relationship.contacts for relationship in known.values()]) > IDLE_MOST


def shrink(ledger: Ledger, retention: Retention, now_ms: int) -> None:
    """Make a ledger fit that is too large for its record though it is within all bounds, because
    all its texts are long: drop at once what only receipts and transfers can ask for.
    """
    for account, relationship in list(ledger.relationships.items()):
        _keep_only(relationship, lambda c: _is_counted(c, retention, now_ms), retention.silent)
        if not relationship.contacts and _weight(relationship)[0] == 0:
            del ledger.relationships[account]


def _is_counted(contact: Contact, retention: Retention, now_ms: int) -> bool:
    return contact.state != ContactState.RELEASED and _is_binding(contact, retention, now_ms)


def is_full(contacts: list[Contact], retention: Retention, now_ms: int) -> bool:
    """Whether there is no room for another contact that binding windows count."""
    if len(contacts) < BINDING_MOST:
        return False
    return sum(_is_binding(contact, retention, now_ms) for contact in contacts) >= BINDING_MOST


def _is_binding(contact: Contact, retention: Retention, now_ms: int) -> bool:
    binding_ms = retention.binding_ms[contact.kind]
    return binding_ms > 0 and contact.at_ms + binding_ms > now_ms


def _is_nothing(relationship: Relationship, retention: Retention, now_ms: int) -> bool:
    """Whether nothing of a relationship can matter again: as if the two had never met."""
    if (
        relationship.contacts
        or relationship.ignored
        or relationship.ignored_more
        or relationship.blames
    ):
        return False
    if (
        relationship.last_complaint_ms
        or relationship.friend_request_ms
        or relationship.pending_transfer
    ):
        return False
    heard_ms = max(relationship.last_message_ms, relationship.last_engagement_ms)
    is_over = not heard_ms or heard_ms + retention.keep_ms[Kind.REPLY] <= now_ms
    return is_over and relationship.friend == Friend.UNKNOWN


def _bound_contacts(ledger: Ledger, retention: Retention, now_ms: int) -> None:
    released, free = [], []
    for contact in ledger.contacts():
        if contact.state == ContactState.RELEASED:
            released.append(contact)
        elif not _is_binding(contact, retention, now_ms):
            free.append(contact)
    surplus = {id(c) for c in [*_oldest(released, RELEASED_MOST), *_oldest(free, FREE_MOST)]}
    if surplus:
        for account, relationship in list(ledger.relationships.items()):
            _keep_only(relationship, lambda c: id(c) not in surplus, retention.silent)
            if _is_nothing(relationship, retention, now_ms):
                del ledger.relationships[account]


def _oldest(contacts: list[Contact], most: int) -> Iterable[Contact]:
    """The oldest, as many as are above the bound."""
    if len(contacts) <= most:
        return ()
    return sorted(contacts, key=lambda contact: contact.decided_ms)[: len(contacts) - most]


def _bound_idle(ledger: Ledger) -> None:
    """Keep `IDLE_MOST` accounts without contacts, those with the highest `_weight`."""
    idle = [
        (_weight(relationship), name)
        for name, relationship in ledger.relationships.items()
        if not relationship.contacts
    ]
    for _, name in sorted(idle)[: max(0, len(idle) - IDLE_MOST)]:
        del ledger.relationships[name]


def _weight(relationship: Relationship) -> tuple[int, int]:
    """How much a relationship matters: most if the customer complained or ended it, then if a
    request is under way, then if they are friends; of equal ones, the newest.
    """
    heard_ms = max(
        relationship.last_message_ms,
        relationship.last_engagement_ms,
        relationship.friend_ms,
        relationship.last_complaint_ms,
        relationship.friend_request_ms,
    )
    if (
        relationship.last_complaint_ms
        or relationship.blames
        or relationship.friend == Friend.REMOVED
    ):
        return 3, heard_ms
    if relationship.friend_request_ms or relationship.pending_transfer:
        return 2, heard_ms
    return int(relationship.friend == Friend.YES), heard_ms


def _keep_only(
    relationship: Relationship, wanted: Callable[[Contact], object], silent: int
) -> None:
    kept = []
    for contact in relationship.contacts:
        if wanted(contact):
            kept.append(contact)
        elif is_unanswered(contact, relationship, silent):
            ignore(relationship, [contact.decided_ms])
            relationship.ignored_ms = max(relationship.ignored_ms, contact.at_ms)
    relationship.contacts = kept
