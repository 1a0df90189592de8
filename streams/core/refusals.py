"""The refusals: what no waiting mends, in the order in which they speak.

Rules of this file: each refusal reads a case and answers with a denial or None; none changes
anything. A new one is a function and its place in `REFUSALS`.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from streams.core.kinds import Kind
from streams.core.ledger import Friend, State
from streams.core.policy import FOREVER
from streams.core.reasons import (
    CREDIT_OVER,
    CREDIT_USED_UP,
    TRANSFER_UNDER_WAY,
    TRANSFERRED_TOO_OFTEN,
    Outcome,
    Reason,
)
from streams.core.timing import fails, zone_of
from streams.core.verdict import Verdict, no
from streams.core.windows import live_contacts, opens_ms, standing

if TYPE_CHECKING:
    from streams.core.ledger import Pair
    from streams.core.verdict import Case


def _deadline_passed(case: Case) -> Verdict | None:
    deadline_ms = case.ask.deadline_ms
    if deadline_ms is None or case.now_ms <= deadline_ms:
        return None
    return Verdict(Outcome.EXPIRED, Reason.DEADLINE_PASSED)


def _no_consent(case: Case) -> Verdict | None:
    if not case.law.consent:
        return None
    said = case.ledger.consent.get(case.law.kind)
    allowed = not case.law.ask_first if said is None else said.allowed
    return None if allowed else no(Reason.NO_CONSENT, rule="consent")


def _suppressed(case: Case) -> Verdict | None:
    rule, now_ms = case.law.suppression, case.now_ms
    if rule is None or not case.ledger.hurt_ms:
        return None
    account_ends = _ends(case.pair.hurt_ms, rule.account_ms)
    enterprise_ends = _ends(case.ledger.hurt_ms, rule.enterprise_ms)
    if FOREVER in {account_ends, enterprise_ends}:
        return no(Reason.SUPPRESSED, rule="suppression")
    ends_ms = max(account_ends, enterprise_ends)
    return no(Reason.SUPPRESSED, rule="suppression", eligible_at_ms=ends_ms) if ends_ms > now_ms else None


def _ends(hurt_ms: int, length_ms: int) -> int:
    if not hurt_ms:
        return 0
    return FOREVER if length_ms == FOREVER else hurt_ms + length_ms


def _not_friend(case: Case) -> Verdict | None:
    if not case.law.friends or case.pair.friend == Friend.YES:
        return None
    if case.law.friends_required or case.pair.friend == Friend.REMOVED:
        return no(Reason.NOT_FRIEND, rule="friends")
    return None


def _no_credit(case: Case) -> Verdict | None:
    reply, pair = case.law.reply, case.pair
    if reply is None:
        return None
    if not pair.credit_ms or case.now_ms >= pair.credit_ms + reply.within_ms:
        return no(Reason.NO_REPLY_CREDIT, rule="reply", wecom_errcode=CREDIT_OVER)
    if replies_used(pair) >= reply.credits:
        return no(Reason.NO_REPLY_CREDIT, rule="reply", wecom_errcode=CREDIT_USED_UP)
    return None


def replies_used(pair: Pair) -> int:
    """Replies approved since the customer last wrote, but for those that failed."""
    return sum(
        c.kind == Kind.REPLY and c.state != State.RELEASED and c.decided_ms >= pair.credit_ms
        for c in pair.contacts
    )


def _transfer_limit(case: Case) -> Verdict | None:
    law, now_ms = case.law, case.now_ms
    if law.kind is not Kind.TRANSFER:
        return None
    contacts = live_contacts(case.ledger, case.ask.account_id)
    under_way = (c.kind == Kind.TRANSFER and c.state == State.RESERVED for c in contacts[0])
    if any(going and c.at_ms >= now_ms for going, c in zip(under_way, contacts[0], strict=True)):
        return no(Reason.TRANSFER_LIMIT, wecom_errcode=TRANSFER_UNDER_WAY)
    for window in law.windows:
        stand = standing(window, contacts, case.ask.campaign_id, law.zone, now_ms)
        if fails(stand, case.ask.priority, now_ms) is not None:
            return no(
                Reason.TRANSFER_LIMIT,
                rule=window.id,
                eligible_at_ms=opens_ms(stand, case.ask.priority, law.zone, now_ms),
                wecom_errcode=TRANSFERRED_TOO_OFTEN,
            )
    return None


def _zone_unknown(case: Case) -> Verdict | None:
    law = case.law
    if law.quiet_hours is None or not law.unknown_zone_denies or zone_of(case.ledger) is not None:
        return None
    return no(Reason.QUIET_HOURS, rule="unknown_zone")


def _held_out(case: Case) -> Verdict | None:
    share = case.law.holdout_share
    if share and share_of("holdout", case.customer) < share:
        return Verdict(Outcome.HELD_OUT, Reason.HOLDOUT, rule="holdout")
    return None


REFUSALS: Final = (
    _deadline_passed,
    _no_consent,
    _suppressed,
    _not_friend,
    _no_credit,
    _transfer_limit,
    _zone_unknown,
    _held_out,
)


def share_of(salt: str, subject: str) -> float:
    """A subject's stable place in [0, 1): uniform over subjects, independent between salts."""
    digest = blake2b(subject.encode(), digest_size=8, person=salt.encode()).digest()
    return int.from_bytes(digest, "big") / 2**64
