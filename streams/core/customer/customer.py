"""One customer's desk: what becomes of an ask, what waits, and what is looked at again.

The only place where a decision changes a ledger. Rules of this file: every ask that enters leaves
as a `Settled` with a final outcome, or stays in `ledger.held` and says so with `deferred`; whatever
is dropped from there is said as well. Nothing here knows topics, bytes or time zones.

What waits in an account's queue is held here too, under its ticket. So there is one memory of what
came before, and one place that hears the customer: what ends here is taken out of the queue, and
what the queue passes on under a ticket that is not held is nobody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from streams.core.customer.case import DecisionInput, NoRestrictions
from streams.core.customer.decide import decide, slots_left
from streams.core.customer.ledger import NO_RELATIONSHIP, Contact, HeldRequest, PendingTransfer
from streams.core.customer.request import Candidate, Request, Verdict, deadline_ms
from streams.core.customer.upkeep import forget_contacts
from streams.core.dedup import forget_repeats, remember, seen_before
from streams.core.kinds import Kind
from streams.core.local_calendar import period
from streams.core.policy import Calendar
from streams.core.reasons import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.core.customer.case import RestrictionSource
    from streams.core.customer.ledger import Ledger
    from streams.core.customer.rules import KindRules


NO_RESTRICTIONS: Final[RestrictionSource] = NoRestrictions()

DUPLICATE: Final = Verdict(Outcome.DUPLICATE, Reason.DUPLICATE)
NEEDS_PERMIT: Final = Verdict(Outcome.DEFERRED, Reason.ACCOUNT_PACING)
"""Everything allows the ask, and its account has to be asked for leave."""

ASK_AGAIN_MS: Final = 1_000
"""How long after an answer that was of no use an account is asked again: it goes by another clock,
or by rules that have not come here, and will say the same until that is over."""


_CANCELLING: Final = frozenset({Reason.ACCOUNT_RESIGNED, Reason.CAMPAIGN_PAUSED})
"""Whose end cancels what waits: nobody needs to be told no who had not been told yes or no."""


QUEUED_MOST: Final = 200
"""How much may wait for one customer in accounts' queues, at most 0.2 MB of their ledger: so many
accounts do not wait to write to one person, whatever the policy lets wait here (`max_held`)."""


class Decided(msgspec.Struct, frozen=True, gc=False):
    """What is to be said of one ask: `mark` is the first 64 bits of its decision id."""

    request: Request
    decision_key: int
    verdict: Verdict


class Customer(msgspec.Struct, frozen=True, gc=False):
    """A customer's ledger under the laws in force at one moment."""

    ledger: Ledger
    enterprise: str
    customer: str
    rules: Sequence[KindRules]
    now_ms: int
    restrictions: RestrictionSource = NO_RESTRICTIONS
    permits_wanted: list[Request] = []
    """Asks that lack nothing but their account's leave, to be asked for."""
    withdrawn: list[tuple[str, int]] = []
    """Accounts, and tickets of what is to be taken out of their queues."""

    def expire(self) -> None:
        """Drop what can no longer be asked for. Call before anything is judged or noted."""
        rules = self.rules[0]
        if self.ledger.seen:
            forget_repeats(self.ledger, self.now_ms - rules.remember_ms)
        forget_contacts(self.ledger, rules.retention, self.now_ms)

    def decide_request(self, candidate: Candidate, decision_key: int) -> list[Decided]:
        """Decide an ask that has just arrived; where another must yield to it, that one as well.

        What is held and due goes first, for its time came before.
        """
        if not self.ledger.held:
            return self._decide_one(candidate, decision_key)
        return self._reevaluate_all(self._due()) + self._decide_one(candidate, decision_key)

    def _decide_one(self, candidate: Candidate, decision_key: int) -> list[Decided]:
        if candidate.wait is not None:
            return self._hold_queued(candidate, decision_key, candidate.wait)
        if candidate.is_held or candidate.ticket:
            return self._on_permit(candidate, decision_key)
        request, verdict = candidate.request, self._decide_new(candidate, decision_key)
        if verdict.outcome is Outcome.DEFERRED:
            return self._hold_new(request, decision_key, verdict)
        return [Decided(request, decision_key, verdict)]

    def _decide_new(self, candidate: Candidate, decision_key: int) -> Verdict:
        """The verdict on an ask that comes for the first time, or that it does not."""
        return (
            DUPLICATE
            if self._is_repeat(candidate.request, decision_key)
            else self._decide(candidate, decision_key)
        )

    def _is_repeat(self, request: Request, decision_key: int) -> bool:
        """Whether the ask came before; from now on it has."""
        ledger = self.ledger
        # Who was forgotten is refused anew at every repeat: to remember it would be to know them.
        if ledger.erased and self.rules[request.kind].disturbs:
            return False
        if seen_before(ledger, decision_key) or (ledger.held and self._held_under(decision_key)):
            return True
        remember(ledger, decision_key, self.now_ms)
        return False

    # --- what waits in its account's queue ---

    def _hold_queued(self, candidate: Candidate, decision_key: int, wait: Verdict) -> list[Decided]:
        """Hold an ask that its account queues; what need not wait is said and taken out there."""
        if candidate.is_held:
            return self._requeue_held(candidate, decision_key, wait)
        request = candidate.request
        verdict = (
            DUPLICATE if self._is_repeat(request, decision_key) else decide(self._input(request))
        )
        if not _may_come(verdict):
            self.withdrawn.append((request.account_id, candidate.ticket))
            return [Decided(request, decision_key, verdict)]
        wait = self._not_before_now(wait)
        held = self._hold(request, decision_key, wait)
        self._mark_queued(held, request, candidate.ticket)
        yielded = self._evict_if_full(held)
        if yielded is not None and yielded.decision_key == decision_key:
            return [yielded]
        said = [Decided(request, decision_key, wait)]
        return said if yielded is None else [*said, yielded]

    def _requeue_held(
        self, candidate: Candidate, decision_key: int, wait: Verdict
    ) -> list[Decided]:
        """Leave that was asked for has to be waited for: news, where what was said last is over."""
        request, held = candidate.request, self._held_under(decision_key)
        if held is None or held.ticket:
            self.withdrawn.append((request.account_id, candidate.ticket))
            return []
        held.permit_requested = True
        self._mark_queued(held, request, candidate.ticket)
        is_over = held.eligible_ms is not None and held.eligible_ms <= self.now_ms
        if (held.reason, held.rule) == (wait.reason, wait.rule) and not is_over:
            return []
        wait = self._not_before_now(wait)
        held.reason, held.rule, held.eligible_ms = wait.reason, wait.rule, wait.eligible_at_ms
        return [Decided(request, decision_key, wait)]

    def _mark_queued(self, held: HeldRequest, request: Request, ticket: int) -> None:
        held.request, held.ticket, held.due_ms = request, ticket, held.deadline_ms + 1

    def _may_stay_queued(self, held: HeldRequest) -> bool:
        """Whether what waits in a queue may wait on, by all that time does not mend."""
        return held.ticket != 0 and _may_come(decide(self._input(held.request)))

    def _withdraw(self, held: HeldRequest) -> None:
        if held.ticket:
            self.withdrawn.append((held.request.account_id, held.ticket))

    # --- what waits here ---

    def _hold_new(self, request: Request, decision_key: int, verdict: Verdict) -> list[Decided]:
        """Hold an ask and say so, or have its account asked; who must yield to it is told too.

        Who would not wait is told the account's answer and nothing before.
        """
        if self.now_ms > self._deadline_ms(request):
            # Accepted long ago, by a clock of before an outage: there is no time left to wait.
            return [Decided(request, decision_key, self._expired(request, verdict.rule))]
        held = self._hold(request, decision_key, verdict)
        held.permit_requested = verdict is NEEDS_PERMIT
        yielded = self._evict_if_full(held)
        if yielded is not None and yielded.decision_key == decision_key:
            return [yielded]
        if held.permit_requested:
            self.permits_wanted.append(request)
        said = [] if request.deny else [Decided(request, decision_key, verdict)]
        return said if yielded is None else [*said, yielded]

    def _held_under(self, decision_key: int) -> HeldRequest | None:
        return next((held for held in self.ledger.held if held.decision_key == decision_key), None)

    def _on_permit(self, candidate: Candidate, decision_key: int) -> list[Decided]:
        """The account's answer for an ask that is held; none of our business if it is no longer,
        or waits in another place.
        """
        held = self._held_under(decision_key)
        if held is None or held.ticket != candidate.ticket:
            return []
        said = list(self._reevaluate(held, candidate))
        came = None if _is_here(held) else self._held_under(decision_key)
        yielded = None if came is None else self._evict_if_full(came)
        if yielded is None:
            return said
        return [yielded] if yielded.decision_key == decision_key else [*said, yielded]

    def on_timer(self) -> list[Decided]:
        """Look again at the most urgent of what is due, of equals at the oldest.

        What else is due waits for its own turn, which others' more urgent ones may come before.
        """
        return self._reevaluate_all(_by_urgency(self._due())[:1])

    def reconsider(self) -> list[Decided]:
        """Look again at everything held, after an event that may have changed the answer.

        A policy that lets less be held is such an event: the least urgent yield.
        """
        decided = self._reevaluate_all(self.ledger.held)
        while (yielded := self._evict_if_full(None)) is not None:
            decided.append(yielded)
        return decided

    def cancel(self, reason: Reason) -> list[Decided]:
        """End everything that is held."""
        ended, self.ledger.held = self.ledger.held, []
        for held in ended:
            self._withdraw(held)
        verdict = Verdict(Outcome.CANCELLED, reason)
        return [Decided(held.request, held.decision_key, verdict) for held in ended]

    def _due(self) -> list[HeldRequest]:
        return [h for h in self.ledger.held if h.due_ms <= self.now_ms and not h.ticket]

    def _reevaluate_all(self, chosen: Iterable[HeldRequest]) -> list[Decided]:
        return [decided for held in _by_urgency(chosen) for decided in self._reevaluate(held)]

    def _reevaluate(self, held: HeldRequest, answer: Candidate | None = None) -> Iterator[Decided]:
        if answer is None and self._may_stay_queued(held):
            return
        self.ledger.held.remove(held)
        if answer is None:
            self._withdraw(held)
        else:  # which has the whole ask
            held = msgspec.structs.replace(held, request=answer.request, ticket=0)
        if self.now_ms > self._deadline_ms(held.request):
            verdict = self._expired(held.request, held.rule)
        else:
            verdict = self._decide(answer or Candidate(held.request), held.decision_key)
        if verdict is NEEDS_PERMIT:
            self._keep_waiting(held, answered=answer is not None)
            return
        denied = verdict.outcome is Outcome.DENIED and not held.request.deny
        if denied and verdict.reason in _CANCELLING:
            reason, rule, stage = verdict.reason, verdict.rule, verdict.stage
            verdict = Verdict(Outcome.CANCELLED, reason, rule=rule, stage=stage)
        if verdict.outcome is not Outcome.DEFERRED:
            # What has waited is known as a duplicate from its end on, not from its arrival.
            remember(self.ledger, held.decision_key, self.now_ms)
        elif _is_told_already(self._hold(held.request, held.decision_key, verdict), held):
            return
        yield Decided(held.request, held.decision_key, verdict)

    def _decide(self, candidate: Candidate, decision_key: int) -> Verdict:
        """The verdict; what it approves is reserved. `LEAVE_FIRST` where only leave is missing."""
        refusal = candidate.denial
        if refusal is not None and not self._has_time_left(candidate.request, refusal):
            return self._not_before_now(refusal)
        case = self._input(candidate.request)
        verdict = decide(case)
        if verdict.send_by_ms is not None:
            if case.rules.needs_permit and not permit_is_valid(
                candidate.permit_ms, case.rules, self.now_ms
            ):
                return NEEDS_PERMIT
            self._reserve(candidate, decision_key, verdict.send_by_ms)
        return verdict

    def _not_before_now(self, verdict: Verdict) -> Verdict:
        """An account's word, whose earliest time may have passed on its way, or by this clock."""
        eligible_ms = verdict.eligible_at_ms
        if eligible_ms is None or eligible_ms >= self.now_ms:
            return verdict
        return msgspec.structs.replace(verdict, eligible_at_ms=self.now_ms)

    def _input(self, request: Request) -> DecisionInput:
        rules, relationship = (
            self.rules[request.kind],
            self.ledger.relationships.get(request.account_id, NO_RELATIONSHIP),
        )
        order = self.restrictions.of(request, self.now_ms)
        return DecisionInput(
            self.ledger, relationship, request, self.customer, rules, self.now_ms, order
        )

    def _expired(self, request: Request, rule: str | None) -> Verdict:
        remaining = slots_left(self._input(request))
        return Verdict(Outcome.EXPIRED, Reason.DEADLINE_PASSED, rule=rule, remaining=remaining)

    def _has_time_left(self, request: Request, denial: Verdict) -> bool:
        """Whether its account gave an ask up by a policy that has been replaced on the way."""
        return denial.outcome is Outcome.EXPIRED and self.now_ms <= self._deadline_ms(request)

    def _reserve(self, candidate: Candidate, decision_key: int, send_by_ms: int) -> None:
        request, lag_ms = candidate.request, send_by_ms - self.now_ms
        relationship = self.ledger.relationship(request.account_id)
        relationship.contacts.append(
            Contact(send_by_ms, lag_ms, decision_key, request.kind, campaign=request.campaign_id)
        )
        if request.kind == Kind.FRIEND_REQUEST:
            relationship.friend_request_ms = candidate.permit_ms
        elif request.kind == Kind.TRANSFER and request.to_account_id is not None:
            relationship.pending_transfer = PendingTransfer(
                request.to_account_id, candidate.permit_ms
            )

    def _deadline_ms(self, request: Request) -> int:
        return deadline_ms(request, self.rules[request.kind].deadline_ms)

    def _hold(self, request: Request, decision_key: int, verdict: Verdict) -> HeldRequest:
        deadline_ms = self._deadline_ms(request)
        eligible_ms = verdict.eligible_at_ms
        due_ms = deadline_ms + 1 if eligible_ms is None else min(eligible_ms, deadline_ms + 1)
        held = HeldRequest(
            due_ms, deadline_ms, decision_key, verdict.reason, verdict.rule, request, eligible_ms
        )
        self.ledger.held.append(held)
        return held

    def _keep_waiting(self, held: HeldRequest, *, answered: bool) -> None:
        """Hold on; `answered`: the answer that came was none, or had run out on its way."""
        due_ms = held.deadline_ms + 1
        if answered:
            due_ms = min(due_ms, self.now_ms + ASK_AGAIN_MS)
        elif not held.permit_requested:
            self.permits_wanted.append(held.request)
        waits = msgspec.structs.replace(held, due_ms=due_ms, permit_requested=not answered)
        self.ledger.held.append(waits)

    def _evict_if_full(self, newcomer: HeldRequest | None) -> Decided | None:
        """End the least urgent where more wait than may, here or in queues; it may be the newcomer
        itself.
        """
        here = newcomer is None or _is_here(newcomer)
        most = self.rules[0].max_held if here else QUEUED_MOST
        beside = [held for held in self.ledger.held if _is_here(held) == here]
        if len(beside) <= most:
            return None
        least = _by_urgency(beside)[-1]
        self.ledger.held.remove(least)
        self._withdraw(least)
        if least is not newcomer:  # which is remembered from its arrival on, and that is now
            remember(self.ledger, least.decision_key, self.now_ms)
        case = self._input(least.request)
        verdict = Verdict(
            Outcome.DENIED,
            Reason.TOO_MANY_HELD,
            rule="max_held",
            eligible_at_ms=decide(case).eligible_at_ms,
            remaining=slots_left(case),
        )
        return Decided(least.request, least.decision_key, verdict)


