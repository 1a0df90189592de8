"""Time: why not now, the first moment at which every rule allows it, and the last one to send.

Rules of this file: it reads a ledger and never changes one. `eligible_ms` is exact: no earlier
moment is legal, and this one is, if nothing else happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.core.customer.case import SUSPENDED, UNRESTRICTED, stopped_until_ms
from streams.core.customer.ledger import is_unanswered
from streams.core.customer.windows import (
    applies_to,
    live_contacts,
    opens_ms,
    reserved_slots,
    window_usages,
)
from streams.core.local_calendar import DAY_MS, Span, period, quiet_span, zone_named
from streams.core.policy import FOREVER, Scope
from streams.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from streams.core.customer.case import DecisionInput
    from streams.core.customer.ledger import Ledger, Relationship
    from streams.core.customer.rules import KindRules
    from streams.core.customer.windows import WindowUsage
    from streams.core.policy import Silence

ROUNDS: Final = 2_000
"""Rounds of the search for the earliest legal time. Each one passes a window or a night, so a time
that needs more rounds lies years ahead and beyond every deadline."""

HORIZON_MS: Final = 20 * 365 * DAY_MS
"""The search ends here: nobody needs a later time, and the calendar ends with the year 9999."""


def too_early(
    case: DecisionInput, usages: Sequence[WindowUsage], night: Span | None
) -> tuple[Reason, str | None] | None:
    """Why it is too early, and the rule's id: the first that applies.

    The order: restrictions, `not_before`, windows in the policy's order, silence, quiet hours.
    `night`: the quiet hours that hold now or come next (`quiet_span_of`).
    """
    request, rules, now_ms = case.request, case.rules, case.now_ms
    if case.restrictions is not UNRESTRICTED:
        restricted = _restricted(case)
        if restricted is not None:
            return restricted
    if request.not_before_ms is not None and request.not_before_ms > now_ms:
        return Reason.NOT_YET, None
    for usage in usages:
        reason = window_reason(usage, request.priority, now_ms)
        if reason is not None:
            return reason, usage.window.id
    if rules.silence is not None and silent_until_ms(case.relationship, rules) > now_ms:
        return Reason.SILENCE_BACKOFF, "silence"
    return (Reason.QUIET_HOURS, "quiet_hours") if night and night.start_ms <= now_ms else None


def _restricted(case: DecisionInput) -> tuple[Reason, str | None] | None:
    restrictions = case.restrictions
    if restrictions.pause is not None:
        return Reason.CONTROL, restrictions.pause.scope
    if restrictions.status == SUSPENDED:
        return Reason.ACCOUNT_PAUSED, None
    if stopped_until_ms(case.rules, restrictions.braked_until_ms, case.now_ms) == 0:
        return None
    # An account that is off also stops kinds that `brake` does not list: no section is to name.
    return Reason.ACCOUNT_PAUSED, "brake" if case.rules.braked else None


def window_reason(usage: WindowUsage, priority: int, now_ms: int) -> Reason | None:
    """Why this window has no free slot now; None if it has one."""
    window = usage.window
    if window.limit is not None:
        if usage.free < 1:
            is_own = window.scope is Scope.ACCOUNT
            return Reason.ACCOUNT_WINDOW_FULL if is_own else Reason.WINDOW_FULL
        if usage.free <= reserved_slots(window, priority):
            return Reason.SLOT_RESERVED
    return Reason.MIN_GAP if usage.gap_ends_ms > now_ms else None


def legal_ms(case: DecisionInput, from_ms: int) -> int | None:
    """The first moment from `from_ms` on at which all temporary reasons are over."""
    request, rules = case.request, case.rules
    contacts = live_contacts(case.ledger, request.account_id)
    usages = window_usages(rules.windows, contacts, request.campaign_id, rules.zone, case.now_ms)
    return eligible_ms(case, usages, from_ms)


def eligible_ms(case: DecisionInput, usages: Sequence[WindowUsage], from_ms: int) -> int | None:
    """As `legal_ms`, with the windows' usages. None if no such moment is known or found."""
    restricted_ms = _restrictions_end_ms(case)
    silent_ms = silent_until_ms(case.relationship, case.rules)
    earliest_ms = max(from_ms, case.request.not_before_ms or 0, silent_ms, restricted_ms)
    if earliest_ms == FOREVER:
        return None
    # Rolling windows and gaps open once and stay open; calendar periods and nights come again.
    at_ms = _after_windows(case, [s for s in usages if s.window.calendar is None], earliest_ms)
    recurring = [s for s in usages if s.window.calendar is not None]
    for _ in range(ROUNDS):
        before_ms = at_ms
        if at_ms is None or at_ms > case.now_ms + HORIZON_MS:
            return None
        at_ms = _after_windows(case, recurring, at_ms)
        if at_ms is None:
            return None
        night = quiet_span_of(case.ledger, case.rules, at_ms)
        if night is not None and night.start_ms <= at_ms:
            at_ms = night.end_ms
        if at_ms == before_ms:
            return at_ms
    return None


