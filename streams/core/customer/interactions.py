"""What customers did and what became of messages, written into the ledger.

Rules of this file: one function a fact; each says whether it changed anything, none decides.
`occurred_ms` is the producer's word and is bounded by the engine's clock: nothing has happened in
the future, and no message was delivered before it was approved. Order does not matter where it
should not: a delivery beats a failure, the first delivery stays, an older word yields to a newer,
and of two words of one millisecond the stricter counts (of two zones the one whose name is last).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.customer.ledger import (
    NO_RELATIONSHIP,
    ConsentRecord,
    Contact,
    ContactState,
    CustomerQuietHours,
    Friend,
    Ledger,
    Relationship,
    ignore,
)
from streams.core.kinds import Kind
from streams.core.local_calendar import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterable


def heard_ms(occurred_ms: int, now_ms: int) -> int:
    """When something happened, by the producer's word: not in the future, and not never (0)."""
    return max(1, min(occurred_ms, now_ms))


class FoundContact(NamedTuple):
    """A contact that a decision names, and the account that the customer is with now."""

    holder: str
    contact: Contact


_WITHOUT_SLOT: Final = frozenset({Kind.REPLY, Kind.TRANSFER})
"""Of these nobody outside can use one: a reply has a credit, a transfer an ending of its own."""

# Receipts answer with the contact where they are news.


def apply_delivered(
    ledger: Ledger, decision_key: int, occurred_ms: int, now_ms: int
) -> FoundContact | None:
    """The message was sent: it counts from then on at that moment.

    A transfer that was sent has only begun: `transferred` or `transfer_failed` ends it.
    """
    found = find_contact(ledger, decision_key)
    if found is None or found.contact.kind == Kind.TRANSFER:
        return None
    if found.contact.state == ContactState.DELIVERED:
        return None
    _settle(found.contact, ContactState.DELIVERED, occurred_ms, now_ms)
    return found


def _settle(contact: Contact, state: ContactState, occurred_ms: int, now_ms: int) -> None:
    decided_ms = contact.decided_ms
    contact.at_ms = max(decided_ms, heard_ms(occurred_ms, now_ms))
    contact.after_decision_ms = contact.at_ms - decided_ms
    contact.state = state


def apply_failed(ledger: Ledger, decision_key: int) -> FoundContact | None:
    """The message was not sent: it no longer counts, unless its delivery is told later."""
    found = find_contact(ledger, decision_key)
    if found is None or found.contact.state != ContactState.RESERVED:
        return None
    found.contact.state = ContactState.RELEASED
    _forget_friend_request(ledger.relationships[found.holder], found.contact)
    return found


def no_friend(ledger: Ledger, decision_key: int, occurred_ms: int, now_ms: int) -> None:
    """A failure said that the customer is no contact of the account, first or besides.

    Once a message: whoever became one since is not lost by a receipt that is told again.
    """
    found = find_contact(ledger, decision_key)
    if found is None or found.contact.no_friend or found.contact.state == ContactState.DELIVERED:
        return
    found.contact.no_friend = True
    apply_friend_removed(ledger, made_by(found), occurred_ms, now_ms)


def slot_taken(
    ledger: Ledger, decision_key: int, occurred_ms: int, now_ms: int
) -> FoundContact | None:
    """The message was not sent, for somebody outside had used the slot: no failure frees it.

    It counts at the time at which the platform said so, whatever other failure was told before.
    """
    news = apply_failed(ledger, decision_key)
    found = find_contact(ledger, decision_key)
    if found is None or found.contact.kind in _WITHOUT_SLOT:
        return news
    if found.contact.state == ContactState.RELEASED:
        _settle(found.contact, ContactState.TAKEN, occurred_ms, now_ms)
    return news


def _forget_friend_request(relationship: Relationship, contact: Contact) -> None:
    """What was not sent is not under way."""
    if contact is not _latest(_made(relationship, contact.kind)):
        return  # what is still open came after it
    if contact.kind == Kind.FRIEND_REQUEST:
        relationship.friend_request_ms = 0
    elif contact.kind == Kind.TRANSFER:
        relationship.pending_transfer = None


def find_contact(ledger: Ledger, decision_key: int) -> FoundContact | None:
    """The contact of that decision, and the account that the customer is with now."""
    if not decision_key:
        return None
    for account, relationship in ledger.relationships.items():
        for contact in relationship.contacts:
            if contact.decision_key == decision_key:
                return FoundContact(account, contact)
    return None


