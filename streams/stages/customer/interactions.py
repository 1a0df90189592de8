"""Interactions into the ledger: which function of the core applies each type of event.

Rules of this file: one row of the table `_APPLY` for each type. Receipts need no duplicate
detection: the contact itself shows which receipt it had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streams.core.customer import feedback, interactions, receipts, transfers
from streams.core.customer.feedback import Charge
from streams.core.customer.interactions import heard_ms
from streams.core.customer.ledger import CustomerQuietHours
from streams.core.customer.receipts import made_by
from streams.core.dedup import remember, seen_before
from streams.core.kinds import KIND_OF, Kind
from streams.core.written import time_of_day_ms
from streams.events import interactions as events
from streams.events.identity import fingerprint, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.core.customer.customer import Customer
    from streams.core.customer.feedback import Subject
    from streams.core.customer.ledger import Ledger


def apply(customer: Customer, event: events.Interaction) -> Sequence[Charge]:
    """Write an event into the customer's ledger; returns what accounts have to count."""
    return _APPLY[type(event)](customer, event.data) or ()


def is_duplicate(customer: Customer, event: events.Interaction) -> bool:
    """Whether the ledger shows the event already. If not, it is remembered from now on."""
    if isinstance(event, events.Delivered | events.Failed):
        return _is_applied(customer.ledger, event)
    if isinstance(event, events.Transferred) and _is_transferred(customer, event.data):
        return True
    mark = fingerprint(event.source, event.id, events.content_of(event))
    if seen_before(customer.ledger, mark):
        return True
    remember(customer.ledger, mark, customer.now_ms)
    return False


def _is_applied(ledger: Ledger, event: events.Delivered | events.Failed) -> bool:
    """The contact shows it. `already_received` and `not_friend` say more than a failure alone."""
    mark = mark_of(event.data.decision_id)
    if isinstance(event, events.Delivered):
        return receipts.is_delivered(ledger, mark)
    reason = event.data.reason
    if reason == "already_received":
        return False
    return receipts.is_failed(ledger, mark, no_friend=reason == "not_friend")


def _is_transferred(customer: Customer, data: events.Transfer) -> bool:
    at_ms = heard_ms(data.occurred_at_ms, customer.now_ms)
    return transfers.is_transferred(customer.ledger, data.account_id, data.to_account_id, at_ms)


# --- receipts -------------------------------------------------------------------------------------


def _delivered(customer: Customer, data: events.Receipt) -> list[Charge]:
    mark = mark_of(data.decision_id)
    found = receipts.apply_delivered(customer.ledger, mark, data.occurred_at_ms, customer.now_ms)
    if found is None or found.contact.kind == Kind.FRIEND_REQUEST:
        return []  # a friend request is no message: accounts count its answer
    return [Charge(made_by(found), "delivered", found.contact.at_ms, found.contact, 1)]


def _failed(customer: Customer, data: events.FailureReceipt) -> list[Charge]:
    mark, when = mark_of(data.decision_id), (data.occurred_at_ms, customer.now_ms)
    if data.reason == "already_received":
        found = receipts.apply_slot_taken(customer.ledger, mark, *when)
    else:
        found = receipts.apply_failed(customer.ledger, mark)
    if data.reason == "not_friend":
        receipts.apply_not_friend(customer.ledger, mark, *when)
    if found is None:
        return []
    return [Charge(made_by(found), "failed", heard_ms(*when), found.contact, 1)]


# --- what customers do ----------------------------------------------------------------------------


def _message_received(customer: Customer, data: events.CustomerEvent) -> list[Charge]:
    interactions.apply_message_received(
        customer.ledger, data.account_id, data.occurred_at_ms, customer.now_ms
    )
    at_ms = heard_ms(data.occurred_at_ms, customer.now_ms)
    return [Charge(data.account_id, "received", at_ms, None, 1)]


def _engaged(customer: Customer, data: events.CustomerEvent) -> None:
    interactions.apply_engaged(
        customer.ledger, data.account_id, data.occurred_at_ms, customer.now_ms
    )