def permit_is_valid(leave_ms: int, rules: KindRules, now_ms: int) -> bool:
    """Whether leave given at `leave_ms` (0: none) still holds.

    A friend request counts for the calendar day of its leave, so it cannot be used on another.
    """
    if not leave_ms:
        return False
    if rules.kind is not Kind.FRIEND_REQUEST:
        return True
    return leave_ms >= period(Calendar.DAY, rules.zone, now_ms).start_ms


def _is_here(held: HeldRequest) -> bool:
    """Whether it waits here, be it for leave; not in its account's queue from the first.

    Who would not wait asks for leave unsaid, once more where the answer was of no use: nobody is
    denied for that.
    """
    return not held.request.deny and (held.permit_requested or not held.ticket)


def _may_come(verdict: Verdict) -> bool:
    """Whether time may bring it."""
    return verdict.outcome in {Outcome.APPROVED, Outcome.DEFERRED}


def _is_told_already(one: HeldRequest, other: HeldRequest) -> bool:
    """Whether the same was said of both."""
    return _said(one) == _said(other)


def _said(held: HeldRequest) -> tuple[str, str | None, int | None, int]:
    return held.reason, held.rule, held.eligible_ms, held.deadline_ms


def _by_urgency(held: Iterable[HeldRequest]) -> list[HeldRequest]:
    return sorted(held, key=lambda h: (-h.request.priority, h.request.accepted_ms))


class Wake(NamedTuple):
    """When a ledger must be looked at again, and how urgent what is due then is."""

    due_ms: int
    priority: int
    accepted_ms: int


def next_wake(ledger: Ledger) -> Wake | None:
    """The earliest moment at which something held is due; the most urgent of those due then.

    What waits in a queue is due when its account says so.
    """
    here = [held for held in ledger.held if not held.ticket]
    if not here:
        return None
    first = min(here, key=lambda h: (h.due_ms, -h.request.priority, h.request.accepted_ms))
    return Wake(first.due_ms, first.request.priority, first.request.accepted_ms)
