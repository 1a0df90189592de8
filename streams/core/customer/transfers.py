"""Transfers: one account hands a customer over to another, with all that passed between them.

Rules of this file: the account that hands over is the giver, the other the taker. A transfer that
Decorum did not approve counts as well. The order of events does not matter: that a customer went
over beats that the transfer failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.customer.interactions import (
    apply_friend_added,
    apply_friend_removed,
    forget_answered,
    heard_ms,
)
from streams.core.customer.ledger import (
    NO_RELATIONSHIP,
    Contact,
    ContactState,
    Friend,
    Relationship,
    ignore,
)
from streams.core.customer.receipts import latest, own_contacts, settle
from streams.core.kinds import Kind

if TYPE_CHECKING:
    from streams.core.customer.ledger import Ledger


def apply_transferred(
    ledger: Ledger, account: str, taker: str, occurred_ms: int, now_ms: int
) -> None:
    """The customer went over to the taker, and the history goes along.

    If the taker knew the customer already, both histories are kept. The giver's complaints stay
    with the giver, and count for the taker as well.
    """
    if account == taker:
        return
    giver = ledger.relationships.pop(account, None) or Relationship()
    done = _transfer_done(giver, heard_ms(occurred_ms, now_ms))
    settle(done, ContactState.DELIVERED, occurred_ms, now_ms)
    _merge(account, giver, ledger.relationship(taker))
    if giver.last_complaint_ms or giver.blames:
        left = ledger.relationship(account)
        left.last_complaint_ms, left.blames = giver.last_complaint_ms, giver.blames
    apply_friend_added(ledger, taker, occurred_ms, now_ms)
    apply_friend_removed(ledger, account, occurred_ms, now_ms)


def is_transferred(ledger: Ledger, account: str, taker: str, at_ms: int) -> bool:
    """Whether this transfer is known already.

    It is if the giver has lost the customer and no transfer of theirs is under way, and the taker
    has the customer, or a transfer from the giver at `at_ms` or later is counted.
    """
    giver = ledger.relationships.get(account, NO_RELATIONSHIP)
    other = ledger.relationships.get(taker, NO_RELATIONSHIP)
    if giver.friend != Friend.REMOVED or _latest_transfer(giver, ContactState.RESERVED) is not None:
        return False
    return other.friend == Friend.YES or any(
        c.kind == Kind.TRANSFER and c.made_by == account and c.at_ms >= at_ms
        for c in ledger.contacts()
        if c.state == ContactState.DELIVERED
    )


def apply_transfer_failed(ledger: Ledger, account: str, taker: str) -> None:
    """The customer stays: the transfer under way no longer counts.

    Equal accounts mean that the event names the taker alone, as WeCom's does.
    """
    giver = ledger.relationships.get(account) if account != taker else _giver_to(ledger, taker)
    if giver is None:
        return
    contact = _latest_transfer(giver, ContactState.RESERVED)
    if contact is not None:
        contact.state = ContactState.RELEASED
    giver.pending_transfer = None


def _transfer_done(giver: Relationship, at_ms: int) -> Contact:
    """The contact of the transfer: the latest under way, else the latest that was reported failed,
    else a new one for a transfer that Decorum did not approve.
    """
    for state in (ContactState.RESERVED, ContactState.RELEASED):
        contact = _latest_transfer(giver, state)
        if contact is not None:
            return contact
    contact = Contact(at_ms, 0, 0, Kind.TRANSFER)
    giver.contacts.append(contact)
    return contact


def _latest_transfer(relationship: Relationship, state: ContactState) -> Contact | None:
    return latest(c for c in own_contacts(relationship, Kind.TRANSFER) if c.state == state)


def _merge(name: str, giver: Relationship, taker: Relationship) -> None:
    for contact in giver.contacts:  # the taker answers for its own messages alone
        contact.made_by = contact.made_by or name
    taker.contacts += giver.contacts
    taker.last_engagement_ms = max(taker.last_engagement_ms, giver.last_engagement_ms)
    ignore(taker, giver.ignored)
    taker.ignored_more += giver.ignored_more
    taker.ignored_ms = max(taker.ignored_ms, giver.ignored_ms)
    forget_answered(taker)
    taker.last_complaint_ms = max(taker.last_complaint_ms, giver.last_complaint_ms)


def _giver_to(ledger: Ledger, taker: str) -> Relationship | None:
    """The account that began last to hand the customer over to this taker."""
    givers = [
        relationship
        for relationship in ledger.relationships.values()
        if relationship.pending_transfer and relationship.pending_transfer.taker == taker
    ]
    return max(givers, key=_began_ms, default=None)


def _began_ms(giver: Relationship) -> int:
    contact = _latest_transfer(giver, ContactState.RESERVED)
    return 0 if contact is None else contact.decided_ms
