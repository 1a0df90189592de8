"""A customer's ledger in plain words, under the laws in force at one moment.

Rules of this file: it reads a desk and changes nothing; it has no rule of its own, but asks the
functions that decide. Times are UTC milliseconds; None stands for never, for nothing and for no
end. The names of the fields are part of the look-up's answer: they are only added to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.customer.decide import decide
from streams.core.customer.denials import refusals_under, replies_used
from streams.core.customer.ledger import NO_PAIR, Friend, State, dump
from streams.core.customer.request import Ask
from streams.core.customer.timing import quiet, silent_until, zone_of
from streams.core.customer.verdict import Case
from streams.core.customer.windows import Contacts, standings
from streams.core.kinds import KIND_NAMES, Kind
from streams.core.reasons import CREDIT_OVER, Reason

if TYPE_CHECKING:
    from streams.core.customer.customer import Desk
    from streams.core.customer.ledger import Contact, Held, Pair
    from streams.core.customer.rules import Law
    from streams.core.customer.verdict import Verdict
    from streams.core.policy import Window

_NO_CONTACTS: Final = Contacts([], [])

_NO_ASK: Final = Ask("", "", "", Kind.DIRECT, 0, deny=False, accepted_ms=0)
"""For questions whose answer no ask changes."""


class Consent(msgspec.Struct, frozen=True):
    """The customer's own word on one kind; where they gave none, the policy's `consent` holds."""

    allowed: bool
    said_at_ms: int


class Night(msgspec.Struct, frozen=True):
    """The quiet hours that hold now, or the next ones: [starts_at_ms, ends_at_ms)."""

    starts_at_ms: int
    ends_at_ms: int
    told_by_customer: bool


class Suppression(msgspec.Struct, frozen=True):
    """A complaint or a block still silences; None: without end."""

    until_ms: int | None


class Credits(msgspec.Struct, frozen=True):
    """Replies that the customer's last message still allows, while now < until_ms."""

    left: int
    until_ms: int


class MadeContact(msgspec.Struct, frozen=True):
    """An approved message; `counts_under` are the windows that count it now."""

    kind: str
    state: str
    decided_at_ms: int
    counts_at_ms: int
    campaign_id: str | None
    counts_under: list[str]


class AccountStanding(msgspec.Struct, frozen=True):
    """What is between the customer and one account."""

    friend: str
    friend_since_ms: int | None
    wrote_at_ms: int | None
    engaged_at_ms: int | None
    reply_credits: Credits | None
    silent_until_ms: int | None
    suppressed: Suppression | None
    contacts: list[MadeContact]


class Waiting(msgspec.Struct, frozen=True):
    """A held intent: what was last said of it, when it is looked at again, and when it ends."""

    intent_id: str
    intent_source: str
    account_id: str
    kind: str
    campaign_id: str | None
    priority: int
    accepted_at_ms: int
    reason: str
    rule: str | None
    eligible_at_ms: int | None
    due_at_ms: int
    deadline_ms: int


class CustomerStanding(msgspec.Struct, frozen=True):
    """Everything that is known of a customer; `suppressed`: towards accounts they never met."""

    known: bool
    erased: bool
    policy: str
    policy_version: int
    time_zone: str
    quiet_hours: Night | None
    suppressed: Suppression | None
    consent: dict[str, Consent]
    accounts: dict[str, AccountStanding]
    held: list[Waiting]


def standing_of(desk: Desk) -> CustomerStanding:
    """How the customer of a tidied desk stands."""
    ledger, law = desk.ledger, desk.laws[0]
    return CustomerStanding(
        known=ledger.erased or dump(ledger) is not None,
        erased=ledger.erased,
        policy=law.policy,
        policy_version=law.version,
        time_zone=(zone_of(ledger) or law.zone).key,
        quiet_hours=_night(desk),
        suppressed=_suppressed(desk, NO_PAIR),
        consent={
            KIND_NAMES[kind]: Consent(said.allowed, said.at_ms)
            for kind, said in sorted(ledger.consent.items())
        },
        accounts={name: _account(desk, pair) for name, pair in sorted(ledger.pairs.items())},
        held=[_waiting(held) for held in sorted(ledger.held, key=lambda h: h.due_ms)],
    )


