"""Interactions into the ledger: which fact of the core each type of event is.

Rules of this file: one line of the table a type. A repeat of the same event is noted once; receipts
need no memory for that, for the contact itself knows how it was settled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streams.core import facts
from streams.core.kinds import KIND_OF, Kind
from streams.core.ledger import Quiet, remember, seen_before
from streams.core.policy_units import time_of_day_ms
from streams.events import interactions as events
from streams.events.identity import fingerprint, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.customer import Desk, Settled


def note(desk: Desk, event: events.Interaction) -> list[Settled]:
    """Write an event into the desk's ledger; what is held is looked at again in its light."""
    if not _is_receipt(event):
        mark = fingerprint(event.source, event.id)
        if seen_before(desk.ledger, mark):
            return []
        remember(desk.ledger, mark, desk.now_ms)
    _NOTES[type(event)](desk, event.data)
    return desk.reconsider() if desk.ledger.held else []


def _is_receipt(event: events.Interaction) -> bool:
    return isinstance(event, events.Delivered | events.Failed)


def _message_received(desk: Desk, data: events.Contact) -> None:
    facts.message_received(desk.ledger, data.account_id, data.occurred_at_ms, desk.now_ms)


def _engaged(desk: Desk, data: events.Contact) -> None:
    facts.engaged(desk.ledger, data.account_id, data.occurred_at_ms, desk.now_ms)


def _delivered(desk: Desk, data: events.Receipt) -> None:
    facts.delivered(desk.ledger, mark_of(data.decision_id), data.occurred_at_ms, desk.now_ms)


def _failed(desk: Desk, data: events.FailureReceipt) -> None:
    known = facts.failed(desk.ledger, mark_of(data.decision_id))
    if known and data.reason == "not_friend":
        _friend_removed(desk, data)


def _hurt(desk: Desk, data: events.Contact) -> None:
    facts.hurt(desk.ledger, data.account_id, data.occurred_at_ms, desk.now_ms)


def _blocked(desk: Desk, data: events.Contact) -> None:
    _hurt(desk, data)
    _friend_removed(desk, data)


def _consent(desk: Desk, data: events.ConsentWish) -> None:
    when = (data.occurred_at_ms, desk.now_ms)
    kinds = list(Kind) if data.kinds == "all" else [KIND_OF[name] for name in data.kinds]
    facts.consented(desk.ledger, kinds, *when, allowed=data.allowed)
    facts.told_hours(desk.ledger, _quiet(data.quiet_hours), data.time_zone, *when)


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
    """Counts for the account that asked; the customer's own windows know of the request already."""


def _transferred(desk: Desk, data: events.Transfer) -> None:
    when = (data.occurred_at_ms, desk.now_ms)
    facts.transferred(desk.ledger, data.account_id, data.to_account_id, *when)


def _transfer_failed(desk: Desk, data: events.Transfer) -> None:
    facts.transfer_failed(desk.ledger, data.account_id)


_NOTES: Final[dict[type, Callable[[Desk, Any], None]]] = {
    events.MessageReceived: _message_received,
    events.Engaged: _engaged,
    events.Delivered: _delivered,
    events.Failed: _failed,
    events.Complained: _hurt,
    events.Blocked: _blocked,
    events.Consent: _consent,
    events.FriendAdded: _friend_added,
    events.FriendRemoved: _friend_removed,
    events.FriendRefused: _friend_refused,
    events.Transferred: _transferred,
    events.TransferFailed: _transfer_failed,
}
"""`Erase` is the stage's own affair: nothing of the ledger is left to note in."""
