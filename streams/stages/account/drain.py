"""The end of a batch in an account's queue: entries end, go on, or wait and are announced.

`run` goes through it once, in that order. What the batch has no room for is left to the next one.
Rules of this file: it carries values between the core, the queue and the candidates. Who may go on,
and when, is `core.account.admit`'s to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.account import admit, permits
from streams.core.account.case import AdmissionInput, denial
from streams.core.account.relations import capacity_denial
from streams.core.account.turns import QUANTUM, sub_queue_key
from streams.core.controls import Action
from streams.core.kinds import Kind
from streams.core.reasons import Outcome, Reason

if TYPE_CHECKING:
    from streams.core.account.case import AccountInput, Blocked
    from streams.core.account.turns import Entry, SubQueueKey
    from streams.core.controls import Control
    from streams.core.customer.request import Verdict
    from streams.core.customer.rules import KindRules
    from streams.core.enterprise import EnterpriseTotals
    from streams.stages.account.context import BatchRules, SessionContext
    from streams.stages.account.store import StoredAccount


class QueueDrain:
    """One account's queue at a batch's end."""

    def __init__(
        self,
        account: StoredAccount,
        rules: BatchRules,
        seen: AccountInput,
        totals: EnterpriseTotals,
        context: SessionContext,
    ) -> None:
        """`seen`: the account as the core looks at it. `totals`: its enterprise's."""
        self._account, self._rules, self._seen = account, rules, seen
        self._totals, self._context = totals, context
        self._now_ms, self._budget = context.now_ms, context.state.budget
        self._wake_ms: int | None = None
        self._closed: set[int] = set()
        """Kinds that the account's own pace holds back: no other entry of them need be asked."""

    def run(self) -> int | None:
        """Go through the queue once; when to come back to it, None where only news can help.

        What the batch has no room for stays as it is, and is the next batch's: now.
        """
        done = self._end_cut_off() and self._expire() and self._forward_open() and self._announce()
        return self._wake_ms if done else self._now_ms

    # --- who ends ---

    def _end_cut_off(self) -> bool:
        """End what is cut off; whether all of it."""
        while (found := self._account.next_cut_off()) is not None:
            reason, entries = found
            if not all(self._end(entry, admit.CUT_OFF[reason]) for entry in entries):
                return False
        return True

    def _expire(self) -> bool:
        """End what has waited too long; whether all of it."""
        account, kind_rules = self._account, self._rules.kind_rules
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
        account = self._account
        ticket = account.ticket(entry)
        while not self._budget.is_spent():
            slice_, customers = account.drop(entry, QUANTUM)
            self._context.candidates.forward_slice(slice_, customers, ticket, denial=verdict)
            if account.queue.get(entry.seq) is None:
                return True
        return False

    # --- who goes on ---

    def _forward_open(self) -> bool:
        """Let go on, in the queue's order, what may; whether all of it."""
        if self._budget.is_spent():
            return not len(self._account.queue)
        while (entry := self._next()) is not None:
            self._let_go(entry)
            if self._budget.is_spent():
                return False
        return True

    def _next(self) -> Entry | None:
        self._wake_ms = None  # what was to be waited for before the last that went on
        self._closed.clear()
        return self._account.queue.next(self._is_open, self._closed)

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
        block = admit.paced_out(self._seen)
        if block is not None:
            self._wake(block.until_ms)
            self._closed |= {r.kind for r in self._rules.kind_rules if r.pacing is not None}

    def _wake(self, due_ms: int | None) -> None:
        if due_ms is not None:
            self._wake_ms = due_ms if self._wake_ms is None else min(due_ms, self._wake_ms)

    def _let_go(self, entry: Entry) -> None:
        """Take the entry's next customers out of the queue, and forward them."""
        account, case = self._account, self._case(entry)
        count = min(account.queue.turn(entry), permits.quota(case))
        never, ticket = capacity_denial(case), account.ticket(entry)
        slice_, customers = account.take(entry, count, admit.is_released_to(case))
        if never is None:
            permits.grant(case, len(customers))
        permit_ms = self._now_ms if never is None else 0
        self._context.candidates.forward_slice(
            slice_, customers, ticket, permit_ms=permit_ms, denial=never
        )

    # --- who waits ---

    def _announce(self) -> bool:
        """Deny what came and will not wait, announce what will; whether all of it.

        Of what did not fit into this batch nothing is published: it may go on in the next.
        """
        blocks: dict[SubQueueKey, Blocked | None] = {}
        for seq in list(self._account.unpublished):
            entry = self._account.queue.get(seq)
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
        account, case = self._account, self._case(entry)
        slice_ = account.slices.read(entry.seq)
        ahead = account.queue.customers(entry.priority) - entry.left
        if slice_.request.deny:
            return self._end(entry, _verdict(Outcome.DENIED, case, block, ahead))
        waiting = (
            (customer, _verdict(Outcome.DEFERRED, case, block, ahead + behind))
            for behind, customer in enumerate(account.slices.names(entry.seq, entry.left))
        )
        self._context.candidates.announce(slice_, waiting, entry.seq)
        del account.unpublished[entry.seq]
        return True

    # --- what the core looks at ---

    def _case(self, entry: Entry) -> AdmissionInput:
        rules = self._rules.kind_rules[entry.kind]
        release = self._context.totals.release(self._account.enterprise, entry.campaign)
        brake = self._brake(entry, rules)
        return AdmissionInput(entry, self._seen, rules, release, brake, self._totals)

    def _brake(self, entry: Entry, rules: KindRules) -> Control | None:
        """The operator's `brake` that a paced entry is under."""
        if not self._rules.controls or rules.pacing is None:
            return None
        account, kind = self._account, Kind(entry.kind)
        scope = account.enterprise, account.name, entry.campaign, kind
        control = self._rules.controls.applies(*scope, self._now_ms)
        return control if control is not None and control.action is Action.BRAKE else None


def _verdict(outcome: Outcome, case: AdmissionInput, block: Blocked, ahead: int) -> Verdict:
    eligible_ms = admit.estimate_ms(case, block, ahead)
    return denial(outcome, block.reason, eligible_at_ms=eligible_ms)
