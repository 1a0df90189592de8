"""Interactions into the ledger: which fact of the core each type of event is.

Rules of this file: one line of the table a type. Receipts need no memory of repeats, for the
contact itself knows how it was settled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.core import facts
from streams.core.kinds import KIND_OF, Kind
from streams.core.ledger import Quiet, remember, seen_before
from streams.core.policy_units import time_of_day_ms
from streams.events import interactions as events
from streams.events.identity import fingerprint, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.customer import Desk
    from streams.core.ledger import Contact


class Counted(NamedTuple):
    """What an event is worth to its account's book: a field of `Facts`, when, of which contact."""

    what: str
    at_ms: int
    contact: Contact | None


def note(desk: Desk, event: events.Interaction) -> Counted | None:
    """Write an event into the desk's ledger."""
    return _NOTES[type(event)](desk, event.data)


def is_repeat(desk: Desk, event: events.Interaction) -> bool:
    """Whether this very event came before; else it is known from now on."""
    if isinstance(event, events.Delivered | events.Failed):
        return False
    mark = fingerprint(event.source, event.id, events.said(event))
    if seen_before(desk.ledger, mark):
        return True
    remember(desk.ledger, mark, desk.now_ms)
    return False


def _hurting(what: str, desk: Desk, data: events.Contact | events.ConsentWish) -> Counted:
    """Counts for the campaign of the account's last message, whichever the customer meant."""
    contact = facts.last_contact(desk.ledger, data.account_id or "")
    return Counted(what, facts.heard_ms(data.occurred_at_ms, desk.now_ms), contact)


def _message_received(desk: Desk, data: events.Contact) -> Counted:
    facts.message_received(desk.ledger, data.account_id, data.occurred_at_ms, desk.now_ms)
    return Counted("received", facts.heard_ms(data.occurred_at_ms, desk.now_ms), None)


def _engaged(desk: Desk, data: events.Contact) -> None:
    facts.engaged(desk.ledger, data.account_id, data.occurred_at_ms, desk.now_ms)


def _delivered(desk: Desk, data: events.Receipt) -> Counted | None:
    mark = mark_of(data.decision_id)
    contact = facts.delivered(desk.ledger, mark, data.occurred_at_ms, desk.now_ms)
    if contact is None or contact.kind == Kind.FRIEND_REQUEST:
        return None  # a request is no message: its answer is what counts
    return Counted("delivered", contact.at_ms, contact)


def _failed(desk: Desk, data: events.FailureReceipt) -> Counted | None:
    contact = facts.failed(desk.ledger, mark_of(data.decision_id))
    if contact is None:
        return None
    if data.reason == "not_friend":
        _friend_removed(desk, data)
    return Counted("failed", facts.heard_ms(data.occurred_at_ms, desk.now_ms), contact)


def _complained(desk: Desk, data: events.Contact) -> Counted:
    facts.hurt(desk.ledger, data.account_id, data.occurred_at_ms, desk.now_ms)
    return _hurting("complaints", desk, data)


def _blocked(desk: Desk, data: events.Contact) -> Counted:
    facts.hurt(desk.ledger, data.account_id, data.occurred_at_ms, desk.now_ms)
    _friend_removed(desk, data)
    return _hurting("blocks", desk, data)


def _consent(desk: Desk, data: events.ConsentWish) -> Counted | None:
    when = (data.occurred_at_ms, desk.now_ms)
    kinds = list(Kind) if data.kinds == "all" else [KIND_OF[name] for name in data.kinds]
    took_back = facts.consented(desk.ledger, kinds, *when, allowed=data.allowed)
    facts.told_hours(desk.ledger, _quiet(data.quiet_hours), data.time_zone, *when)
    return _hurting("opt_outs", desk, data) if took_back and data.account_id else None


def _quiet(hours: events.QuietHours | str | None) -> Quiet | None:
    if hours is None:
        return None
    if isinstance(hours, str):
        return Quiet(0, 0)
    return Quiet(time_of_day_ms(hours.start), time_of_day_ms(hours.end))


def _friend_added(desk: Desk, data: events.Contact) -> None:
    facts.befriended(desk.ledger, data.account_id, data.occurred_at_ms, desk.now_ms)


def _friend_removed(desk: Desk, data: events.Contact) -> None:
    facts.unfriended(desk.ledger, data.account_id, data.occurred_at_ms, desk.now_ms)


def _friend_refused(desk: Desk, data: events.Contact) -> None:
    facts.refused(desk.ledger, data.account_id)


def _transferred(desk: Desk, data: events.Transfer) -> None:
    when = (data.occurred_at_ms, desk.now_ms)
    facts.transferred(desk.ledger, data.account_id, data.to_account_id, *when)


def _transfer_failed(desk: Desk, data: events.Transfer) -> None:
    facts.transfer_failed(desk.ledger, data.account_id, data.to_account_id)


_NOTES: Final[dict[type, Callable[[Desk, Any], Counted | None]]] = {
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
