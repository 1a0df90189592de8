"""Events about an erased customer's past: none of them is written or counted.

If they had arrived in time, the erasure would have deleted them. What the customer does after the
erasure is not past: somebody who writes, or becomes a friend again, gets answers.

Rules of this file: it only says what is past. A receipt never is: it names its message, and only
messages since the erasure are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streams.core.customer.ledger import NO_RELATIONSHIP, Friend
from streams.core.customer.receipts import find_contact
from streams.events import interactions as events
from streams.events.identity import mark_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.customer.ledger import Ledger


def is_past(ledger: Ledger, event: events.Interaction, erased_ms: int) -> bool:
    """Whether an event is about the time before the customer was erased at `erased_ms`."""
    data = event.data
    if isinstance(event, events.Delivered | events.Failed):
        return False
    if data.occurred_at_ms < erased_ms and not _names_known_message(ledger, data):
        return True
    has_nothing_to_end = _ENDS.get(type(event))
    return has_nothing_to_end is not None and has_nothing_to_end(ledger, data)


def _names_known_message(ledger: Ledger, data: object) -> bool:
    decision_id = getattr(data, "decision_id", None)
    return decision_id is not None and find_contact(ledger, mark_of(decision_id)) is not None


# --- events that end or answer something are past if nothing of the kind is known since -----------


def _has_no_relationship(ledger: Ledger, data: events.CustomerEvent) -> bool:
    return data.account_id not in ledger.relationships


def _has_no_giver(ledger: Ledger, data: events.Transfer) -> bool:
    giver = ledger.relationships.get(data.account_id, NO_RELATIONSHIP)
    return giver.friend != Friend.YES and giver.pending_transfer is None


def _has_no_transfer(ledger: Ledger, _: events.Transfer) -> bool:
    return all(
        relationship.pending_transfer is None for relationship in ledger.relationships.values()
    )


_ENDS: Final[dict[type, Callable[[Ledger, Any], bool]]] = {
    events.Engaged: _has_no_relationship,
    events.FriendRefused: _has_no_relationship,
    events.FriendRemoved: _has_no_relationship,
    events.Transferred: _has_no_giver,
    events.TransferFailed: _has_no_transfer,
}
