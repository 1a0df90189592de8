"""Feedback: which message a complaint, a block or an opt-out is about, and what it counts for.

Theory. Feedback belongs to its message. If it names a decision, the account and campaign of that
decision are charged, whichever account has the customer now or reports the feedback. If it names
none, it is about the account's last delivered message that disturbs: an order notice in between
changes nothing, and a message that was not sent yet cannot have annoyed anybody. If it names an
unknown decision, the reporting account is charged, and no campaign.

One person counts once. A complaint, a block and an opt-out about one message count as the heaviest
of them. Without a known message, the same holds for all feedback of one customer on one account
within 24 hours. A heavier one that comes later replaces the lighter one, so that sums stay exact:
`Charge.by` is -1 for what is taken back.

Rules of this file: it records what was charged, in the contact and in the relationship. The account
stage decides what follows from a charge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.customer.interactions import heard_ms
from streams.core.customer.ledger import FEEDBACK_MS, NO_RELATIONSHIP, Blame, ContactState
from streams.core.customer.receipts import find_contact, made_by
from streams.core.kinds import Kind, mask_of
from streams.core.local_calendar import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.core.customer.ledger import Contact, Ledger
    from streams.core.policy import Weights

COMPLAINT: Final = "complaints"
BLOCK: Final = "blocks"
OPT_OUT: Final = "opt_outs"
HURTS: Final = (COMPLAINT, BLOCK, OPT_OUT)
"""Feedback against an account, by the names of its sums; `Blame.what` is an index into this."""

ONE_COMPLAINT_MS: Final = DAY_MS
"""Within this time, one customer's complaints about an account without a message count as one."""

_ANNOYING: Final = mask_of((Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT))
"""Kinds that feedback without a decision can be about. Not friend requests: whoever gets one is no
customer of the account yet."""


class Subject(NamedTuple):
    """What feedback is about: the account and contact to charge. `holder`: has the customer now.

    `account` None: nobody is charged. `open`: no message was named and found, so the next such
    feedback is the same complaint; `recent`: what was charged for the last one.
    """

    account: str | None
    holder: str | None
    contact: Contact | None
    at_ms: int
    recent: Blame | None = None
    open: bool = False

    @property
    def charged(self) -> Blame | None:
        """What was charged for this complaint so far."""
        return self.recent if self.contact is None else self.contact.blame


class Charge(NamedTuple):
    """What an account, and the contact's campaign, have to count: `by` is 1 or -1."""

    account: str
    what: str
    at_ms: int
    contact: Contact | None
    by: int


def subject_of(
    ledger: Ledger, account: str | None, decision_key: int | None, occurred_ms: int, now_ms: int
) -> Subject:
    """What feedback is about that `account` reports; at the earliest at the time of its decision.

    `decision_key`: of the decision that it names; None if it names none.
    """
    at_ms = heard_ms(occurred_ms, now_ms)
    found = find_contact(ledger, decision_key or 0)
    if found is not None:
        at_ms = max(at_ms, found.contact.decided_ms)
        return Subject(made_by(found), found.holder, found.contact, at_ms)
    if account is None or at_ms + FEEDBACK_MS <= now_ms:
        return Subject(None, account, None, at_ms)
    recent = _recent(ledger, account, at_ms)
    if recent is not None:
        meant = find_contact(ledger, recent.decision_key)
        contact = None if meant is None else meant.contact
    else:
        contact = _last_annoying(ledger, account, at_ms) if decision_key is None else None
    return Subject(account, account, contact, at_ms, recent, open=True)


def charge(ledger: Ledger, subject: Subject, what: str, weights: Weights) -> list[Charge]:
    """The charges for feedback, less what was charged already; none if nobody is to charge."""
    account, contact, at_ms, charged = (
        subject.account,
        subject.contact,
        subject.at_ms,
        subject.charged,
    )
    if account is None:
        return []
    charges = [Charge(account, what, at_ms, contact, 1)]
    if charged is not None:
        before = HURTS[charged.what]
        if _rank(what, weights) <= _rank(before, weights):
            return []
        charges.append(Charge(account, before, charged.at_ms, contact, -1))
    blame = Blame(HURTS.index(what), at_ms, 0 if contact is None else contact.decision_key)
    if contact is not None:
        contact.blame = blame
    if subject.open:
        relationship = ledger.relationship(account)
        others = [b for b in relationship.blames if b != subject.recent]
        relationship.blames = sorted([*others, blame], key=lambda b: b.at_ms)
    return charges


def _rank(what: str, weights: Weights) -> tuple[float, bool]:
    """How heavy it is; of two equal ones, the one that the brake counts."""
    weight = (weights.complaint, weights.block, weights.opt_out)[HURTS.index(what)]
    return weight, what != OPT_OUT


def _recent(ledger: Ledger, account: str, at_ms: int) -> Blame | None:
    """The nearest charge against the account without a message, less than a day away."""
    relationship = ledger.relationships.get(account, NO_RELATIONSHIP)
    near = [b for b in relationship.blames if abs(at_ms - b.at_ms) < ONE_COMPLAINT_MS]
    return min(near, key=lambda b: abs(at_ms - b.at_ms), default=None)


def _last_annoying(ledger: Ledger, account: str, at_ms: int) -> Contact | None:
    """The account's last delivered message by then; without one, the last that must be sent."""
    made = [c for c in _made_by(ledger, account) if _ANNOYING >> c.kind & 1 and c.at_ms <= at_ms]
    for state in (ContactState.DELIVERED, ContactState.RESERVED):
        of_state = [c for c in made if c.state == state]
        if of_state:
            return max(of_state, key=lambda c: (c.at_ms, c.decided_ms))
    return None


def _made_by(ledger: Ledger, account: str) -> Iterator[Contact]:
    """The account's messages, whichever account has the customer now."""
    for name, relationship in ledger.relationships.items():
        yield from (c for c in relationship.contacts if (c.made_by or name) == account)
