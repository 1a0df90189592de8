"""One account in one batch: customers come in, limits move, customers go on, all of it is stored.

While the batch goes on, `enqueue`, `take_over` and the `apply_…` methods take in what it brings. At
its end `close` goes once through what follows, in this order: the account is reviewed; what is cut
off or expired ends; what may goes on; what must wait is announced; changes are published; the
account is stored. What a batch has no room for is left to the next one, by a timer for now.

Rules of this file: it carries values between the core, the store and the outputs. Who may go on,
and when, is `core.account.admit`'s to say.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.account import account as accounts
from streams.core.account import admit, pacing, permits
from streams.core.account.case import AccountInput, AdmissionInput
from streams.core.account.fair_queue import QUANTUM, sub_queue_key
from streams.core.campaign_state import UNKNOWN_RELEASE
from streams.core.controls import Action
from streams.core.customer.case import RESIGNED
from streams.core.kinds import Kind
from streams.core.reasons import Outcome, Reason
from streams.stages.account.slices import QueuedSlice
from streams.stages.account.totals import NO_TOTALS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.account.admit import Blocked
    from streams.core.account.facts import Facts
    from streams.core.account.fair_queue import Entry, SubQueueKey
    from streams.core.account.limits import Change
    from streams.core.campaign_state import CampaignRelease
    from streams.core.controls import Control
    from streams.core.customer.request import Request, Verdict
    from streams.core.customer.rules import KindRules
    from streams.events.internal import AccountFeedback, StatusNews, TakeOver, WithdrawnEntry
    from streams.runtime.records import Output
    from streams.runtime.state import State
    from streams.stages.account.candidates import CandidateWriter
    from streams.stages.account.index import AccountIndex
    from streams.stages.account.publish import Publisher
    from streams.stages.account.store import StoredAccount
    from streams.stages.account.totals import SharedTotals
    from streams.stages.context import BatchRules

ANNOUNCED: Final = 1_024
"""Bytes that are written of a customer who joins the queue: that they wait, or may go on."""


class SessionContext(NamedTuple):
    """What the sessions of one batch have in common."""

    state: State
    now_ms: int
    accounts: AccountIndex
    totals: SharedTotals
    candidates: CandidateWriter
    publisher: Publisher
    outputs: list[Output]


class AccountSession:
    """One account, from the first record of a batch that concerns it to the batch's end."""

    def __init__(self, account: StoredAccount, rules: BatchRules, context: SessionContext) -> None:
        self.account, self._rules, self._context = account, rules, context
        self._now_ms, self._budget = context.now_ms, context.state.budget
        rate_per_s = accounts.broadcast_rate_per_s(account.state, rules.account, self._now_ms)
        interval_us = pacing.interval_us(rate_per_s or 0.0)
        own = account.state, account.queue_state
        self._input = AccountInput(*own, rules.account, interval_us, self._now_ms)
        self._totals = NO_TOTALS  # known when the session closes
        self._changes: list[Change] = []
        self._wake_ms: int | None = None
        self._closed: set[int] = set()
        """Kinds that the account's own pace holds back: no other entry of them need be asked."""

    # --- what the batch brings ---

    def enqueue(self, request: Request, customers: list[str], *, is_held: bool) -> int:
        """Put customers of an intent, whose kind needs a permit, into the queue.

        The result is how many of them are done: who is denied does not wait here, and of these
        there may be more than the batch has room for.
        """
        account, release = self.account, self._release(request.campaign_id)
        queued = 0 if is_held else account.queue.customers() + len(customers)
        denial = admit.entry_denial(account.state, release, queued)
        if denial is not None:
            candidates, who = self._context.candidates, (account.enterprise, request, customers)
            return candidates.forward_within_budget(*who, is_held=is_held, denial=denial)
        canary = self._rules.kind_rules[request.kind].canary
        for together in admit.groups_by_step(request, canary, release, customers):
            account.add(QueuedSlice(account.enterprise, request, is_held), together)
        self._context.accounts.joins(account, request)
        self._budget.promise(len(customers) * ANNOUNCED)
        return len(customers)

    def take_over(self, news: TakeOver) -> None:
        """Put customers whom the account is to take over into the queue, until permits that are
        under way are used or come back.
        """
        slice_ = QueuedSlice(self.account.enterprise, news.request, news.is_held)
        self.account.add(slice_, news.customers)

    def apply_feedback(self, news: AccountFeedback) -> None:
        """Count what became of the account's messages, and take back permits."""
        state, rules, now_ms = self.account.state, self._rules.account, self._now_ms
        if news.facts:
            self._apply_facts(news.facts)
        for unused in news.returned_permits:
            kind_rules = self._rules.kind_rules[unused.kind]
            permits.give_back(self._input, kind_rules, unused.permit_ms, unused.count)
        for kind, count in news.used_permits.items():
            permits.close(self.account.queue_state, kind, count)
        for permit_ms in news.closed_requests:
            accounts.close_request(state, rules, permit_ms, now_ms)
        for permit_ms in news.handed:
            accounts.close_request(state, rules, permit_ms, now_ms, handed=True)
        for approved_ms in news.cancelled_adds:
            accounts.cancel_add(state, rules, approved_ms, now_ms)

    def _apply_facts(self, facts: list[Facts]) -> None:
        account, now_ms, context = self.account, self._now_ms, self._context
        self._changes += accounts.apply_facts(account.state, self._rules.account, facts, now_ms)
        for one in facts:
            if one.heard_ms:
                context.state.counters["brake_ms", str(max(0, now_ms - one.heard_ms))] += 1
        context.publisher.sum_up(
            account.enterprise,
            relations=sum([one.relations for one in facts]),
            delivered=sum([one.delivered for one in facts]),
            received=sum([one.received for one in facts]),
        )

    def apply_status(self, news: StatusNews) -> None:
        """Take over the account's status; nothing waits for an account that has resigned."""
        state, rules = self.account.state, self._rules.account
        self._changes += accounts.apply_status(state, rules, news.status, news.at_ms, self._now_ms)
        if state.status == RESIGNED:
            self.account.cut_off()

    def withdraw(self, entries: Iterable[WithdrawnEntry]) -> None:
        """Take customers out of the queue of whom the customer stage has published the end."""
        by_ticket: defaultdict[int, set[str]] = defaultdict(set)
        for entry in entries:
            by_ticket[entry.ticket].add(entry.customer)
        for ticket, customers in by_ticket.items():
            self.account.withdraw(ticket, customers)

    # --- what follows from it ---

    def close(self) -> None:
        """Go once through what follows from all of it, and store the account."""
        account, context = self.account, self._context
        self._review()
        ended = self._end_cut_off() and self._expire()
        if not (ended and self._drain() and self._hold()):
            self._wake_ms = self._now_ms  # the rest is the next batch's
        changes = context.publisher.account(account, self._rules.account, self._changes)
        context.outputs.extend(changes)
        review_ms = accounts.next_review_ms(account.state, self._rules.account, self._now_ms)
        account.set_timers(self._wake_ms or 0, review_ms or 0, self._rules.kind_rules)
        account.store()
        context.accounts.settle(account)

    def _review(self) -> None:
        account = self.account
        self._totals = self._context.totals.enterprise(account.enterprise)
        own = account.state.green
        reply_rate = self._totals.others(own.delivered, own.received)
        rules, now_ms = self._rules.account, self._now_ms
        self._changes += accounts.review(account.state, rules, reply_rate, now_ms)

    def _end_cut_off(self) -> bool:
        """End what is cut off; whether all of it."""
        while (found := self.account.next_cut_off()) is not None:
            reason, entries = found
            if not all(self._end(entry, admit.CUT_OFF[reason]) for entry in entries):
                return False
        return True

    def _expire(self) -> bool:
        """End what has waited too long; whether all of it."""
        account, kind_rules = self.account, self._rules.kind_rules
        while (first := account.deadlines.first(kind_rules, account.queue)) is not None:
            deadline_ms, seq = first
            entry = account.queue.get(seq)
            if entry is None or deadline_ms >= self._now_ms:
                break
            if not self._end(entry, admit.EXPIRED):
                return False
        return True

    def _end(self, entry: Entry, verdict: Verdict) -> bool:
        """Take an entry out of the queue and forward it with a denial; whether all of it."""
        account = self.account
        ticket = account.ticket(entry)
        while not self._budget.is_spent():
            slice_, customers = account.drop(entry, QUANTUM)
            self._forward(slice_, customers, ticket, denial=verdict)
            if account.queue.get(entry.seq) is None:
                return True
        return False

    # --- who goes on ---

    def _drain(self) -> bool:
        """Let go on, in the queue's order, what may; whether all of it. `_wake_ms` then says when
        to ask again.
        """
        if self._budget.is_spent():
            return not len(self.account.queue)
        while (entry := self._next()) is not None:
            self._let_go(entry)
            if self._budget.is_spent():
                return False
        return True

    def _next(self) -> Entry | None:
        self._wake_ms = None  # what was to be waited for before the last that went on
        self._closed.clear()
        return self.account.queue.next(self._is_open, self._closed)

    def _is_open(self, entry: Entry) -> bool:
        case = self._case(entry)
        block = admit.blocked(case)
        if block is None:
            return True
        self._wake(admit.retry_ms(case, block))
        if block.reason is Reason.ACCOUNT_PACING:
            self._close_paced_kinds()
        return False

    def _close_paced_kinds(self) -> None:
        """Where the account's own pace lets nobody go, that is the answer for all paced kinds."""
        block = admit.paced_out(self._input)
        if block is not None:
            self._wake(block.until_ms)
            self._closed |= {r.kind for r in self._rules.kind_rules if r.pacing is not None}

    def _wake(self, due_ms: int | None) -> None:
        if due_ms is not None:
            self._wake_ms = due_ms if self._wake_ms is None else min(due_ms, self._wake_ms)

    def _let_go(self, entry: Entry) -> None:
        """Take the entry's next customers out of the queue, and forward them."""
        account, case = self.account, self._case(entry)
        count = min(account.queue.turn(entry), permits.quota(case))
        denial, ticket = admit.capacity_denial(case), account.ticket(entry)
        slice_, customers = account.take(entry, count, admit.is_released_to(case))
        if denial is None:
            permits.grant(case, len(customers))
        permit_ms = self._now_ms if denial is None else 0
        self._forward(slice_, customers, ticket, permit_ms=permit_ms, denial=denial)

    def _forward(
        self,
        slice_: QueuedSlice,
        customers: list[str],
        ticket: int,
        *,
        permit_ms: int = 0,
        denial: Verdict | None = None,
    ) -> None:
        self._context.candidates.forward(
            slice_.enterprise,
            slice_.request,
            customers,
            permit_ms=permit_ms,
            is_held=slice_.is_held,
            denial=denial,
            ticket=ticket,
        )

    # --- who waits ---

    def _hold(self) -> bool:
        """Deny what came and will not wait, announce what will; whether all of it.

        Of what did not fit into this batch nothing is published: it may go on in the next.
        """
        blocks: dict[SubQueueKey, Blocked | None] = {}
        for seq in list(self.account.unpublished):
            entry = self.account.queue.get(seq)
            if entry is None:
                continue
            sub_queue = sub_queue_key(entry)
            if sub_queue not in blocks:  # what stands in one sub-queue waits for the same
                blocks[sub_queue] = admit.blocked(self._case(entry))
            block = blocks[sub_queue]
            if block is not None and block.soon:
                continue
            if self._budget.is_spent() or block is None or not self._wait(entry, block):
                return False
        return True

    def _wait(self, entry: Entry, block: Blocked) -> bool:
        """Deny the entry, or announce that it waits; whether all of it."""
        account, case = self.account, self._case(entry)
        slice_ = account.slice(entry.seq)
        ahead = account.queue.customers(entry.priority) - entry.left
        if slice_.request.deny:
            return self._end(entry, _verdict(Outcome.DENIED, case, block, ahead))
        waiting = (
            (customer, _verdict(Outcome.DEFERRED, case, block, ahead + behind))
            for behind, customer in enumerate(account.names(entry))
        )
        what = slice_.enterprise, slice_.request, waiting
        self._context.candidates.announce(*what, is_held=slice_.is_held, ticket=entry.seq)
        del account.unpublished[entry.seq]
        return True

    # --- what the core looks at ---

    def _case(self, entry: Entry) -> AdmissionInput:
        rules, release = self._rules.kind_rules[entry.kind], self._release(entry.campaign)
        brake = self._brake(entry, rules)
        return AdmissionInput(entry, self._input, rules, release, brake, self._totals)

    def _release(self, campaign: str | None) -> CampaignRelease | None:
        if campaign is None:
            return None
        known = self._context.totals.campaign(self.account.enterprise, campaign)
        return known or UNKNOWN_RELEASE

    def _brake(self, entry: Entry, rules: KindRules) -> Control | None:
        """The operator's `brake` that a paced entry is under."""
        if not self._rules.controls or rules.pacing is None:
            return None
        account, kind = self.account, Kind(entry.kind)
        scope = account.enterprise, account.name, entry.campaign, kind
        control = self._rules.controls.applies(*scope, self._now_ms)
        return control if control is not None and control.action is Action.BRAKE else None


def _verdict(outcome: Outcome, case: AdmissionInput, block: Blocked, ahead: int) -> Verdict:
    eligible_ms = admit.estimate_ms(case, block, ahead)
    return admit.denial(outcome, block.reason, eligible_at_ms=eligible_ms)
