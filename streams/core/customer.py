"""One customer's desk: what becomes of an ask, what waits, and what is looked at again.

The only place where a decision changes a ledger. Rules of this file: every ask that enters leaves
as a `Settled` with a final outcome, or stays in `ledger.held` and says so with `deferred`; whatever
is dropped from there is said as well. Nothing here knows topics, bytes or time zones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from streams.core.decide import decide
from streams.core.ledger import (
    NO_PAIR,
    Contact,
    Held,
    forget_contacts,
    forget_repeats,
    remember,
    seen_before,
)
from streams.core.orders import NoOrders
from streams.core.reasons import Outcome, Reason
from streams.core.verdict import Case, Verdict, no

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.core.ask import Ask
    from streams.core.law import Law
    from streams.core.ledger import Ledger
    from streams.core.orders import Orders


NO_ORDERS: Final[Orders] = NoOrders()


class Settled(msgspec.Struct, frozen=True, gc=False):
    """What is to be said of one ask: `mark` is the first 64 bits of its decision id."""

    ask: Ask
    mark: int
    verdict: Verdict


class Desk(msgspec.Struct, frozen=True, gc=False):
    """A customer's ledger under the laws in force at one moment."""

    ledger: Ledger
    enterprise: str
    customer: str
    laws: Sequence[Law]
    now_ms: int
    orders: Orders = NO_ORDERS

    def tidy(self) -> None:
        """Drop what can no longer be asked for. Call before anything is judged or noted."""
        law = self.laws[0]
        if self.ledger.seen:
            forget_repeats(self.ledger, self.now_ms - law.remember_ms)
        forget_contacts(self.ledger, law.retention, self.now_ms)

    def judge(self, ask: Ask, mark: int) -> list[Settled]:
        """Decide an ask that has just arrived; where another must yield to it, that one as well."""
        ledger = self.ledger
        if ledger.erased and self.laws[ask.kind].disturbs:
            # Said again at every repeat: remembering the repeats would be remembering the customer.
            return [Settled(ask, mark, self._decide(ask, mark))]
        if seen_before(ledger, mark) or any(held.mark == mark for held in ledger.held):
            return [Settled(ask, mark, Verdict(Outcome.DUPLICATE, Reason.DUPLICATE))]
        remember(ledger, mark, self.now_ms)
        verdict = self._decide(ask, mark)
        if verdict.outcome is Outcome.DEFERRED and self.now_ms > self._deadline_ms(ask):
            # Accepted long ago, by a clock of before an outage: there is no time left to wait.
            verdict = Verdict(Outcome.EXPIRED, Reason.DEADLINE_PASSED, rule=verdict.rule)
        settled = Settled(ask, mark, verdict)
        if verdict.outcome is not Outcome.DEFERRED:
            return [settled]
        self._hold(ask, mark, verdict)
        yielded = self._yield_least_urgent()
        if yielded is None:
            return [settled]
        return [yielded] if yielded.mark == mark else [settled, yielded]

    def wake(self) -> list[Settled]:
        """Look again at what is due now, the most urgent first, then the oldest."""
        return self._again(held for held in self.ledger.held if held.due_ms <= self.now_ms)

    def reconsider(self) -> list[Settled]:
        """Look again at everything held, after an event that may have changed the answer."""
        return self._again(self.ledger.held)

    def cancel(self, reason: Reason) -> list[Settled]:
        """End everything that is held."""
        ended, self.ledger.held = self.ledger.held, []
        verdict = Verdict(Outcome.CANCELLED, reason)
        return [Settled(held.ask, held.mark, verdict) for held in ended]

    def _again(self, chosen: Iterable[Held]) -> list[Settled]:
        return [settled for held in _by_urgency(chosen) for settled in self._look_again(held)]

    def _look_again(self, held: Held) -> Iterator[Settled]:
        self.ledger.held.remove(held)
        if self.now_ms > held.deadline_ms:
            verdict = Verdict(Outcome.EXPIRED, Reason.DEADLINE_PASSED, rule=held.rule)
        else:
            verdict = self._decide(held.ask, held.mark)
        if verdict.reason is Reason.ACCOUNT_RESIGNED:
            verdict = msgspec.structs.replace(verdict, outcome=Outcome.CANCELLED)
        if verdict.outcome is Outcome.DEFERRED:
            changed = self._hold(held.ask, held.mark, verdict) != held
        else:
            changed = True
            # What has waited is known as a duplicate from its end on, not from its arrival.
            remember(self.ledger, held.mark, self.now_ms)
        if changed:
            yield Settled(held.ask, held.mark, verdict)

    def _decide(self, ask: Ask, mark: int) -> Verdict:
        law, ledger = self.laws[ask.kind], self.ledger
        pair = ledger.pairs.get(ask.account_id, NO_PAIR)
        order = self.orders.on(ask, self.now_ms)
        verdict = decide(Case(ledger, pair, ask, self.customer, law, self.now_ms, order))
        if verdict.send_by_ms is not None:
            lag_ms = verdict.send_by_ms - self.now_ms
            ledger.pair(ask.account_id).contacts.append(
                Contact(verdict.send_by_ms, lag_ms, mark, ask.kind, campaign=ask.campaign_id)
            )
        return verdict

    def _deadline_ms(self, ask: Ask) -> int:
        if ask.deadline_ms is not None:
            return ask.deadline_ms
        return ask.accepted_ms + self.laws[ask.kind].deadline_ms

    def _hold(self, ask: Ask, mark: int, verdict: Verdict) -> Held:
        deadline_ms = self._deadline_ms(ask)
        eligible_ms = verdict.eligible_at_ms
        due_ms = deadline_ms + 1 if eligible_ms is None else min(eligible_ms, deadline_ms + 1)
        held = Held(due_ms, deadline_ms, mark, verdict.reason, verdict.rule, ask, eligible_ms)
        self.ledger.held.append(held)
        return held

    def _yield_least_urgent(self) -> Settled | None:
        held = self.ledger.held
        if len(held) <= self.laws[0].max_held:
            return None
        least = _by_urgency(held)[-1]
        held.remove(least)
        return Settled(least.ask, least.mark, no(Reason.TOO_MANY_HELD, rule="max_held"))


def _by_urgency(held: Iterable[Held]) -> list[Held]:
    return sorted(held, key=lambda h: (-h.ask.priority, h.ask.accepted_ms))


class Wake(NamedTuple):
    """When a ledger must be looked at again, and how urgent what is due then is."""

    due_ms: int
    priority: int
    accepted_ms: int


def next_wake(ledger: Ledger) -> Wake | None:
    """The earliest moment at which something held is due; the most urgent of those due then."""
    if not ledger.held:
        return None
    first = min(ledger.held, key=lambda h: (h.due_ms, -h.ask.priority, h.ask.accepted_ms))
    return Wake(first.due_ms, first.ask.priority, first.ask.accepted_ms)
