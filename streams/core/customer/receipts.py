"""Receipts: what became of an approved message, written into its contact.

Rules of this file: one function a receipt; each returns the contact if the receipt is news, else
None. A receipt names a decision; the ledger, not the receipt, knows whose message that was. The
order of receipts does not matter: a delivery beats a failure, and the first delivery stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.customer.interactions import apply_friend_removed, heard_ms
from streams.core.customer.ledger import ContactState
from streams.core.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.customer.ledger import Contact, Ledger, Relationship


class FoundContact(NamedTuple):
    """The contact of a decision. `holder`: the account that the customer is with now."""

    holder: str
    contact: Contact


_WITHOUT_SLOT: Final = frozenset({Kind.REPLY, Kind.TRANSFER})
"""Nobody outside can use up these: a reply has a credit, a transfer ends by an event of its own."""


def apply_delivered(
    ledger: Ledger, decision_key: int, occurred_ms: int, now_ms: int
) -> FoundContact | None:
    """The message was sent: from now on it counts at that moment.

    A delivered transfer has only begun: `transferred` or `transfer_failed` ends it.
    """
    found = find_contact(ledger, decision_key)
    if found is None or found.contact.kind == Kind.TRANSFER:
        return None
    if found.contact.state == ContactState.DELIVERED:
        return None
    settle(found.contact, ContactState.DELIVERED, occurred_ms, now_ms)
    return found


def apply_failed(ledger: Ledger, decision_key: int) -> FoundContact | None:
    """The message was not sent: it no longer counts, unless a delivery is reported later."""
    found = find_contact(ledger, decision_key)
    if found is None or found.contact.state != ContactState.RESERVED:
        return None
    found.contact.state = ContactState.RELEASED
    _close_request(ledger.relationships[found.holder], found.contact)
    return found


def apply_not_friend(ledger: Ledger, decision_key: int, occurred_ms: int, now_ms: int) -> None:
    """The message failed because the customer is no contact of the account, perhaps among others.

    It counts once a message: a repeated receipt does not undo a friendship that began since.
    """
    found = find_contact(ledger, decision_key)
    if found is None or found.contact.no_friend or found.contact.state == ContactState.DELIVERED:
        return
    found.contact.no_friend = True
    apply_friend_removed(ledger, made_by(found), occurred_ms, now_ms)


def apply_slot_taken(
    ledger: Ledger, decision_key: int, occurred_ms: int, now_ms: int
) -> FoundContact | None:
    """The message was not sent, because somebody outside had used the slot: it stays used.

    It counts at the time of this receipt, whatever failure was reported before.
    """
    news = apply_failed(ledger, decision_key)
    found = find_contact(ledger, decision_key)
    if found is None or found.contact.kind in _WITHOUT_SLOT:
        return news
    if found.contact.state == ContactState.RELEASED:
        settle(found.contact, ContactState.TAKEN, occurred_ms, now_ms)
    return news


def find_contact(ledger: Ledger, decision_key: int) -> FoundContact | None:
    """The contact of that decision; None where it is not known, or `decision_key` is 0."""
    if not decision_key:
        return None
    for account, relationship in ledger.relationships.items():
        for contact in relationship.contacts:
            if contact.decision_key == decision_key:
                return FoundContact(account, contact)
    return None


def made_by(found: FoundContact) -> str:
    """The account that made the contact, whichever account has the customer or reports on it."""
    return found.contact.made_by or found.holder


def is_delivered(ledger: Ledger, decision_key: int) -> bool:
    """Whether the delivery was reported before."""
    found = find_contact(ledger, decision_key)
    return found is not None and found.contact.state == ContactState.DELIVERED


def is_failed(ledger: Ledger, decision_key: int, *, no_friend: bool) -> bool:
    """Whether a failure that says at least as much was reported before."""
    found = find_contact(ledger, decision_key)
    if found is None or found.contact.state not in {ContactState.RELEASED, ContactState.TAKEN}:
        return False
    return found.contact.no_friend or not no_friend


def settle(contact: Contact, state: ContactState, occurred_ms: int, now_ms: int) -> None:
    """Set the final state, and the moment at which the contact counts: not before its decision."""
    decided_ms = contact.decided_ms
    contact.at_ms = max(decided_ms, heard_ms(occurred_ms, now_ms))
    contact.after_decision_ms = contact.at_ms - decided_ms
    contact.state = state


def own_contacts(relationship: Relationship, kind: int) -> list[Contact]:
    """The contacts of a kind that the account made itself: none that came with a transfer."""
    return [c for c in relationship.contacts if c.kind == kind and c.made_by is None]


def latest(contacts: Iterable[Contact]) -> Contact | None:
    """The contact that was decided last."""
    return max(contacts, key=lambda contact: contact.decided_ms, default=None)


def _close_request(relationship: Relationship, contact: Contact) -> None:
    """A friend request or transfer that was not sent is no longer under way."""
    if contact is not latest(own_contacts(relationship, contact.kind)):
        return  # what is under way came after it
    if contact.kind == Kind.FRIEND_REQUEST:
        relationship.friend_request_ms = 0
    elif contact.kind == Kind.TRANSFER:
        relationship.pending_transfer = None
