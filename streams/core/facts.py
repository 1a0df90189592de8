"""What customers did and what became of messages, written into the ledger.

Rules of this file: one function a fact; each says whether it changed anything, none decides.
`occurred_ms` is the producer's word and is bounded by the engine's clock: nothing has happened in
the future, and no message was delivered before it was approved. Order does not matter where it
should not: a delivery beats a failure, the first delivery stays, an older word yields to a newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.kinds import Kind
from streams.core.ledger import Friend, Ledger, Quiet, Said, State, ignore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.ledger import Contact, Pair


def heard_ms(occurred_ms: int, now_ms: int) -> int:
    """When something happened, by the producer's word: not in the future, and not never (0)."""
    return max(1, min(occurred_ms, now_ms))


def delivered(ledger: Ledger, mark: int, occurred_ms: int, now_ms: int) -> Contact | None:
    """The message was sent: it counts from then on at that moment. The contact, where that is news.

    A transfer that was sent has only begun: `transferred` or `transfer_failed` ends it.
    """
    contact = _awaiting(ledger, mark)
    if contact is None or contact.kind == Kind.TRANSFER:
        return None
    _settle(contact, occurred_ms, now_ms)
    return contact


def _settle(contact: Contact, occurred_ms: int, now_ms: int) -> None:
    decided_ms = contact.decided_ms
    contact.at_ms = max(decided_ms, heard_ms(occurred_ms, now_ms))
    contact.lag_ms = contact.at_ms - decided_ms
    contact.state, contact.mark = State.DELIVERED, 0


def failed(ledger: Ledger, account: str, mark: int) -> Contact | None:
    """The message was not sent: it no longer counts, unless its delivery is told later.

    The contact, where that is news; `account` is whose message it was.
    """
    contact = _awaiting(ledger, mark)
    if contact is None or contact.state == State.RELEASED:
        return None
    contact.state = State.RELEASED
    pair = ledger.pair(account)
    if contact.kind == Kind.FRIEND_REQUEST and contact is _latest_request(pair):
        pair.asked_ms = 0
    elif contact.kind == Kind.TRANSFER:
        pair.giving = None
    return contact


def _latest_request(pair: Pair) -> Contact | None:
    requests = [c for c in pair.contacts if c.kind == Kind.FRIEND_REQUEST]
    return max(requests, key=lambda contact: contact.decided_ms, default=None)


def _awaiting(ledger: Ledger, mark: int) -> Contact | None:
    return next((c for c in ledger.contacts() if c.mark == mark != 0), None)


