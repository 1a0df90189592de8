"""The denials that waiting cannot end, each a check, in the order in which they apply.

Rules of this file: a check reads a `DecisionInput` and returns a denial or None; it changes
nothing. A new one is a function and its row in `_DENIALS`, with the rules under which it applies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.core.customer.case import RESIGNED, SUSPENDED
from streams.core.customer.ledger import ContactState, Friend
from streams.core.customer.request import Verdict, denial
from streams.core.customer.timing import legal_ms, window_reason, zone_of
from streams.core.customer.windows import live_contacts, window_usages
from streams.core.kinds import STAGED, Kind
from streams.core.policy import FOREVER
from streams.core.reasons import (
    ALREADY_THEIRS,
    CREDIT_OVER,
    CREDIT_USED_UP,
    TRANSFER_UNDER_WAY,
    TRANSFERRED_TOO_OFTEN,
    Outcome,
    Reason,
)
from streams.core.stats import share_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.customer.case import DecisionInput
    from streams.core.customer.ledger import Contact, Relationship
    from streams.core.customer.rules import Check, KindRules


def _deadline_passed(case: DecisionInput) -> Verdict | None:
    deadline_ms = case.request.deadline_ms
    if deadline_ms is None or case.now_ms <= deadline_ms:
        return None
    return Verdict(Outcome.EXPIRED, Reason.DEADLINE_PASSED)


def _account_resigned(case: DecisionInput) -> Verdict | None:
    return denial(Reason.ACCOUNT_RESIGNED) if case.restrictions.status == RESIGNED else None


def _campaign_killed(case: DecisionInput) -> Verdict | None:
    return denial(Reason.CAMPAIGN_PAUSED, rule="canary") if case.restrictions.killed else None


def _taker_unavailable(case: DecisionInput) -> Verdict | None:
    if case.request.to_account_id == case.request.account_id:
        return denial(Reason.TAKER_UNAVAILABLE, wecom_errcode=ALREADY_THEIRS)
    is_gone = case.restrictions.taker_status in {RESIGNED, SUSPENDED}
    return denial(Reason.TAKER_UNAVAILABLE) if is_gone else None


def _no_consent(case: DecisionInput) -> Verdict | None:
    record = case.ledger.consent.get(case.rules.kind)
    is_allowed = not case.rules.ask_first if record is None else record.allowed
    return None if is_allowed else denial(Reason.NO_CONSENT, rule="consent")


def _erased(case: DecisionInput) -> Verdict | None:
    return denial(Reason.SUPPRESSED, rule="erased") if case.ledger.erased else None


def _suppressed(case: DecisionInput) -> Verdict | None:
    rule, now_ms = case.rules.suppression, case.now_ms
    if rule is None or not case.ledger.last_complaint_ms:
        return None
    ends_ms = max(
        _end_ms(case.relationship.last_complaint_ms, rule.account_ms),
        _end_ms(case.ledger.last_complaint_ms, rule.enterprise_ms),
    )
    if ends_ms <= now_ms:
        return None
    return denial(Reason.SUPPRESSED, rule="suppression", eligible_at_ms=legal_ms(case, ends_ms))


def _end_ms(complaint_ms: int, length_ms: int) -> int:
    return min(complaint_ms + length_ms, FOREVER) if complaint_ms else 0


def _not_friend(case: DecisionInput) -> Verdict | None:
    if case.relationship.friend == Friend.YES:
        return None
    if case.rules.friends_required or case.relationship.friend == Friend.REMOVED:
        return denial(Reason.NOT_FRIEND, rule="friends")
    return None


def _no_credit(case: DecisionInput) -> Verdict | None:
    reply, relationship = case.rules.reply, case.relationship
    if reply is None:
        return None
    if (
        not relationship.last_message_ms
        or case.now_ms >= relationship.last_message_ms + reply.within_ms
    ):
        return denial(Reason.NO_REPLY_CREDIT, rule="reply", wecom_errcode=CREDIT_OVER)
    if replies_used(relationship) >= reply.credits:
        return denial(Reason.NO_REPLY_CREDIT, rule="reply", wecom_errcode=CREDIT_USED_UP)
    return None


def replies_used(relationship: Relationship) -> int:
    """Replies of this account approved since the customer last wrote, without failed ones."""
    return sum(
        c.kind == Kind.REPLY
        and c.state != ContactState.RELEASED
        and c.made_by is None
        and c.decided_ms >= relationship.last_message_ms
        for c in relationship.contacts
    )


def _transfer_limit(case: DecisionInput) -> Verdict | None:
    rules, now_ms = case.rules, case.now_ms
    contacts = live_contacts(case.ledger, case.request.account_id)
    if any(_is_under_way(contact, now_ms) for contact in contacts.everyone):
        return denial(Reason.TRANSFER_LIMIT, wecom_errcode=TRANSFER_UNDER_WAY)
    for usage in window_usages(
        rules.windows, contacts, case.request.campaign_id, rules.zone, now_ms
    ):
        if window_reason(usage, case.request.priority, now_ms) is not None:
            return denial(
                Reason.TRANSFER_LIMIT,
                rule=usage.window.id,
                eligible_at_ms=legal_ms(case, now_ms),
                wecom_errcode=TRANSFERRED_TOO_OFTEN,
            )
    return None


def _is_under_way(contact: Contact, now_ms: int) -> bool:
    return (
        contact.kind == Kind.TRANSFER
        and contact.state == ContactState.RESERVED
        and contact.at_ms >= now_ms
    )


def _zone_unknown(case: DecisionInput) -> Verdict | None:
    own = case.ledger.quiet
    if own is not None and own.from_ms == own.to_ms:  # no quiet hours, in any zone
        return None
    if zone_of(case.ledger) is not None:
        return None
    return denial(Reason.QUIET_HOURS, rule="unknown_zone")


def _held_out(case: DecisionInput) -> Verdict | None:
    if share_of("holdout", case.customer) < case.rules.holdout_share:
        return Verdict(Outcome.HELD_OUT, Reason.HOLDOUT, rule="holdout")
    return None


_DENIALS: Final[tuple[tuple[Callable[[KindRules], object], Check], ...]] = (
    (lambda _: True, _deadline_passed),
    # Transfers are for the customers of a resigned account.
    (lambda rules: rules.kind is not Kind.TRANSFER, _account_resigned),
    (lambda rules: rules.kind in STAGED, _campaign_killed),
    (lambda rules: rules.kind is Kind.TRANSFER, _taker_unavailable),
    (lambda rules: rules.consent, _no_consent),
    (lambda rules: rules.disturbs, _erased),
    (lambda rules: rules.suppression, _suppressed),
    (lambda rules: rules.friends, _not_friend),
    (lambda rules: rules.reply, _no_credit),
    (lambda rules: rules.kind is Kind.TRANSFER, _transfer_limit),
    (lambda rules: rules.quiet_hours and rules.unknown_zone_denies, _zone_unknown),
    (lambda rules: rules.holdout_share, _held_out),
)


def denials_for(rules: KindRules) -> tuple[Check, ...]:
    """The checks that can deny under these rules, in their order."""
    return tuple(check for applies, check in _DENIALS if applies(rules))
