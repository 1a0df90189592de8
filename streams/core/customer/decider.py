"""One customer under the rules of one moment: decides a request and reserves what it approves.

Rules of this file: `decide` says what is right; here it takes effect in the ledger. What waits, and
what is published of it, is `customer`'s part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.customer.case import DecisionInput, NoRestrictions
from streams.core.customer.decide import decide, slots_left
from streams.core.customer.held import find_held
from streams.core.customer.ledger import NO_RELATIONSHIP, Contact, PendingTransfer
from streams.core.customer.request import Verdict, deadline_ms
from streams.core.customer.upkeep import forget_contacts
from streams.core.dedup import forget_repeats, remember, seen_before
from streams.core.kinds import Kind
from streams.core.local_calendar import period
from streams.core.policy import Calendar
from streams.core.reasons import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.customer.case import RestrictionSource
    from streams.core.customer.ledger import Ledger
    from streams.core.customer.request import Candidate, Request
    from streams.core.customer.rules import KindRules

NO_RESTRICTIONS: Final[RestrictionSource] = NoRestrictions()

NEEDS_PERMIT: Final = Verdict(Outcome.DEFERRED, Reason.ACCOUNT_PACING)
"""All of the customer's rules allow the request; its account has to give a permit first."""


class Decider(msgspec.Struct, frozen=True, gc=False):
    """A customer's ledger under the rules in force at one moment. `rules` are indexed by kind."""

    ledger: Ledger
    enterprise: str
    customer: str
    rules: Sequence[KindRules]
    now_ms: int
    restrictions: RestrictionSource = NO_RESTRICTIONS

    def expire(self) -> None:
        """Drop what no rule can ask for any more. Call this before any decision or event."""
        rules = self.rules[0]
        if self.ledger.seen:
            forget_repeats(self.ledger, self.now_ms - rules.remember_ms)
        forget_contacts(self.ledger, rules.retention, self.now_ms)

    def is_repeat(self, request: Request, decision_key: int) -> bool:
        """Whether the request was seen before. If not, it is remembered from now on."""
        ledger = self.ledger
        # An erased customer's requests are not remembered: that would be data about them.
        # Each repeat is denied anew.
        if ledger.erased and self.rules[request.kind].disturbs:
            return False
        if seen_before(ledger, decision_key) or (ledger.held and find_held(ledger, decision_key)):
            return True
        remember(ledger, decision_key, self.now_ms)
        return False

    def decide(self, candidate: Candidate, decision_key: int) -> Verdict:
        """The verdict; an approval is reserved. `NEEDS_PERMIT` if only the permit is missing."""
        refusal = candidate.denial
        if refusal is not None and not self._has_time_left(candidate.request, refusal):
            return self.not_before_now(refusal)
        case = self.input_of(candidate.request)
        verdict = decide(case)
        if verdict.send_by_ms is None:
            return verdict
        permit_ms = candidate.permit_ms
        if case.rules.needs_permit and not permit_is_valid(permit_ms, case.rules, self.now_ms):
            return NEEDS_PERMIT
        self._reserve(candidate, decision_key, verdict.send_by_ms)
        return verdict

    def _has_time_left(self, request: Request, denial: Verdict) -> bool:
        """Whether the account let it expire by a policy that a newer one has replaced since."""
        return denial.outcome is Outcome.EXPIRED and self.now_ms <= self.deadline_ms(request)

    def _reserve(self, candidate: Candidate, decision_key: int, send_by_ms: int) -> None:
        request, permit_ms = candidate.request, candidate.permit_ms
        relationship = self.ledger.relationship(request.account_id)
        after_decision_ms = send_by_ms - self.now_ms
        relationship.contacts.append(
            Contact(
                send_by_ms,
                after_decision_ms,
                decision_key,
                request.kind,
                campaign=request.campaign_id,
            )
        )
        if request.kind == Kind.FRIEND_REQUEST:
            relationship.friend_request_ms = permit_ms
        elif request.kind == Kind.TRANSFER and request.to_account_id is not None:
            relationship.pending_transfer = PendingTransfer(request.to_account_id, permit_ms)

    def input_of(self, request: Request) -> DecisionInput:
        """What `decide` needs to know about a request."""
        return DecisionInput(
            self.ledger,
            self.ledger.relationships.get(request.account_id, NO_RELATIONSHIP),
            request,
            self.customer,
            self.rules[request.kind],
            self.now_ms,
            self.restrictions.of(request, self.now_ms),
        )

    def deadline_ms(self, request: Request) -> int:
        """The last millisecond at which the request may still wait."""
        return deadline_ms(request, self.rules[request.kind].deadline_ms)

    def not_before_now(self, verdict: Verdict) -> Verdict:
        """An account's verdict whose `eligible_at_ms` is not in the past by this clock.

        It may be: the verdict took time to arrive, and the two stages' clocks differ.
        """
        eligible_ms = verdict.eligible_at_ms
        if eligible_ms is None or eligible_ms >= self.now_ms:
            return verdict
        return msgspec.structs.replace(verdict, eligible_at_ms=self.now_ms)

    def expired(self, request: Request, rule: str | None) -> Verdict:
        """The verdict on a request whose deadline has passed; `rule`: what it waited for."""
        remaining = slots_left(self.input_of(request))
        return Verdict(Outcome.EXPIRED, Reason.DEADLINE_PASSED, rule=rule, remaining=remaining)

    def evicted(self, request: Request) -> Verdict:
        """The verdict on a request that gives way, because too many wait."""
        case = self.input_of(request)
        return Verdict(
            Outcome.DENIED,
            Reason.TOO_MANY_HELD,
            rule="max_held",
            eligible_at_ms=decide(case).eligible_at_ms,
            remaining=slots_left(case),
        )


def permit_is_valid(permit_ms: int, rules: KindRules, now_ms: int) -> bool:
    """Whether a permit given at `permit_ms` (0: none) still holds.

    A friend request counts for the calendar day of its permit, so the permit ends with that day.
    """
    if not permit_ms:
        return False
    if rules.kind is not Kind.FRIEND_REQUEST:
        return True
    return permit_ms >= period(Calendar.DAY, rules.zone, now_ms).start_ms
