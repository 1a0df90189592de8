"""Interactions: what customers did, what happened to messages, and the status of accounts.

One struct for each `type` of the contract; `Interaction` is their union, tagged by `type`, so that
decoding takes one pass. Rules of this file: shapes only.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from streams.core.written import TIME_OF_DAY
from streams.events.envelope import Envelope
from streams.events.fields import Identifier, KindName, Milliseconds, Source

# Patterns end in `\Z`, because `$` would let a line break at the end pass.
TIME_ZONE: Final = r"^[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*\Z"
"""The shape of an IANA name; `checks` looks up whether the zone exists."""

# A refusal quotes the description.
TimeOfDay = Annotated[
    str,
    Meta(pattern=rf"^{TIME_OF_DAY}\Z", description='a time of day such as "21:30" or "21:30:15"'),
]
TimeZone = Annotated[
    str, Meta(pattern=TIME_ZONE, max_length=64, description="a time zone such as Asia/Shanghai")
]
Kinds = Annotated[list[KindName], Meta(max_length=7)]


class AccountEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of every interaction of an account."""

    enterprise_id: Identifier
    account_id: Identifier
    occurred_at_ms: Milliseconds


class CustomerEvent(AccountEvent, frozen=True, kw_only=True):
    """Between one customer and one account."""

    customer_id: Identifier


class Engagement(CustomerEvent, frozen=True, kw_only=True):
    """The customer reacted."""

    action: Literal["click", "view", "purchase", "visit"]


class Receipt(CustomerEvent, frozen=True, kw_only=True):
    """What happened to an approved message; an unknown `decision_id` changes nothing."""

    decision_id: Identifier


class FailureReceipt(Receipt, frozen=True, kw_only=True):
    """Why an approved message did not arrive."""

    reason: Literal["not_friend", "already_received", "not_sent", "other"]


class Complaint(CustomerEvent, frozen=True, kw_only=True):
    """The customer complained or left; `decision_id`: because of this message, if known."""

    decision_id: Identifier | None = None


class FriendAddition(CustomerEvent, frozen=True, kw_only=True):
    """Who requested the friendship, and through which channel (`source`: any short text)."""

    initiated_by: Literal["customer", "account"]
    source: Source | None = None


class Transfer(CustomerEvent, frozen=True, kw_only=True):
    """`account_id` handed the customer over to `to_account_id`."""

    to_account_id: Identifier


class TransferFailure(Transfer, frozen=True, kw_only=True):
    """Why the customer stays with `account_id`."""

    reason: Literal["customer_refused", "customer_limit_exceed"]


class CustomerWish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A customer's request to the whole enterprise; `account_id`: the account they told, if any."""

    enterprise_id: Identifier
    customer_id: Identifier
    occurred_at_ms: Milliseconds
    account_id: Identifier | None = None


class QuietHours(msgspec.Struct, frozen=True):
    """[start, end) in the customer's zone; over midnight where start > end, and never equal."""

    start: TimeOfDay = msgspec.field(name="from")
    end: TimeOfDay = msgspec.field(name="to")


class ConsentWish(CustomerWish, frozen=True, kw_only=True):
    """Consent given or withdrawn, and the hours in which the customer wants no contact.

    `kinds` absent or `"all"`: every kind; an empty list: none, which sets quiet hours without
    changing consent. `quiet_hours` and `time_zone` absent or null: unchanged. `decision_id`: the
    message because of which consent was withdrawn.
    """

    allowed: bool
    kinds: Kinds | Literal["all"] = "all"
    quiet_hours: QuietHours | Literal["off"] | None = None
    time_zone: TimeZone | None = None
    decision_id: Identifier | None = None


class AccountStatusChange(AccountEvent, frozen=True, kw_only=True):
    """The account's new status."""

    status: Literal["active", "resigned", "suspended", "reinstated"]


class MessageReceived(Envelope, frozen=True, tag_field="type", tag="decorum.message_received.v1"):
    """The customer wrote."""

    data: CustomerEvent


class Engaged(Envelope, frozen=True, tag_field="type", tag="decorum.engaged.v1"):
    """The customer clicked, viewed, bought or visited."""

    data: Engagement


class Delivered(Envelope, frozen=True, tag_field="type", tag="decorum.delivered.v1"):
    """An approved message arrived."""

    data: Receipt


class Failed(Envelope, frozen=True, tag_field="type", tag="decorum.failed.v1"):
    """An approved message did not arrive."""

    data: FailureReceipt


class Complained(Envelope, frozen=True, tag_field="type", tag="decorum.complained.v1"):
    """The customer complained."""

    data: Complaint


class Blocked(Envelope, frozen=True, tag_field="type", tag="decorum.blocked.v1"):
    """The customer deleted or blocked the account."""

    data: Complaint


class Consent(Envelope, frozen=True, tag_field="type", tag="decorum.consent.v1"):
    """The customer's consent changed."""

    data: ConsentWish


class FriendAdded(Envelope, frozen=True, tag_field="type", tag="decorum.friend_added.v1"):
    """Customer and account became friends."""

    data: FriendAddition


class FriendRefused(Envelope, frozen=True, tag_field="type", tag="decorum.friend_refused.v1"):
    """The customer refused the account's friend request."""

    data: CustomerEvent


class FriendRemoved(Envelope, frozen=True, tag_field="type", tag="decorum.friend_removed.v1"):
    """The account removed the customer."""

    data: CustomerEvent


class Transferred(Envelope, frozen=True, tag_field="type", tag="decorum.transferred.v1"):
    """A transfer was carried out."""

    data: Transfer


class TransferFailed(Envelope, frozen=True, tag_field="type", tag="decorum.transfer_failed.v1"):
    """A transfer was not carried out."""

    data: TransferFailure


class Erase(Envelope, frozen=True, tag_field="type", tag="decorum.erase.v1"):
    """Forget this customer."""

    data: CustomerWish


class AccountStatus(Envelope, frozen=True, tag_field="type", tag="decorum.account_status.v1"):
    """The account resigned, was suspended, or came back."""

    data: AccountStatusChange


_encode: Final = msgspec.msgpack.Encoder().encode


def content_of(event: Interaction) -> bytes:
    """An event's type and data in canonical bytes, however the producer wrote them.

    Absent fields add no bytes: fields of later versions do not turn a retry into a new event.
    """
    return _encode((event.__struct_config__.tag, event.data))


Interaction = (
    MessageReceived
    | Engaged
    | Delivered
    | Failed
    | Complained
    | Blocked
    | Consent
    | FriendAdded
    | FriendRefused
    | FriendRemoved
    | Transferred
    | TransferFailed
    | Erase
    | AccountStatus
)

INTERACTION_TYPES: Final[frozenset[str]] = frozenset(
    shape.__struct_config__.tag for shape in get_args(Interaction)
)
"""The `type`s of the topic `interactions`, and the values of the metrics' label `type`."""