def message_received(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """The customer wrote: reply credits open or renew, and silence is broken."""
    pair = ledger.pair(account)
    pair.credit_ms = max(pair.credit_ms, heard_ms(occurred_ms, now_ms))
    engaged(ledger, account, occurred_ms, now_ms)


def engaged(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """A sign of interest: it answers every contact that was decided by then."""
    pair = ledger.pair(account)
    pair.engaged_ms = max(pair.engaged_ms, heard_ms(occurred_ms, now_ms))
    _forget_answered(pair)


def _forget_answered(pair: Pair) -> None:
    left = [decided_ms for decided_ms in pair.ignored if decided_ms > pair.engaged_ms]
    if len(left) < len(pair.ignored):  # then the earlier ones are answered as well
        pair.ignored, pair.ignored_more = left, 0
    if not left:
        pair.ignored_ms = 0


def hurt(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """A complaint or a block: suppression counts from the latest."""
    pair, at_ms = ledger.pair(account), heard_ms(occurred_ms, now_ms)
    pair.hurt_ms = max(pair.hurt_ms, at_ms)
    ledger.hurt_ms = max(ledger.hurt_ms, at_ms)


def befriended(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """The customer is a contact of the account; a request for it is answered."""
    ledger.pair(account).asked_ms = 0
    _tie(ledger.pair(account), Friend.YES, heard_ms(occurred_ms, now_ms))


def unfriended(ledger: Ledger, account: str, occurred_ms: int, now_ms: int) -> None:
    """The customer is no longer a contact of the account."""
    _tie(ledger.pair(account), Friend.REMOVED, heard_ms(occurred_ms, now_ms))


def refused(ledger: Ledger, account: str) -> None:
    """The customer refused the account's friend request."""
    ledger.pair(account).asked_ms = 0


def last_contact(ledger: Ledger, account: str) -> Contact | None:
    """The latest message of the account that was not told to have failed: what a complaint that
    names none is taken to be about.
    """
    pair = ledger.pairs.get(account)
    made = [] if pair is None else [c for c in pair.contacts if c.state != State.RELEASED]
    return max(made, key=lambda contact: contact.decided_ms, default=None)


def _tie(pair: Pair, friend: Friend, at_ms: int) -> None:
    if at_ms >= pair.friend_ms:
        pair.friend, pair.friend_ms = friend, at_ms


def consented(
    ledger: Ledger, kinds: Iterable[int], occurred_ms: int, now_ms: int, *, allowed: bool
) -> bool:
    """The customer's word on kinds of message; the newest word on each kind holds.

    Whether it took back what was allowed before, of at least one kind.
    """
    at_ms, took_back = heard_ms(occurred_ms, now_ms), False
    for kind in kinds:
        before = ledger.consent.get(kind)
        if before is None or before.at_ms <= at_ms:
            took_back |= not allowed and (before is None or before.allowed)
            ledger.consent[kind] = Said(at_ms, allowed)
    return took_back


def told_hours(
    ledger: Ledger, quiet: Quiet | None, zone: str | None, occurred_ms: int, now_ms: int
) -> None:
    """The customer's own quiet hours and zone, where given; the newest word on each holds."""
    at_ms = heard_ms(occurred_ms, now_ms)
    if quiet is not None and at_ms >= ledger.quiet_ms:
        ledger.quiet, ledger.quiet_ms = quiet, at_ms
    if zone is not None and at_ms >= ledger.zone_ms:
        ledger.zone, ledger.zone_ms = zone, at_ms


def transferred(ledger: Ledger, account: str, taker: str, occurred_ms: int, now_ms: int) -> None:
    """The customer went over to another account: what was between them goes along.

    Where the taker knew the customer already, both histories are kept. A transfer under way is
    done. The giver knows the customer no longer.
    """
    for contact in _under_way(ledger, account):
        _settle(contact, occurred_ms, now_ms)
    ledger.pair(account).giving = None
    if account == taker:
        return
    giver = ledger.pairs.pop(account, None)
    if giver is not None:
        _merge(giver, ledger.pair(taker))
    befriended(ledger, taker, occurred_ms, now_ms)
    unfriended(ledger, account, occurred_ms, now_ms)


def _merge(giver: Pair, taker: Pair) -> None:
    for contact in giver.contacts:
        contact.moved = True  # the taker's reply credits are its own
    taker.contacts += giver.contacts
    taker.engaged_ms = max(taker.engaged_ms, giver.engaged_ms)
    ignore(taker, giver.ignored)
    taker.ignored_more += giver.ignored_more
    taker.ignored_ms = max(taker.ignored_ms, giver.ignored_ms)
    _forget_answered(taker)
    taker.hurt_ms = max(taker.hurt_ms, giver.hurt_ms)


def transfer_failed(ledger: Ledger, account: str) -> None:
    """The customer stays: the transfer under way no longer counts."""
    for contact in _under_way(ledger, account):
        contact.state = State.RELEASED
    ledger.pair(account).giving = None


def _under_way(ledger: Ledger, account: str) -> list[Contact]:
    pair = ledger.pairs.get(account)
    contacts = [] if pair is None else pair.contacts
    return [c for c in contacts if c.kind == Kind.TRANSFER and c.state == State.RESERVED]