def is_delivered(ledger: Ledger, decision_key: int) -> bool:
    """Whether its delivery was told before."""
    found = find_contact(ledger, decision_key)
    return found is not None and found.contact.state == ContactState.DELIVERED


def is_failed(ledger: Ledger, decision_key: int, *, no_friend: bool) -> bool:
    """Whether a failure that says no more than this was told before."""
    found = find_contact(ledger, decision_key)
    if found is None or found.contact.state not in {ContactState.RELEASED, ContactState.TAKEN}:
        return False
    return found.contact.no_friend or not no_friend


def made_by(found: FoundContact) -> str:
    """Whose message it was, whatever account reports on it."""
    return found.contact.made_by or found.holder


def _made(relationship: Relationship, kind: int) -> list[Contact]:
    """The pair's own contacts of a kind: not those of an account that handed the customer over."""
    return [c for c in relationship.contacts if c.kind == kind and c.made_by is None]


def _latest(contacts: Iterable[Contact]) -> Contact | None:
    return max(contacts, key=lambda contact: contact.decided_ms, default=None)


def apply_message_received(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """The customer wrote: reply credits open or renew, and silence is broken."""
    relationship = ledger.relationship(account)
    relationship.last_message_ms = max(relationship.last_message_ms, heard_ms(occurred_ms, now_ms))
    apply_engaged(ledger, account, occurred_ms, now_ms)


def apply_engaged(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """A sign of interest: it answers every contact that was decided by then."""
    relationship = ledger.relationship(account)
    relationship.last_engagement_ms = max(
        relationship.last_engagement_ms, heard_ms(occurred_ms, now_ms)
    )
    _forget_answered(relationship)


def _forget_answered(relationship: Relationship) -> None:
    left = [
        decided_ms
        for decided_ms in relationship.ignored
        if decided_ms > relationship.last_engagement_ms
    ]
    if len(left) < len(relationship.ignored):  # then the earlier ones are answered as well
        relationship.ignored, relationship.ignored_more = left, 0
    if not left:
        relationship.ignored_ms = 0


def apply_complaint(ledger: Ledger, account: str, at_ms: int) -> None:
    """A complaint or a block: suppression counts from the latest."""
    relationship = ledger.relationship(account)
    relationship.last_complaint_ms = max(relationship.last_complaint_ms, at_ms)
    ledger.last_complaint_ms = max(ledger.last_complaint_ms, at_ms)


def apply_friend_added(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """The customer is a contact of the account; a request for it is answered."""
    ledger.relationship(account).friend_request_ms = 0
    _tie(ledger.relationship(account), Friend.YES, heard_ms(occurred_ms, now_ms))


def apply_friend_removed(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """The customer is no longer a contact of the account."""
    _tie(ledger.relationship(account), Friend.REMOVED, heard_ms(occurred_ms, now_ms))


def apply_friend_refused(ledger: Ledger, account: str) -> None:
    """The customer refused the account's friend request."""
    ledger.relationship(account).friend_request_ms = 0


def _tie(relationship: Relationship, friend: Friend, at_ms: int) -> None:
    if (at_ms, friend) > (relationship.friend_ms, relationship.friend):
        relationship.friend, relationship.friend_ms = friend, at_ms


def apply_consent(
    ledger: Ledger, kinds: Iterable[int], occurred_ms: int, now_ms: int, *, allowed: bool
) -> bool:
    """The customer's word on kinds of message; the newest word on each kind holds.

    Whether it took back what was allowed before, of at least one kind.
    """
    at_ms, took_back = heard_ms(occurred_ms, now_ms), False
    for kind in kinds:
        before = ledger.consent.get(kind)
        if before is None or (before.at_ms, not before.allowed) < (at_ms, not allowed):
            took_back |= not allowed and (before is None or before.allowed)
            ledger.consent[kind] = ConsentRecord(at_ms, allowed)
    return took_back


def apply_quiet_hours(
    ledger: Ledger,
    quiet: CustomerQuietHours | None,
    zone: str | None,
    occurred_ms: int,
    now_ms: int,
) -> None:
    """The customer's own quiet hours and zone, where given; the newest word on each holds."""
    at_ms = heard_ms(occurred_ms, now_ms)
    if quiet is not None and (at_ms, _calm(quiet)) > (ledger.quiet_ms, _calm(ledger.quiet)):
        ledger.quiet, ledger.quiet_ms = quiet, at_ms
    if zone is not None and (at_ms, zone) > (ledger.zone_ms, ledger.zone or ""):
        ledger.zone, ledger.zone_ms = zone, at_ms


def _calm(quiet: CustomerQuietHours | None) -> tuple[int, int]:
    """How much of a day is quiet; of hours as long as others, the later."""
    return ((quiet.to_ms - quiet.from_ms) % DAY_MS, quiet.from_ms) if quiet else (-1, 0)


def apply_transferred(
    ledger: Ledger, account: str, taker: str, occurred_ms: int, now_ms: int
) -> None:
    """The customer went over to another account: what was between them goes along.

    Where the taker knew the customer already, both histories are kept. The transfer under way is
    done; one that nobody asked us for counts as well. The giver knows the customer no longer, and
    hurt them all the same.
    """
    if account == taker:
        return
    giver = ledger.relationships.pop(account, None) or Relationship()
    done = _carried_out(giver, heard_ms(occurred_ms, now_ms))
    _settle(done, ContactState.DELIVERED, occurred_ms, now_ms)
    _merge(account, giver, ledger.relationship(taker))
    if giver.last_complaint_ms or giver.blames:
        left = ledger.relationship(account)
        left.last_complaint_ms, left.blames = giver.last_complaint_ms, giver.blames
    apply_friend_added(ledger, taker, occurred_ms, now_ms)
    apply_friend_removed(ledger, account, occurred_ms, now_ms)


def has_gone_over(ledger: Ledger, account: str, taker: str, at_ms: int) -> bool:
    """Whether that handover is known: the giver has lost the customer, no transfer of theirs waits
    for its ending, and the taker has them, or had them: a handover of then, or later, is counted.
    """
    giver, other = (
        ledger.relationships.get(account, NO_RELATIONSHIP),
        ledger.relationships.get(taker, NO_RELATIONSHIP),
    )
    if giver.friend != Friend.REMOVED or _latest_transfer(giver, ContactState.RESERVED) is not None:
        return False
    return other.friend == Friend.YES or any(
        c.kind == Kind.TRANSFER and c.made_by == account and c.at_ms >= at_ms
        for c in ledger.contacts()
        if c.state == ContactState.DELIVERED
    )


def _carried_out(giver: Relationship, at_ms: int) -> Contact:
    """The transfer that was done: the latest unheard of, else the latest that was said to have
    failed, for a delivery beats a failure; else one of which we learn now.
    """
    for state in (ContactState.RESERVED, ContactState.RELEASED):
        contact = _latest_transfer(giver, state)
        if contact is not None:
            return contact
    contact = Contact(at_ms, 0, 0, Kind.TRANSFER)
    giver.contacts.append(contact)
    return contact


def _latest_transfer(relationship: Relationship, state: ContactState) -> Contact | None:
    return _latest(c for c in _made(relationship, Kind.TRANSFER) if c.state == state)


def _merge(name: str, giver: Relationship, taker: Relationship) -> None:
    for contact in giver.contacts:  # whose they are: the taker answers for its own messages alone
        contact.made_by = contact.made_by or name
    taker.contacts += giver.contacts
    taker.last_engagement_ms = max(taker.last_engagement_ms, giver.last_engagement_ms)
    ignore(taker, giver.ignored)
    taker.ignored_more += giver.ignored_more
    taker.ignored_ms = max(taker.ignored_ms, giver.ignored_ms)
    _forget_answered(taker)
    taker.last_complaint_ms = max(taker.last_complaint_ms, giver.last_complaint_ms)


def apply_transfer_failed(ledger: Ledger, account: str, taker: str) -> None:
    """The customer stays: the transfer under way no longer counts.

    A teller that knows the taker alone, as WeCom's event does, names it as both.
    """
    giver = ledger.relationships.get(account) if account != taker else _giver_to(ledger, taker)
    if giver is None:
        return
    contact = _latest_transfer(giver, ContactState.RESERVED)
    if contact is not None:
        contact.state = ContactState.RELEASED
    giver.pending_transfer = None


def _giver_to(ledger: Ledger, taker: str) -> Relationship | None:
    """Who began last to hand the customer over to this account."""
    givers = [
        p
        for p in ledger.relationships.values()
        if p.pending_transfer is not None and p.pending_transfer.taker == taker
    ]
    return max(givers, key=_began_ms, default=None)


def _began_ms(giver: Relationship) -> int:
    contact = _latest_transfer(giver, ContactState.RESERVED)
    return 0 if contact is None else contact.decided_ms