def _restrictions_end_ms(case: DecisionInput) -> int:
    """When the last restriction ends; 0 without one, `FOREVER` for one without an end."""
    restrictions = case.restrictions
    if restrictions is UNRESTRICTED:
        return 0
    if restrictions.status == SUSPENDED:
        return FOREVER
    pause = restrictions.pause
    paused_ms = 0 if pause is None else FOREVER if pause.until_ms is None else pause.until_ms
    return max(paused_ms, stopped_until_ms(case.rules, restrictions.braked_until_ms, case.now_ms))


def _after_windows(case: DecisionInput, usages: Sequence[WindowUsage], at_ms: int) -> int | None:
    for usage in usages:
        opens = opens_ms(usage, case.request.priority, case.rules.zone, at_ms)
        if opens is None:
            return None
        at_ms = opens
    return at_ms


def send_by_ms(case: DecisionInput, night: Span | None) -> int:
    """The last millisecond at which a message that is approved now may be sent.

    `night`: as for `too_early`.
    """
    rules, now_ms = case.rules, case.now_ms
    ends = [now_ms + rules.validity_ms]
    if case.request.deadline_ms is not None:
        ends.append(case.request.deadline_ms)
    for window in rules.windows:
        if window.calendar is not None and applies_to(window, case.request.campaign_id):
            end_ms = period(window.calendar, rules.zone, now_ms).end_ms
            ends.append(end_ms - 1)
    if rules.reply is not None:
        ends.append(case.relationship.last_message_ms + rules.reply.within_ms - 1)
    if night is not None:
        ends.append(night.start_ms - 1)
    return min(ends)


def silent_until_ms(relationship: Relationship, rules: KindRules) -> int:
    """When the silence back-off allows the next contact; 0 if it does not bind.

    After n contacts in a row without an answer, n >= `ignored`, the next has to wait for
    `first_ms` * `factor` ** (n - `ignored`), at most `longest_ms`.
    """
    rule = rules.silence
    if rule is None:
        return 0
    unanswered = [
        c.at_ms for c in relationship.contacts if is_unanswered(c, relationship, rule.kinds)
    ]
    count = relationship.ignored_more + len(relationship.ignored) + len(unanswered)
    if count < rule.ignored:
        return 0
    return max([relationship.ignored_ms, *unanswered]) + _silence_gap_ms(rule, count - rule.ignored)


def _silence_gap_ms(rule: Silence, steps: int) -> int:
    try:
        return int(min(rule.longest_ms, rule.first_ms * rule.factor**steps))
    except OverflowError:
        return rule.longest_ms


def quiet_span_of(ledger: Ledger, rules: KindRules, at_ms: int) -> Span | None:
    """The quiet hours that hold at `at_ms`, else the next ones; None if none bind."""
    rule = rules.quiet_hours
    if rule is None:
        return None
    own = ledger.quiet
    from_ms, to_ms = (rule.from_ms, rule.to_ms) if own is None else (own.from_ms, own.to_ms)
    if from_ms == to_ms:
        return None
    return quiet_span(zone_of(ledger) or rules.zone, from_ms, to_ms, at_ms)


def zone_of(ledger: Ledger) -> ZoneInfo | None:
    """The customer's own time zone; None if they never named one that exists."""
    return None if ledger.zone is None else zone_named(ledger.zone)
