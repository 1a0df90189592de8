"""What a look-up shows of a customer, under the rules in force at one moment.

Rules of this file: it reads a customer and changes nothing; it has no rule of its own, but asks the
functions that decide. Times are UTC milliseconds; None means never, nothing, or no end. The fields'
names are part of the look-up's answer: fields are only added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.customer.case import DecisionInput
from streams.core.customer.decide import decide
from streams.core.customer.denials import denials_for, replies_used
from streams.core.customer.ledger import NO_RELATIONSHIP, ContactState, Friend, dump
from streams.core.customer.request import Request
from streams.core.customer.timing import quiet_span_of, silent_until_ms, zone_of
from streams.core.customer.windows import Contacts, window_usages
from streams.core.kinds import KIND_NAMES, Kind
from streams.core.reasons import CREDIT_OVER, Reason

if TYPE_CHECKING:
    from streams.core.customer.customer import Customer
    from streams.core.customer.ledger import Contact, HeldRequest, Relationship
    from streams.core.customer.request import Verdict
    from streams.core.customer.rules import KindRules
    from streams.core.policy import Window

_NO_CONTACTS: Final = Contacts([], [])

_NO_REQUEST: Final = Request("", "", "", Kind.DIRECT, 0, deny=False, accepted_ms=0)
"""For questions whose answer depends on no request."""


class ConsentView(msgspec.Struct, frozen=True):
    """Whether the customer allows a kind. Without a statement, the policy's `consent` holds."""

    allowed: bool
    said_at_ms: int


class QuietHoursView(msgspec.Struct, frozen=True):
    """The quiet hours that hold now, or the next ones: [starts_at_ms, ends_at_ms)."""

    starts_at_ms: int
    ends_at_ms: int
    told_by_customer: bool


class SuppressionView(msgspec.Struct, frozen=True):
    """A complaint or a block still suppresses messages; None: without end."""

    until_ms: int | None


class CreditsView(msgspec.Struct, frozen=True):
    """Replies that the customer's last message still allows, before `until_ms`."""

    left: int
    until_ms: int


class ContactView(msgspec.Struct, frozen=True):
    """An approved message; `counts_under`: the windows that count it now."""

    kind: str
    state: str
    decided_at_ms: int
    counts_at_ms: int
    campaign_id: str | None
    counts_under: list[str]


class AccountView(msgspec.Struct, frozen=True):
    """The relationship between the customer and one account."""

    friend: str
    friend_since_ms: int | None
    wrote_at_ms: int | None
    engaged_at_ms: int | None
    reply_credits: CreditsView | None
    silent_until_ms: int | None
    suppressed: SuppressionView | None
    contacts: list[ContactView]


class HeldView(msgspec.Struct, frozen=True):
    """A held intent: as last published, when it is decided again, and when it ends."""

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


class CustomerView(msgspec.Struct, frozen=True):
    """Everything known of a customer; `suppressed`: for accounts they never met."""

    known: bool
    erased: bool
    policy: str
    policy_version: int
    time_zone: str
    quiet_hours: QuietHoursView | None
    suppressed: SuppressionView | None
    consent: dict[str, ConsentView]
    accounts: dict[str, AccountView]
    held: list[HeldView]


def view_of(customer: Customer) -> CustomerView:
    """What is known of a customer; call `customer.expire()` before."""
    ledger, rules = customer.ledger, customer.rules[0]
    return CustomerView(
        known=ledger.erased or dump(ledger) is not None,
        erased=ledger.erased,
        policy=rules.policy,
        policy_version=rules.version,
        time_zone=(zone_of(ledger) or rules.zone).key,
        quiet_hours=_quiet_hours(customer),
        suppressed=_suppressed(customer, NO_RELATIONSHIP),
        consent={
            KIND_NAMES[kind]: ConsentView(record.allowed, record.at_ms)
            for kind, record in sorted(ledger.consent.items())
        },
        accounts={
            name: _account(customer, relationship)
            for name, relationship in sorted(ledger.relationships.items())
        },
        held=[_held(held) for held in sorted(ledger.held, key=lambda h: h.due_ms)],
    )


