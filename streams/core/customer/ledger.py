"""The customer's ledger: all contacts with one customer, and what the customer did and wants.

The customer stage stores one for each `enterprise/customer`; it is all that a decision knows of the
past. Rules of this file: state only; `upkeep` forgets. Fields are only appended and numbers never
change, so that the bytes of every released version stay readable.

A contact is *reserved* when it is approved, and counts at the last moment at which it may be sent.
Then it is *delivered*, and counts at the moment of delivery; *released*, because sending failed; or
*taken*, because it failed when somebody outside had used the slot: it counts at the time of that
report.
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
"""Times that are kept of unanswered contacts no longer listed, for each account and customer. An
engagement older than all kept times clears nothing."""

FEEDBACK_MS: Final = 7 * DAY_MS
"""How long a message that disturbs is kept at least, for the feedback on it. A complaint without a
message that arrives later than this is charged to nobody."""


class ContactState(IntEnum):
    """The state of a contact; see the head of this file."""

    RESERVED = 0
    DELIVERED = 1
    RELEASED = 2
    TAKEN = 3


_RELEASED: Final = ContactState.RELEASED
"""A constant, because looking up an enum's member for every contact is too slow."""


class Friend(IntEnum):
    """Whether the customer is a contact of an account, as far as is known."""

    UNKNOWN = 0
    YES = 1
    REMOVED = 2


class Blame(msgspec.Struct, array_like=True, frozen=True):
    """What an account was charged for a complaint. `what`: an index into `feedback.HURTS`.

    `decision_key`: of the message; 0 if none was found.
    """

    what: int
    at_ms: int
    decision_key: int = 0


class Contact(msgspec.Struct, array_like=True):
    """One approved message. It counts at `at_ms`; it was decided `after_decision_ms` earlier.

    `decision_key`: the first 64 bits of the decision id, by which receipts and feedback name it; 0
    for a transfer that Decorum did not approve. `made_by`: the account that made it, if that
    account has handed the customer over since. `blame`: what was charged for a complaint about it.
    `no_friend`: a failure said that the customer is no contact of the account.
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
    """A transfer under way: the account that takes the customer, and when it gave its permit."""

    taker: str
    permit_ms: int


class Relationship(msgspec.Struct, array_like=True):
    """What passed between one account and the customer; a transfer moves it to the taker.

    Times are UTC milliseconds, 0 means never. `last_message_ms`: when the customer last wrote.
    `last_engagement_ms`: their last sign of interest. `ignored`: decision times of unanswered
    contacts that are no longer listed; `ignored_ms`: when the last of them counted; `ignored_more`:
    how many earlier ones there were. `last_complaint_ms`: the last complaint or block. `friend_ms`:
    since when `friend` holds. `friend_request_ms`: when the account gave its permit for the friend
    request that is unanswered. `blames`: charges of the last days that name no known message,
    sorted by time.
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
    """Whether the customer allows a kind of message, and since when."""

    at_ms: int
    allowed: bool


class CustomerQuietHours(msgspec.Struct, array_like=True, frozen=True):
    """The customer's own quiet hours, in ms after local midnight; equal times mean none."""

    from_ms: int
    to_ms: int


class HeldRequest(msgspec.Struct, array_like=True):
    """A request that waits: decided again at `due_ms`, ended after `deadline_ms`.

    `reason`, `rule` and `eligible_ms`: as last published. `permit_requested`: only its account's
    permit is missing, and that was asked for. `ticket`: its number in its account's queue, which
    decides when its turn comes and keeps the whole request; 0 if it waits here.
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

    `seen`: the duplicate memory (`dedup`). `last_complaint_ms`: the last complaint or block, about
    any account. `consent`: by kind. `zone_ms`, `quiet_ms`: when these were set. `erased`: the
    customer was erased, and nothing else is known of the time before.
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
        """The relationship with that account; a new one is added if there is none."""
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
"""The mark of an erasure stands outside the ledger."""

NO_RELATIONSHIP: Final = Relationship()
"""Between a customer and an account that never met; only to be read."""


def load(value: bytes | None) -> Ledger:
    """The ledger of a stored value; a new one for a customer never met."""
    return Ledger() if value is None else _decode(value)


def dump(ledger: Ledger) -> bytes | None:
    """The value to store; None if there is nothing to remember."""
    value = _encode(ledger)
    return None if value in _NOTHING_LEFT else value


def ignore(relationship: Relationship, decided_ms: list[int]) -> None:
    """Count contacts that were decided at these times as ignored, though no longer listed."""
    times = sorted(relationship.ignored + decided_ms)
    relationship.ignored = times[-IGNORED_MOST:]
    relationship.ignored_more += len(times) - len(relationship.ignored)


def is_unanswered(contact: Contact, relationship: Relationship, silent: int) -> bool:
    """Whether the contact counts as ignored: of a kind in the mask `silent`, not failed, and no
    engagement since.
    """
    return (
        silent >> contact.kind & 1 == 1
        and contact.state < _RELEASED  # RESERVED or DELIVERED
        and contact.decided_ms > relationship.last_engagement_ms
    )