def _complained(customer: Customer, data: events.Complaint) -> list[Charge]:
    subject = _subject(customer, data)
    interactions.apply_complaint(customer.ledger, subject.account or data.account_id, subject.at_ms)
    return _charged(customer, subject, feedback.COMPLAINT)


def _blocked(customer: Customer, data: events.Complaint) -> list[Charge]:
    """The account that the customer is with now loses a friend, whoever made the message."""
    subject = _subject(customer, data)
    interactions.apply_complaint(customer.ledger, subject.account or data.account_id, subject.at_ms)
    holder, when = subject.holder or data.account_id, (data.occurred_at_ms, customer.now_ms)
    interactions.apply_friend_removed(customer.ledger, holder, *when)
    return _charged(customer, subject, feedback.BLOCK)


def _consent(customer: Customer, data: events.ConsentWish) -> list[Charge]:
    when = (data.occurred_at_ms, customer.now_ms)
    kinds = list(Kind) if data.kinds == "all" else [KIND_OF[name] for name in data.kinds]
    is_opt_out = interactions.apply_consent(customer.ledger, kinds, *when, allowed=data.allowed)
    interactions.apply_quiet_hours(customer.ledger, _quiet(data.quiet_hours), data.time_zone, *when)
    if not is_opt_out:
        return []
    return _charged(customer, _subject(customer, data), feedback.OPT_OUT)


def _subject(customer: Customer, data: events.Complaint | events.ConsentWish) -> Subject:
    mark = None if data.decision_id is None else mark_of(data.decision_id)
    when = (data.occurred_at_ms, customer.now_ms)
    return feedback.subject_of(customer.ledger, data.account_id, mark, *when)


def _charged(customer: Customer, subject: Subject, what: str) -> list[Charge]:
    return feedback.charge(customer.ledger, subject, what, customer.rules[0].weights)


def _quiet(hours: events.QuietHours | str | None) -> CustomerQuietHours | None:
    if hours is None:
        return None
    if isinstance(hours, str):
        return CustomerQuietHours(0, 0)
    return CustomerQuietHours(time_of_day_ms(hours.start), time_of_day_ms(hours.end))


def _friend_added(customer: Customer, data: events.CustomerEvent) -> None:
    interactions.apply_friend_added(
        customer.ledger, data.account_id, data.occurred_at_ms, customer.now_ms
    )


def _friend_removed(customer: Customer, data: events.CustomerEvent) -> None:
    when = (data.occurred_at_ms, customer.now_ms)
    interactions.apply_friend_removed(customer.ledger, data.account_id, *when)


def _friend_refused(customer: Customer, data: events.CustomerEvent) -> None:
    interactions.apply_friend_refused(customer.ledger, data.account_id)


def _transferred(customer: Customer, data: events.Transfer) -> None:
    when = (data.occurred_at_ms, customer.now_ms)
    transfers.apply_transferred(customer.ledger, data.account_id, data.to_account_id, *when)


def _transfer_failed(customer: Customer, data: events.Transfer) -> None:
    transfers.apply_transfer_failed(customer.ledger, data.account_id, data.to_account_id)


_APPLY: Final[dict[type, Callable[[Customer, Any], list[Charge] | None]]] = {
    events.MessageReceived: _message_received,
    events.Engaged: _engaged,
    events.Delivered: _delivered,
    events.Failed: _failed,
    events.Complained: _complained,
    events.Blocked: _blocked,
    events.Consent: _consent,
    events.FriendAdded: _friend_added,
    events.FriendRemoved: _friend_removed,
    events.FriendRefused: _friend_refused,
    events.Transferred: _transferred,
    events.TransferFailed: _transfer_failed,
}
"""Without `Erase`, which the stage handles: it leaves no ledger to write into."""

BINDING: Final = (
    events.Blocked,
    events.Failed,
    events.FriendAdded,
    events.FriendRefused,
    events.FriendRemoved,
    events.Transferred,
    events.TransferFailed,
)
"""Events that can begin or end a friendship, a friend request or a transfer."""

QUIET: Final = (events.Transferred,)
"""Events after which held requests wait for their own time: a transfer must not cause a message."""