def _quiet_hours(customer: Customer) -> QuietHoursView | None:
    found = next((rules for rules in customer.rules if rules.quiet_hours is not None), None)
    span = None if found is None else quiet_span_of(customer.ledger, found, customer.now_ms)
    return None if span is None else QuietHoursView(*span, customer.ledger.quiet is not None)


def _account(customer: Customer, relationship: Relationship) -> AccountView:
    windows = {window.id: window for rules in customer.rules for window in rules.windows}
    return AccountView(
        friend=Friend(relationship.friend).name.lower(),
        friend_since_ms=relationship.friend_ms or None,
        wrote_at_ms=relationship.last_message_ms or None,
        engaged_at_ms=relationship.last_engagement_ms or None,
        reply_credits=_credits(customer, relationship),
        silent_until_ms=_silent_until(customer, relationship),
        suppressed=_suppressed(customer, relationship),
        contacts=[
            _contact(customer, contact, list(windows.values()))
            for contact in relationship.contacts
            if contact.state != ContactState.RELEASED
        ],
    )


def _credits(customer: Customer, relationship: Relationship) -> CreditsView | None:
    rules = customer.rules[Kind.REPLY]
    reply, verdict = rules.reply, _verdict_under(customer, relationship, rules)
    if reply is None or verdict.wecom_errcode == CREDIT_OVER:
        return None
    left = max(0, reply.credits - replies_used(relationship))
    return CreditsView(left, relationship.last_message_ms + reply.within_ms)


def _silent_until(customer: Customer, relationship: Relationship) -> int | None:
    ends_ms = max(silent_until_ms(relationship, rules) for rules in customer.rules)
    return ends_ms if ends_ms > customer.now_ms else None


def _suppressed(customer: Customer, relationship: Relationship) -> SuppressionView | None:
    """The decision under rules without anything but `suppression`: its end is the verdict's
    `eligible_at_ms`.
    """
    found = next((rules for rules in customer.rules if rules.suppression is not None), None)
    if found is None:
        return None
    verdict = _verdict_under(customer, relationship, _suppression_alone(found))
    return SuppressionView(verdict.eligible_at_ms) if verdict.reason is Reason.SUPPRESSED else None


def _verdict_under(customer: Customer, relationship: Relationship, rules: KindRules) -> Verdict:
    return decide(
        DecisionInput(
            customer.ledger, relationship, _NO_REQUEST, customer.customer, rules, customer.now_ms
        )
    )


def _suppression_alone(rules: KindRules) -> KindRules:
    """The rules without any section but `suppression`."""
    bare = msgspec.structs.replace(
        rules,
        disturbs=False,
        windows=(),
        shadows=(),
        silence=None,
        quiet_hours=None,
        consent=False,
        friends=False,
        holdout_share=0.0,
    )
    return msgspec.structs.replace(bare, denials=denials_for(bare))


def _contact(customer: Customer, contact: Contact, windows: list[Window]) -> ContactView:
    return ContactView(
        kind=KIND_NAMES[contact.kind],
        state=ContactState(contact.state).name.lower(),
        decided_at_ms=contact.decided_ms,
        counts_at_ms=contact.at_ms,
        campaign_id=contact.campaign,
        counts_under=_counts_under(customer, contact, windows),
    )


def _counts_under(customer: Customer, contact: Contact, windows: list[Window]) -> list[str]:
    """The windows whose usage differs with the contact from that without it."""
    zone, now_ms, campaign = customer.rules[0].zone, customer.now_ms, contact.campaign
    only = Contacts([contact], [contact])
    without = window_usages(windows, _NO_CONTACTS, campaign, zone, now_ms)
    usages = window_usages(windows, only, campaign, zone, now_ms)
    return sorted(
        usage.window.id
        for usage, empty in zip(usages, without, strict=True)
        if usage.free < empty.free or usage.gap_ends_ms > now_ms
    )


def _held(held: HeldRequest) -> HeldView:
    request = held.request
    return HeldView(
        intent_id=request.intent_id,
        intent_source=request.source,
        account_id=request.account_id,
        kind=KIND_NAMES[request.kind],
        campaign_id=request.campaign_id,
        priority=request.priority,
        accepted_at_ms=request.accepted_ms,
        reason=held.reason,
        rule=held.rule,
        eligible_at_ms=held.eligible_ms,
        due_at_ms=held.due_ms,
        deadline_ms=held.deadline_ms,
    )
