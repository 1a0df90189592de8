"""What is told of a forgotten customer's past: nothing of it is written, nor counted.

Had it been told in time, the erasure would have ended it with the rest. What they do since is no
past: who writes, or becomes a friend anew, is answered. Rules of this file: it says what is past;
a receipt never is, for it names its message, and of others than those since nothing is known.
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
    """Whether an event is about what was before the customer was forgotten at `erased_ms`."""
    data = event.data
    if isinstance(event, events.Delivered | events.Failed):
        return False
    if data.occurred_at_ms < erased_ms and not _is_of_a_known_message(ledger, data):
        return True
    ends = _ENDS.get(type(event))
    return ends is not None and ends(ledger, data)


def _is_of_a_known_message(ledger: Ledger, data: object) -> bool:
    name = getattr(data, "decision_id", None)
    return name is not None and find_contact(ledger, mark_of(name)) is not None


# --- what ends or answers something: of before, where nothing of the kind is known since ----------


def _no_pair(ledger: Ledger, data: events.CustomerEvent) -> bool:
    return data.account_id not in ledger.relationships


def _nobody_s(ledger: Ledger, data: events.Transfer) -> bool:
    giver = ledger.relationships.get(data.account_id, NO_RELATIONSHIP)
    return giver.friend != Friend.YES and giver.pending_transfer is None


def _none_under_way(ledger: Ledger, _: events.Transfer) -> bool:
    return all(
        relationship.pending_transfer is None for relationship in ledger.relationships.values()
    )


_ENDS: Final[dict[type, Callable[[Ledger, Any], bool]]] = {
    events.Engaged: _no_pair,
    events.FriendRefused: _no_pair,
    events.FriendRemoved: _no_pair,
    events.Transferred: _nobody_s,
    events.TransferFailed: _none_under_way,
}