def _night(desk: Desk) -> Night | None:
    law = next((law for law in desk.laws if law.quiet_hours is not None), None)
    span = None if law is None else quiet(desk.ledger, law, desk.now_ms)
    return None if span is None else Night(*span, desk.ledger.quiet is not None)


def _account(desk: Desk, pair: Pair) -> AccountStanding:
    windows = {window.id: window for law in desk.laws for window in law.windows}
    return AccountStanding(
        friend=Friend(pair.friend).name.lower(),
        friend_since_ms=pair.friend_ms or None,
        wrote_at_ms=pair.credit_ms or None,
        engaged_at_ms=pair.engaged_ms or None,
        reply_credits=_credits(desk, pair),
        silent_until_ms=_silent_until(desk, pair),
        suppressed=_suppressed(desk, pair),
        contacts=[
            _contact(desk, contact, list(windows.values()))
            for contact in pair.contacts
            if contact.state != State.RELEASED
        ],
    )


def _credits(desk: Desk, pair: Pair) -> Credits | None:
    law = desk.laws[Kind.REPLY]
    reply, verdict = law.reply, _ask_law(desk, pair, law)
    if reply is None or verdict.wecom_errcode == CREDIT_OVER:
        return None
    left = max(0, reply.credits - replies_used(pair))
    return Credits(left, pair.credit_ms + reply.within_ms)


def _silent_until(desk: Desk, pair: Pair) -> int | None:
    ends_ms = max(silent_until(pair, law) for law in desk.laws)
    return ends_ms if ends_ms > desk.now_ms else None


def _suppressed(desk: Desk, pair: Pair) -> Suppression | None:
    """What the decision says where nothing but `suppression` governs: then its end is the answer's
    earliest legal time.
    """
    law = next((law for law in desk.laws if law.suppression is not None), None)
    if law is None:
        return None
    verdict = _ask_law(desk, pair, _alone(law))
    return Suppression(verdict.eligible_at_ms) if verdict.reason is Reason.SUPPRESSED else None


def _ask_law(desk: Desk, pair: Pair, law: Law) -> Verdict:
    return decide(Case(desk.ledger, pair, _NO_ASK, desk.customer, law, desk.now_ms))


def _alone(law: Law) -> Law:
    """The law without any section but its `suppression`."""
    bare = msgspec.structs.replace(
        law,
        disturbs=False,
        windows=(),
        shadows=(),
        silence=None,
        quiet_hours=None,
        consent=False,
        friends=False,
        holdout_share=0.0,
    )
    return msgspec.structs.replace(bare, refusals=refusals_under(bare))


def _contact(desk: Desk, contact: Contact, windows: list[Window]) -> MadeContact:
    return MadeContact(
        kind=KIND_NAMES[contact.kind],
        state=State(contact.state).name.lower(),
        decided_at_ms=contact.decided_ms,
        counts_at_ms=contact.at_ms,
        campaign_id=contact.campaign,
        counts_under=_counts_under(desk, contact, windows),
    )


def _counts_under(desk: Desk, contact: Contact, windows: list[Window]) -> list[str]:
    """The windows that stand otherwise than without the contact."""
    zone, now_ms, campaign = desk.laws[0].zone, desk.now_ms, contact.campaign
    alone = Contacts([contact], [contact])
    without = standings(windows, _NO_CONTACTS, campaign, zone, now_ms)
    stands = standings(windows, alone, campaign, zone, now_ms)
    return sorted(
        stand.window.id
        for stand, empty in zip(stands, without, strict=True)
        if stand.free < empty.free or stand.gap_ends_ms > now_ms
    )


def _waiting(held: Held) -> Waiting:
    ask = held.ask
    return Waiting(
        intent_id=ask.intent_id,
        intent_source=ask.source,
        account_id=ask.account_id,
        kind=KIND_NAMES[ask.kind],
        campaign_id=ask.campaign_id,
        priority=ask.priority,
        accepted_at_ms=ask.accepted_ms,
        reason=held.reason,
        rule=held.rule,
        eligible_at_ms=held.eligible_ms,
        due_at_ms=held.due_ms,
        deadline_ms=held.deadline_ms,
    )
