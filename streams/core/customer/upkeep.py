"""What a ledger forgets, and its greatest size: a bound for each kind of entry.

Most entries go by time, when nothing can ask for them any more. The bounds here are for what a
producer may send all the same; what goes first is said with each. No bound makes a count wrong
without a word: what binding windows count is never dropped, and where there is too much of it the
next message is told to wait (`is_crowded`).

Rules of this file: state and its upkeep only, no policy questions but those of `Retention`.
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
"""Contacts that some binding window or credit counts: two a day for a year. Further ones wait."""

FREE_MOST: Final = 256
"""Contacts that no binding window counts (any more), kept for their receipts and for shadow rules:
one every eleven minutes for two days. The oldest go first; shadow rules then count too few."""

RELEASED_MOST: Final = 128
"""Contacts that failed, kept because a delivery told later beats it. The oldest go first."""

IDLE_MOST: Final = 192
"""Accounts without a contact of which something is known all the same."""

_FEW: Final = RELEASED_MOST
"""Up to so many contacts no bound is reached."""


def forget_contacts(ledger: Ledger, retention: Retention, now_ms: int) -> None:
    """Drop what nothing can ask for again, and what is over the bounds.

    An unanswered contact leaves its times behind, for the silence back-off outlives it.
    """
    keep_ms, listed = retention.keep_ms, 0
    for account, relationship in list(ledger.relationships.items()):
        if relationship.blames and relationship.blames[0].at_ms + FEEDBACK_MS <= now_ms:
            relationship.blames = [b for b in relationship.blames if b.at_ms + FEEDBACK_MS > now_ms]
        for (
            contact
        ) in relationship.contacts:  # a loop: most ledgers, most times, have nothing to forget
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
    """Whether it has grown from so many entries past what might be a bound, and has to be looked
    over before it is kept.
    """
    now = entries(ledger)
    return now > _FEW and now > before


def entries(ledger: Ledger) -> int:
    """How many contacts and accounts there are."""
    pairs = ledger.relationships
    return len(pairs) + sum([len(relationship.contacts) for relationship in pairs.values()])


def has_too_many_idle(ledger: Ledger) -> bool:
    """Whether accounts will be forgotten of which something was still known."""
    pairs = ledger.relationships
    if len(pairs) <= IDLE_MOST:
        return False
    return sum([not relationship.contacts for relationship in pairs.values()]) > IDLE_MOST


def shrink(ledger: Ledger, retention: Retention, now_ms: int) -> None:
    """Make a ledger fit that is too large for its record, though every bound is kept: of all that
    is as long as it may be, what nothing but receipts and handovers can ask for goes at once.
    """
    for account, relationship in list(ledger.relationships.items()):
        _keep_only(relationship, lambda c: _decides(c, retention, now_ms), retention.silent)
        if not relationship.contacts and _weight(relationship)[0] == 0:
            del ledger.relationships[account]


def _decides(contact: Contact, retention: Retention, now_ms: int) -> bool:
    return contact.state != ContactState.RELEASED and _binds(contact, retention, now_ms)


def is_full(contacts: list[Contact], retention: Retention, now_ms: int) -> bool:
    """Whether no further contact that binding windows count can be kept."""
    if len(contacts) < BINDING_MOST:
        return False
    return sum(_binds(contact, retention, now_ms) for contact in contacts) >= BINDING_MOST


def _binds(contact: Contact, retention: Retention, now_ms: int) -> bool:
    binding_ms = retention.binding_ms[contact.kind]
    return binding_ms > 0 and contact.at_ms + binding_ms > now_ms


def _is_nothing(relationship: Relationship, retention: Retention, now_ms: int) -> bool:
    """Whether nothing of a pair can matter again: it is as if they had never met."""
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
    over = not heard_ms or heard_ms + retention.keep_ms[Kind.REPLY] <= now_ms
    return over and relationship.friend == Friend.UNKNOWN


def _bound_contacts(ledger: Ledger, retention: Retention, now_ms: int) -> None:
    released, free = [], []
    for contact in ledger.contacts():
        if contact.state == ContactState.RELEASED:
            released.append(contact)
        elif not _binds(contact, retention, now_ms):
            free.append(contact)
    surplus = {id(c) for c in [*_oldest(released, RELEASED_MOST), *_oldest(free, FREE_MOST)]}
    if surplus:
        for account, relationship in list(ledger.relationships.items()):
            _keep_only(relationship, lambda c: id(c) not in surplus, retention.silent)
            if _is_nothing(relationship, retention, now_ms):
                del ledger.relationships[account]


def _oldest(contacts: list[Contact], most: int) -> Iterable[Contact]:
    """Those over the bound."""
    if len(contacts) <= most:
        return ()
    return sorted(contacts, key=lambda contact: contact.decided_ms)[: len(contacts) - most]


def _bound_idle(ledger: Ledger) -> None:
    """Keep so many accounts without contacts: who only wrote goes first, then friends, then what is
    under way, last whom they complained of or removed; of equals who was heard of longest ago.
    """
    idle = [
        (_weight(relationship), name)
        for name, relationship in ledger.relationships.items()
        if not relationship.contacts
    ]
    for _, name in sorted(idle)[: max(0, len(idle) - IDLE_MOST)]:
        del ledger.relationships[name]


def _weight(relationship: Relationship) -> tuple[int, int]:
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
