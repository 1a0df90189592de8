"""The customer's ledger: every contact reserved for or made with one customer, and what they said.

It is the value the customer stage keeps for each `enterprise/customer`, and all a decision knows
of the past. Rules of this file: state only; what is forgotten of it is `upkeep`'s affair. Fields
are only appended, never renumbered, so that every released version's bytes can be read for ever.

A contact's life: *reserved* when approved, counting at the last moment it may be sent;
*delivered*, counting at the moment it really was; *released*, when sending failed; or *taken*, when
it failed because somebody outside had used the slot, which counts at the moment that was said.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.customer.request import Request  # noqa: TC001 (msgspec reads the annotations of what it decodes)
from streams.core.local_calendar import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

IGNORED_MOST: Final = 32
"""Times kept of unanswered contacts that are no longer listed, an account and customer. A sign of
interest told so late that it lies before all of them answers none."""

FEEDBACK_MS: Final = 7 * DAY_MS
"""So long after its time, at least, a message that disturbs is known to what is said of it; and so
late, at most, a complaint that names no message is charged to anybody."""


class ContactState(IntEnum):
    """Where a contact stands."""

    RESERVED = 0
    DELIVERED = 1
    RELEASED = 2
    TAKEN = 3


_RELEASED: Final = ContactState.RELEASED
"""Looked up for every contact of a decision, for which an enum's members are too slow."""


class Friend(IntEnum):
    """What is known of a customer's tie to an account."""

    UNKNOWN = 0
    YES = 1
    REMOVED = 2


class Blame(msgspec.Struct, array_like=True, frozen=True):
    """What was charged for a complaint, by its place in `feedback.HURTS`, and of which time.

    `mark`: the message's; 0 where none was found.
    """

    what: int
    at_ms: int
    decision_key: int = 0


class Contact(msgspec.Struct, array_like=True):
    """One approved message. It counts at `at_ms`; it was decided `lag_ms` earlier.

    `mark` is the first 64 bits of the decision id, by which receipts and feedback name it. `maker`:
    the account that made it, where that one has handed the customer over. `blame`: what a complaint
    of it has cost so far. `no_friend`: it failed for that, which was taken down.
    """

    at_ms: int
    after_decision_ms: int
    decision_key: int
    kind: int
    state: int = ContactState.RESERVED
    campaign: str | None = None
    made_by: str | None = None
    blame: Blame | None = None
    no_friend: bool = False

    @property
    def decided_ms(self) -> int:
        """When it was approved."""
        return self.at_ms - self.after_decision_ms


class PendingTransfer(msgspec.Struct, array_like=True, frozen=True):
    """A transfer under way: who takes the customer, and when that account gave its leave."""

    taker: str
    permit_ms: int


class Relationship(msgspec.Struct, array_like=True):
    """What passed between one account and the customer; it moves when the customer is handed over.

    `credit_ms`: when the customer last wrote. `engaged_ms`: their last sign of interest.
    `ignored`: when the contacts were decided that nobody answered and that are no longer listed,
    `ignored_ms`: when the last of them was made, `ignored_more`: how many earlier ones there were.
    `hurt_ms`: the last complaint or block. `friend_ms`: when `friend` became so. `asked_ms`: when
    the account gave leave for the friend request that is still unanswered. All 0 for never.
    `blames`: the last days' complaints of the account that named no message known, by their time.
    """

    contacts: list[Contact] = []
    last_message_ms: int = 0
    last_engagement_ms: int = 0
    ignored: list[int] = []
    ignored_ms: int = 0
    ignored_more: int = 0
    last_complaint_ms: int = 0
    friend: int = Friend.UNKNOWN
    friend_ms: int = 0
    friend_request_ms: int = 0
    pending_transfer: PendingTransfer | None = None
    blames: list[Blame] = []


class ConsentRecord(msgspec.Struct, array_like=True, frozen=True):
    """The customer's word on one kind of message, and when they gave it."""

    at_ms: int
    allowed: bool


class CustomerQuietHours(msgspec.Struct, array_like=True, frozen=True):
    """The customer's own quiet hours, ms after local midnight; equal for none at all."""

    from_ms: int
    to_ms: int


class HeldRequest(msgspec.Struct, array_like=True):
    """An intent that waits: looked at again at `due_ms`, ended after `deadline_ms`.

    `reason`, `rule` and `eligible_ms` are what was last said of it. `asked`: nothing but its
    account's leave is missing, and that has been asked for. `ticket`: its place in its account's
    queue, which looks after its time and keeps the whole ask; 0 for what waits here.
    """

    due_ms: int
    deadline_ms: int
    decision_key: int
    reason: str
    rule: str | None
    request: Request
    eligible_ms: int | None = None
    permit_requested: bool = False
    ticket: int = 0


class Ledger(msgspec.Struct, array_like=True):
    """Everything known of one customer of one enterprise.

    `hurt_ms`: the last complaint or block, to any account. `zone_ms`, `quiet_ms`: when these were
    told. `erased`: they asked to be forgotten, and nothing but that is known of the time before.
    """

    version: int = 1
    relationships: dict[str, Relationship] = {}
    seen: bytes = b""
    last_complaint_ms: int = 0
    consent: dict[int, ConsentRecord] = {}
    zone: str | None = None
    zone_ms: int = 0
    quiet: CustomerQuietHours | None = None
    quiet_ms: int = 0
    held: list[HeldRequest] = []
    erased: bool = False

    def relationship(self, account: str) -> Relationship:
        """The pair with that account, made when there is none."""
        relationship = self.relationships.get(account)
        if relationship is None:
            relationship = self.relationships[account] = Relationship()
        return relationship

    def contacts(self) -> Iterator[Contact]:
        """Every contact with the customer, of all accounts."""
        for relationship in self.relationships.values():
            yield from relationship.contacts


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ledger).decode
_NOTHING_LEFT: Final = frozenset({_encode(Ledger()), _encode(Ledger(erased=True))})
"""An erasure is remembered by its mark, outside the ledger."""

NO_RELATIONSHIP: Final = Relationship()
"""What is between a customer and an account that never met; only to be read."""


def load(value: bytes | None) -> Ledger:
    """The ledger of a stored value; a fresh one for a customer never met."""
    return Ledger() if value is None else _decode(value)


def dump(ledger: Ledger) -> bytes | None:
    """The value to store, None when nothing is left to remember."""
    value = _encode(ledger)
    return None if value in _NOTHING_LEFT else value


def ignore(relationship: Relationship, decided_ms: list[int]) -> None:
    """Count contacts, decided at these times, as ignored though they are no longer listed."""
    times = sorted(relationship.ignored + decided_ms)
    relationship.ignored = times[-IGNORED_MOST:]
    relationship.ignored_more += len(times) - len(relationship.ignored)


def is_unanswered(contact: Contact, relationship: Relationship, silent: int) -> bool:
    """Whether the contact counts as ignored: of these kinds, not failed, nothing heard since.

    The states of what was not sent come after those of what may have been.
    """
    return (
        silent >> contact.kind & 1 == 1
        and contact.state < _RELEASED
        and contact.decided_ms > relationship.last_engagement_ms
    )
