"""The decision: may this account send this to this customer now? If not, why, and from when on?

Rules of this file: it reads a ledger and never changes one; the same ledger, request, rules and
time give the same verdict. Denials come before temporary reasons (`denials`, then `timing`), and
the first rule that fails names the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.core.customer.request import Verdict
from streams.core.customer.timing import (
    eligible_ms,
    quiet_span_of,
    send_by_ms,
    too_early,
    window_reason,
)
from streams.core.customer.upkeep import is_full
from streams.core.customer.windows import Contacts, WindowUsage, live_contacts, window_usages
from streams.core.reasons import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.customer.case import DecisionInput


def decide(case: DecisionInput) -> Verdict:
    """The verdict on one request."""
    request, rules, now_ms = case.request, case.rules, case.now_ms
    contacts = live_contacts(case.ledger, request.account_id)
    usages = window_usages(rules.windows, contacts, request.campaign_id, rules.zone, now_ms)
    shadow = _shadow(case, contacts) if rules.shadows else None
    for check in rules.denials:
        denied = check(case)
        if denied is not None:
            remaining = _remaining(usages, taken=0)
            return msgspec.structs.replace(denied, remaining=remaining, shadow=shadow)
    night = quiet_span_of(case.ledger, rules, now_ms)
    early = too_early(case, usages, night)
    is_counted = rules.retention.binding_ms[rules.kind]
    if early is None and is_counted and is_full(contacts.everyone, rules.retention, now_ms):
        return _ledger_full(case, usages, shadow)
    if early is None:
        return Verdict(
            Outcome.APPROVED,
            Reason.OK,
            send_by_ms=send_by_ms(case, night),
            remaining=_remaining(usages, taken=1),
            shadow=shadow,
        )
    return Verdict(
        Outcome.DENIED if request.deny or not rules.defers else Outcome.DEFERRED,
        early[0],
        rule=early[1],
        eligible_at_ms=eligible_ms(case, usages, now_ms),
        remaining=_remaining(usages, taken=0),
        shadow=shadow,
    )


def _ledger_full(
    case: DecisionInput, usages: Sequence[WindowUsage], shadow: dict[str, str] | None
) -> Verdict:
    """Every rule allows it, but the ledger has no room for a contact. When it will is unknown."""
    waits = case.rules.defers and not case.request.deny
    return Verdict(
        Outcome.DEFERRED if waits else Outcome.DENIED,
        Reason.WINDOW_FULL,
        rule="max_contacts",
        remaining=_remaining(usages, taken=0),
        shadow=shadow,
    )


def slots_left(case: DecisionInput) -> dict[str, int]:
    """How many contacts each window with a limit still allows, without this one."""
    request, rules = case.request, case.rules
    contacts = live_contacts(case.ledger, request.account_id)
    return _remaining(
        window_usages(rules.windows, contacts, request.campaign_id, rules.zone, case.now_ms),
        taken=0,
    )


def _shadow(case: DecisionInput, contacts: Contacts) -> dict[str, str] | None:
    """By shadow window, the reason it would have given; None without shadow windows."""
    request, rules = case.request, case.rules
    usages = window_usages(rules.shadows, contacts, request.campaign_id, rules.zone, case.now_ms)
    reasons: dict[str, str] = {
        usage.window.id: window_reason(usage, request.priority, case.now_ms) or Reason.OK
        for usage in usages
    }
    return reasons or None


def _remaining(usages: Sequence[WindowUsage], taken: int) -> dict[str, int]:
    """How many contacts each window with a limit still allows; 0 if a newer policy allows less."""
    return {
        usage.window.id: usage.free - taken if usage.free > taken else 0
        for usage in usages
        if usage.window.limit is not None
    }
