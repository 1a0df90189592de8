"""One customer: what becomes of each request, what waits, and what is decided again.

Rules of this file: each request ends in a `Decided` with a final outcome, or stays in `ledger.held`
with a `deferred` one; what leaves `ledger.held` is decided, too. Nothing here knows topics, bytes
or time zones.

Requests in an account's queue are held here as well, under their ticket. So one ledger detects all
duplicates and hears everything the customer does: what ends here is withdrawn from the queue, and
what the queue sends under an unknown ticket is ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.customer.decide import decide
from streams.core.customer.decider import NEEDS_PERMIT, Decider
from streams.core.customer.held import (
    by_urgency,
    due_requests,
    find_held,
    has_same_answer,
    is_held_here,
    least_urgent_if_full,
)
from streams.core.customer.ledger import HeldRequest
from streams.core.customer.request import DUPLICATE, Candidate, Decided, Request, Verdict
from streams.core.dedup import remember
from streams.core.reasons import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ASK_AGAIN_MS: Final = 1_000
"""How long to wait before asking an account again, after an answer that was of no use. The account
has another clock, or rules that have not arrived here, and would say the same until that is over.
"""

_CANCELLING: Final = frozenset({Reason.ACCOUNT_RESIGNED, Reason.CAMPAIGN_PAUSED})
"""Denials for these reasons become `cancelled` for a request that was held."""


class Customer(Decider, frozen=True, gc=False):
    """A customer's ledger under the rules in force at one moment, and the requests that wait."""

    permits_wanted: list[Request] = msgspec.field(default_factory=list)
    """Requests that lack nothing but their account's permit: the stage asks for it."""
    withdrawn: list[tuple[str, int]] = msgspec.field(default_factory=list)
    """Accounts and tickets to take out of the accounts' queues."""

    def decide_request(self, candidate: Candidate, decision_key: int) -> list[Decided]:
        """Decide a request that has just arrived, and the held one that it evicts.

        Held requests that are due go first: their time came before.
        """
        if not self.ledger.held:
            return self._decide_one(candidate, decision_key)
        due = due_requests(self.ledger, self.now_ms)
        return self._reevaluate_all(due) + self._decide_one(candidate, decision_key)

    def on_timer(self) -> list[Decided]:
        """Decide the most urgent of the due requests again; of equal ones, the oldest.

        The others wait for timers of their own: other customers' more urgent ones may go before.
        """
        return self._reevaluate_all(by_urgency(due_requests(self.ledger, self.now_ms))[:1])

    def reconsider(self) -> list[Decided]:
        """Decide everything that waits again, after an event that may change the answers.

        A new policy may allow fewer to wait: then the least urgent are evicted.
        """
        decided = self._reevaluate_all(self.ledger.held)
        while (evicted := self._evict_if_full(None)) is not None:
            decided.append(evicted)
        return decided

    def cancel(self, reason: Reason) -> list[Decided]:
        """End everything that waits."""
        ended, self.ledger.held = self.ledger.held, []
        for held in ended:
            self._withdraw(held)
        verdict = Verdict(Outcome.CANCELLED, reason)
        return [Decided(held.request, held.decision_key, verdict) for held in ended]

    def _decide_one(self, candidate: Candidate, decision_key: int) -> list[Decided]:
        request = candidate.request
        if candidate.wait is not None:
            return self._hold_queued(candidate, decision_key, candidate.wait)
        if candidate.is_held or candidate.ticket:
            return self._on_permit(candidate, decision_key)
        if self.is_repeat(request, decision_key):
            return [Decided(request, decision_key, DUPLICATE)]
        verdict = self.decide(candidate, decision_key)
        if verdict.outcome is Outcome.DEFERRED:
            return self._hold_new(request, decision_key, verdict)
        return [Decided(request, decision_key, verdict)]

    # --- requests that wait in their account's queue ---

    def _hold_queued(self, candidate: Candidate, decision_key: int, wait: Verdict) -> list[Decided]:
        """Hold a request that its account has queued, or decide and withdraw it at once."""
        if candidate.is_held:
            return self._queue_held(candidate, decision_key, wait)
        request, is_repeat = candidate.request, self.is_repeat(candidate.request, decision_key)
        verdict = DUPLICATE if is_repeat else decide(self.input_of(request))
        if not _is_still_possible(verdict):
            self.withdrawn.append((request.account_id, candidate.ticket))
            return [Decided(request, decision_key, verdict)]
        wait = self.not_before_now(wait)
        held = self._hold(request, decision_key, wait)
        _move_to_queue(held, request, candidate.ticket)
        return self._with_evicted(held, [Decided(request, decision_key, wait)])

    def _queue_held(self, candidate: Candidate, decision_key: int, wait: Verdict) -> list[Decided]:
        """The permit of a held request has to be waited for in the account's queue.

        Publish that, unless the last decision gave the same reason and its time is still to come.
        """
        request, held = candidate.request, find_held(self.ledger, decision_key)
        if held is None or held.ticket:
            self.withdrawn.append((request.account_id, candidate.ticket))
            return []
        held.permit_requested = True
        _move_to_queue(held, request, candidate.ticket)
        is_over = held.eligible_ms is not None and held.eligible_ms <= self.now_ms
        if (held.reason, held.rule) == (wait.reason, wait.rule) and not is_over:
            return []
        wait = self.not_before_now(wait)
        held.reason, held.rule, held.eligible_ms = wait.reason, wait.rule, wait.eligible_at_ms
        return [Decided(request, decision_key, wait)]

    def _on_permit(self, candidate: Candidate, decision_key: int) -> list[Decided]:
        """The account's answer to a held request.

        It is ignored where the request has ended, or waits under another ticket by now.
        """
        held = find_held(self.ledger, decision_key)
        if held is None or held.ticket != candidate.ticket:
            return []
        decided = list(self._reevaluate(held, candidate))
        # What waited in the queue may wait here from now on, and count under another bound.
        moved = None if is_held_here(held) else find_held(self.ledger, decision_key)
        return decided if moved is None else self._with_evicted(moved, decided)

    def _may_stay_queued(self, held: HeldRequest) -> bool:
        return held.ticket != 0 and _is_still_possible(decide(self.input_of(held.request)))

    def _withdraw(self, held: HeldRequest) -> None:
        if held.ticket:
            self.withdrawn.append((held.request.account_id, held.ticket))

    # --- requests that wait here ---

    def _hold_new(self, request: Request, decision_key: int, verdict: Verdict) -> list[Decided]:
        """Hold a request, and publish `deferred` for it or ask for its permit.

        With `if_not_now: deny` only the account's answer is published.
        """
        if self.now_ms > self.deadline_ms(request):
            # Accepted long ago, by a clock of before an outage: no time is left to wait.
            return [Decided(request, decision_key, self.expired(request, verdict.rule))]
        held = self._hold(request, decision_key, verdict)
        held.permit_requested = verdict is NEEDS_PERMIT
        deferred = [] if request.deny else [Decided(request, decision_key, verdict)]
        decided = self._with_evicted(held, deferred)
        if held.permit_requested and held in self.ledger.held:
            self.permits_wanted.append(request)
        return decided

    def _hold(self, request: Request, decision_key: int, verdict: Verdict) -> HeldRequest:
        last_ms, eligible_ms = self.deadline_ms(request), verdict.eligible_at_ms
        due_ms = last_ms + 1 if eligible_ms is None else min(eligible_ms, last_ms + 1)
        held = HeldRequest(
            due_ms, last_ms, decision_key, verdict.reason, verdict.rule, request, eligible_ms
        )
        self.ledger.held.append(held)
        return held

    def _keep_waiting(self, held: HeldRequest, *, is_answered: bool) -> None:
        """Hold on for a permit. `is_answered`: an answer came, but with no valid permit."""
        due_ms = held.deadline_ms + 1
        if is_answered:
            due_ms = min(due_ms, self.now_ms + ASK_AGAIN_MS)
        elif not held.permit_requested:
            self.permits_wanted.append(held.request)
        waits = msgspec.structs.replace(held, due_ms=due_ms, permit_requested=not is_answered)
        self.ledger.held.append(waits)

    # --- decided again ---

    def _reevaluate_all(self, chosen: Iterable[HeldRequest]) -> list[Decided]:
        return [decided for held in by_urgency(chosen) for decided in self._reevaluate(held)]

    def _reevaluate(self, held: HeldRequest, answer: Candidate | None = None) -> Iterator[Decided]:
        """Decide a held request again; `answer`: its account's. Yields what is new to publish."""
        if answer is None and self._may_stay_queued(held):
            return
        self.ledger.held.remove(held)
        if answer is None:
            self._withdraw(held)
        else:  # the answer carries the whole request, which the ledger does not keep
            held = msgspec.structs.replace(held, request=answer.request, ticket=0)
        verdict = self._verdict_on(held, answer)
        if verdict is NEEDS_PERMIT:
            self._keep_waiting(held, is_answered=answer is not None)
        elif verdict.outcome is not Outcome.DEFERRED:
            # A request that waited counts as a repeat from its end on, not from its arrival.
            remember(self.ledger, held.decision_key, self.now_ms)
            yield Decided(held.request, held.decision_key, verdict)
        elif not has_same_answer(self._hold(held.request, held.decision_key, verdict), held):
            yield Decided(held.request, held.decision_key, verdict)

    def _verdict_on(self, held: HeldRequest, answer: Candidate | None) -> Verdict:
        request = held.request
        if self.now_ms > self.deadline_ms(request):
            return self.expired(request, held.rule)
        verdict = self.decide(answer or Candidate(request), held.decision_key)
        is_denied = verdict.outcome is Outcome.DENIED and not request.deny
        if is_denied and verdict.reason in _CANCELLING:
            reason, rule, stage = verdict.reason, verdict.rule, verdict.stage
            return Verdict(Outcome.CANCELLED, reason, rule=rule, stage=stage)
        return verdict

    # --- too many wait ---

    def _with_evicted(self, newcomer: HeldRequest, decided: list[Decided]) -> list[Decided]:
        """These decisions, and that on whoever gives way to the newcomer.

        Where the newcomer itself gives way, only that is published.
        """
        evicted = self._evict_if_full(newcomer)
        if evicted is None:
            return decided
        return [evicted] if evicted.decision_key == newcomer.decision_key else [*decided, evicted]

    def _evict_if_full(self, newcomer: HeldRequest | None) -> Decided | None:
        """End the least urgent request where too many wait; it may be the newcomer."""
        least = least_urgent_if_full(self.ledger, newcomer, self.rules[0].max_held)
        if least is None:
            return None
        self.ledger.held.remove(least)
        self._withdraw(least)
        if least is not newcomer:  # a newcomer is remembered since its arrival, which is now
            remember(self.ledger, least.decision_key, self.now_ms)
        return Decided(least.request, least.decision_key, self.evicted(least.request))


def _move_to_queue(held: HeldRequest, request: Request, ticket: int) -> None:
    held.request, held.ticket, held.due_ms = request, ticket, held.deadline_ms + 1


def _is_still_possible(verdict: Verdict) -> bool:
    """Whether waiting may lead to an approval."""
    return verdict.outcome in {Outcome.APPROVED, Outcome.DEFERRED}
