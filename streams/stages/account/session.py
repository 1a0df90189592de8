"""One account in one batch: customers come in, limits move, customers go on, all of it is stored.

While the batch goes on, `enqueue`, `take_over` and the `apply_…` methods take in what it brings. At
its end `close` goes once through what follows, in this order: the account is reviewed, its queue
drained (`drain`), what changed is published, and all of it is stored.

Rules of this file: it carries values between the core, the store and the outputs. Who may join the
queue and who may go on is `core.account.admit`'s to say.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from streams.core.account import account as accounts
from streams.core.account import admit, pacing, permits
from streams.core.account.case import AccountInput
from streams.core.customer.case import RESIGNED
from streams.stages.account.drain import QueueDrain
from streams.stages.account.slices import QueuedSlice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.account.facts import Facts
    from streams.core.account.limits import Change
    from streams.core.customer.request import Request
    from streams.events.internal import AccountFeedback, StatusNews, TakeOver, WithdrawnEntry
    from streams.stages.account.context import BatchRules, SessionContext
    from streams.stages.account.store import StoredAccount

ANNOUNCED: Final = 1_024
"""Bytes that are written of a customer who joins the queue: that they wait, or may go on."""


class AccountSession:
    """One account, from the first record of a batch that concerns it to the batch's end."""

    def __init__(self, account: StoredAccount, rules: BatchRules, context: SessionContext) -> None:
        self.account, self._rules, self._context = account, rules, context
        self._now_ms, self._budget = context.now_ms, context.state.budget
        rate_per_s = accounts.broadcast_rate_per_s(account.state, rules.account, self._now_ms)
        interval_us = pacing.interval_us(rate_per_s or 0.0)
        own = account.state, account.queue_state
        self._seen = AccountInput(*own, rules.account, interval_us, self._now_ms)
        self._changes: list[Change] = []

    # --- what the batch brings ---

    def enqueue(self, request: Request, customers: list[str], *, is_held: bool) -> int:
        """Put customers of an intent, whose kind needs a permit, into the queue.

        The result is how many of them are done: who is denied does not wait here, and of these
        there may be more than the batch has room for.
        """
        account = self.account
        release = self._context.totals.release(account.enterprise, request.campaign_id)
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
            permits.give_back(self._seen, kind_rules, unused.permit_ms, unused.count)
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
        account, context, rules, now_ms = self.account, self._context, self._rules, self._now_ms
        totals = context.totals.enterprise(account.enterprise)
        own = account.state.green
        reply_rate = totals.others(own.delivered, own.received)
        self._changes += accounts.review(account.state, rules.account, reply_rate, now_ms)
        wake_ms = QueueDrain(account, rules, self._seen, totals, context).run()
        changes = context.publisher.account(account, rules.account, self._changes)
        context.outputs.extend(changes)
        review_ms = accounts.next_review_ms(account.state, rules.account, now_ms)
        account.store(wake_ms or 0, review_ms or 0, rules.kind_rules)
        context.accounts.settle(account)
