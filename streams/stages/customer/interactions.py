"""Interactions into the ledger: which fact of the core each type of event is.

Rules of this file: one line of the table a type. Receipts need no memory of repeats, for the
contact itself knows how it was settled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streams.core.customer import feedback
from streams.core.customer import interactions as facts
from streams.core.customer.feedback import Charge
from streams.core.customer.interactions import heard_ms, made_by
from streams.core.customer.ledger import CustomerQuietHours
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
    """Write an event into the desk's ledger; what accounts have to count of it."""
    return _APPLY[type(event)](customer, event.data) or ()


def is_duplicate(customer: Customer, event: events.Interaction) -> bool:
    """Whether what the event tells was told before; else it is known from now on."""
    if isinstance(event, events.Delivered | events.Failed):
        return _is_applied(customer.ledger, event)
    if isinstance(event, events.Transferred) and _has_gone_over(customer, event.data):
        return True
    mark = fingerprint(event.source, event.id, events.content_of(event))
    if seen_before(customer.ledger, mark):
        return True
    remember(customer.ledger, mark, customer.now_ms)
    return False


def _is_applied(ledger: Ledger, event: events.Delivered | events.Failed) -> bool:
    """The contact itself knows. That its slot was taken outside says more than that it failed, and
    so does that the customer is no friend.
    """
    mark = mark_of(event.data.decision_id)
    if isinstance(event, events.Delivered):
        return facts.is_delivered(ledger, mark)
    reason = event.data.reason
    if reason == "already_received":
        return False
    return facts.is_failed(ledger, mark, no_friend=reason == "not_friend")


def _has_gone_over(customer: Customer, data: events.Transfer) -> bool:
    at_ms = heard_ms(data.occurred_at_ms, customer.now_ms)
    return facts.has_gone_over(customer.ledger, data.account_id, data.to_account_id, at_ms)


# --- receipts -------------------------------------------------------------------------------------


def _delivered(customer: Customer, data: events.Receipt) -> list[Charge]:
    mark = mark_of(data.decision_id)
    found = facts.apply_delivered(customer.ledger, mark, data.occurred_at_ms, customer.now_ms)
    if found is None or found.contact.kind == Kind.FRIEND_REQUEST:
        return []  # a request is no message: its answer is what counts
    return [Charge(made_by(found), "delivered", found.contact.at_ms, found.contact, 1)]


def _failed(customer: Customer, data: events.FailureReceipt) -> list[Charge]:
    mark, when = mark_of(data.decision_id), (data.occurred_at_ms, customer.now_ms)
    if data.reason == "already_received":
        found = facts.slot_taken(customer.ledger, mark, *when)
    else:
        found = facts.apply_failed(customer.ledger, mark)
    if data.reason == "not_friend":
        facts.no_friend(customer.ledger, mark, *when)
    if found is None:
        return []
    return [Charge(made_by(found), "failed", heard_ms(*when), found.contact, 1)]


# --- what customers do ----------------------------------------------------------------------------


def _message_received(customer: Customer, data: events.CustomerEvent) -> list[Charge]:
    facts.apply_message_received(
        customer.ledger, data.account_id, data.occurred_at_ms, customer.now_ms
    )
    at_ms = heard_ms(data.occurred_at_ms, customer.now_ms)
    return [Charge(data.account_id, "received", at_ms, None, 1)]


def _engaged(customer: Customer, data: events.CustomerEvent) -> None:
    facts.apply_engaged(customer.ledger, data.account_id, data.occurred_at_ms, customer.now_ms)


def _complained(customer: Customer, data: events.Complaint) -> list[Charge]:
    subject = _subject(customer, data)
    facts.apply_complaint(customer.ledger, subject.account or data.account_id, subject.at_ms)
    return _charged(customer, subject, feedback.COMPLAINT)


def _blocked(customer: Customer, data: events.Complaint) -> list[Charge]:
    """Whom the customer is with now is who lost them."""
    subject = _subject(customer, data)
    facts.apply_complaint(customer.ledger, subject.account or data.account_id, subject.at_ms)
    holder = subject.holder or data.account_id
    facts.apply_friend_removed(customer.ledger, holder, data.occurred_at_ms, customer.now_ms)
    return _charged(customer, subject, feedback.BLOCK)


def _consent(customer: Customer, data: events.ConsentWish) -> list[Charge]:
    when = (data.occurred_at_ms, customer.now_ms)
    kinds = list(Kind) if data.kinds == "all" else [KIND_OF[name] for name in data.kinds]
    took_back = facts.apply_consent(customer.ledger, kinds, *when, allowed=data.allowed)
    facts.apply_quiet_hours(customer.ledger, _quiet(data.quiet_hours), data.time_zone, *when)
    if not took_back:
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
    facts.apply_friend_added(customer.ledger, data.account_id, data.occurred_at_ms, customer.now_ms)


def _friend_removed(customer: Customer, data: events.CustomerEvent) -> None:
    facts.apply_friend_removed(
        customer.ledger, data.account_id, data.occurred_at_ms, customer.now_ms
    )


def _friend_refused(customer: Customer, data: events.CustomerEvent) -> None:
    facts.apply_friend_refused(customer.ledger, data.account_id)


def _transferred(customer: Customer, data: events.Transfer) -> None:
    when = (data.occurred_at_ms, customer.now_ms)
    facts.apply_transferred(customer.ledger, data.account_id, data.to_account_id, *when)


def _transfer_failed(customer: Customer, data: events.Transfer) -> None:
    facts.apply_transfer_failed(customer.ledger, data.account_id, data.to_account_id)


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
"""`Erase` is the stage's own affair: nothing of the ledger is left to note in."""

BINDING: Final = (
    events.Blocked,
    events.Failed,
    events.FriendAdded,
    events.FriendRefused,
    events.FriendRemoved,
    events.Transferred,
    events.TransferFailed,
)
"""Events that can make or undo what binds a customer and an account."""

QUIET: Final = (events.Transferred,)
"""Events after which what is held is not looked at again but at its own time: nobody shall get a
message because of a handover."""
