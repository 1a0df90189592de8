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

from streams.core.customer.case import NoOrders
from streams.core.customer.decide import decide, left
from streams.core.customer.leave import is_good
from streams.core.customer.ledger import (
    NO_PAIR,
    Contact,
    Giving,
    Held,
    forget_repeats,
    remember,
    seen_before,
)
from streams.core.customer.request import Ask, Candidate, deadline_ms
from streams.core.customer.upkeep import forget_contacts
from streams.core.customer.verdict import Case, Verdict
from streams.core.kinds import Kind
from streams.core.reasons import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.core.customer.case import Orders
    from streams.core.customer.ledger import Ledger
    from streams.core.customer.rules import Law


NO_ORDERS: Final[Orders] = NoOrders()

DUPLICATE: Final = Verdict(Outcome.DUPLICATE, Reason.DUPLICATE)
LEAVE_FIRST: Final = Verdict(Outcome.DEFERRED, Reason.ACCOUNT_PACING)
"""Everything allows the ask, and its account has to be asked for leave."""

ASK_AGAIN_MS: Final = 1_000
"""How long after an answer that was of no use an account is asked again: it goes by another clock,
or by rules that have not come here, and will say the same until that is over."""


_GROUNDS: Final = frozenset({Reason.ACCOUNT_RESIGNED, Reason.CAMPAIGN_PAUSED})
"""Whose end cancels what waits: nobody needs to be told no who had not been told yes or no."""


QUEUED_MOST: Final = 200
"""How much may wait for one customer in accounts' queues, at most 0.2 MB of their ledger: so many
accounts do not wait to write to one person, whatever the policy lets wait here (`max_held`)."""


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
    wanted: list[Ask] = []
    """Asks that lack nothing but their account's leave, to be asked for."""
    given_up: list[tuple[str, int]] = []
    """Accounts, and tickets of what is to be taken out of their queues."""

    def tidy(self) -> None:
        """Drop what can no longer be asked for. Call before anything is judged or noted."""
        law = self.laws[0]
        if self.ledger.seen:
            forget_repeats(self.ledger, self.now_ms - law.remember_ms)
        forget_contacts(self.ledger, law.retention, self.now_ms)

    def judge(self, candidate: Candidate, mark: int) -> list[Settled]:
        """Decide an ask that has just arrived; where another must yield to it, that one as well.

        What is held and due goes first, for its time came before.
        """
        if not self.ledger.held:
            return self._judge(candidate, mark)
        return self._again(self._due()) + self._judge(candidate, mark)

    def _judge(self, candidate: Candidate, mark: int) -> list[Settled]:
        if candidate.wait is not None:
            return self._queued(candidate, mark, candidate.wait)
        if candidate.again or candidate.ticket:
            return self._answered(candidate, mark)
        ask, verdict = candidate.ask, self._first_word(candidate, mark)
        if verdict.outcome is Outcome.DEFERRED:
            return self._wait(ask, mark, verdict)
        return [Settled(ask, mark, verdict)]

    def _first_word(self, candidate: Candidate, mark: int) -> Verdict:
        """The verdict on an ask that comes for the first time, or that it does not."""
        return DUPLICATE if self._is_repeat(candidate.ask, mark) else self._decide(candidate, mark)

    def _is_repeat(self, ask: Ask, mark: int) -> bool:
        """Whether the ask came before; from now on it has."""
        ledger = self.ledger
        # Who was forgotten is refused anew at every repeat: to remember it would be to know them.
        if ledger.erased and self.laws[ask.kind].disturbs:
            return False
        if seen_before(ledger, mark) or (ledger.held and self._held_under(mark)):
            return True
        remember(ledger, mark, self.now_ms)
        return False

    # --- what waits in its account's queue ---

    def _queued(self, candidate: Candidate, mark: int, wait: Verdict) -> list[Settled]:
        """Hold an ask that its account queues; what need not wait is said and taken out there."""
        if candidate.again:
            return self._queued_again(candidate, mark, wait)
        ask = candidate.ask
        verdict = DUPLICATE if self._is_repeat(ask, mark) else decide(self._case(ask))
        if not _may_come(verdict):
            self.given_up.append((ask.account_id, candidate.ticket))
            return [Settled(ask, mark, verdict)]
        wait = self._from_now(wait)
        held = self._hold(ask, mark, wait)
        self._queue(held, ask, candidate.ticket)
        yielded = self._yield_to(held)
        if yielded is not None and yielded.mark == mark:
            return [yielded]
        said = [Settled(ask, mark, wait)]
        return said if yielded is None else [*said, yielded]

    def _queued_again(self, candidate: Candidate, mark: int, wait: Verdict) -> list[Settled]:
        """Leave that was asked for has to be waited for: news, where what was said last is over."""
        ask, held = candidate.ask, self._held_under(mark)
        if held is None or held.ticket:
            self.given_up.append((ask.account_id, candidate.ticket))
            return []
        held.asked = True
        self._queue(held, ask, candidate.ticket)
        is_over = held.eligible_ms is not None and held.eligible_ms <= self.now_ms
        if (held.reason, held.rule) == (wait.reason, wait.rule) and not is_over:
            return []
        wait = self._from_now(wait)
        held.reason, held.rule, held.eligible_ms = wait.reason, wait.rule, wait.eligible_at_ms
        return [Settled(ask, mark, wait)]

    def _queue(self, held: Held, ask: Ask, ticket: int) -> None:
        held.ask, held.ticket, held.due_ms = ask, ticket, held.deadline_ms + 1

    def _still_queued(self, held: Held) -> bool:
        """Whether what waits in a queue may wait on, by all that time does not mend."""
        return held.ticket != 0 and _may_come(decide(self._case(held.ask)))

    def _give_up(self, held: Held) -> None:
        if held.ticket:
            self.given_up.append((held.ask.account_id, held.ticket))

    # --- what waits here ---

    def _wait(self, ask: Ask, mark: int, verdict: Verdict) -> list[Settled]:
        """Hold an ask and say so, or have its account asked; who must yield to it is told too.

        Who would not wait is told the account's answer and nothing before.
        """
        if self.now_ms > self._deadline_ms(ask):
            # Accepted long ago, by a clock of before an outage: there is no time left to wait.
            return [Settled(ask, mark, self._expired(ask, verdict.rule))]
        held = self._hold(ask, mark, verdict)
        held.asked = verdict is LEAVE_FIRST
        yielded = self._yield_to(held)
        if yielded is not None and yielded.mark == mark:
            return [yielded]
        if held.asked:
            self.wanted.append(ask)
        said = [] if ask.deny else [Settled(ask, mark, verdict)]
        return said if yielded is None else [*said, yielded]

    def _held_under(self, mark: int) -> Held | None:
        return next((held for held in self.ledger.held if held.mark == mark), None)

    def _answered(self, candidate: Candidate, mark: int) -> list[Settled]:
        """The account's answer for an ask that is held; none of our business if it is no longer,
        or waits in another place.
        """
        held = self._held_under(mark)
        if held is None or held.ticket != candidate.ticket:
            return []
        said = list(self._look_again(held, candidate))
        came = None if _is_here(held) else self._held_under(mark)
        yielded = None if came is None else self._yield_to(came)
        if yielded is None:
            return said
        return [yielded] if yielded.mark == mark else [*said, yielded]

    def wake(self) -> list[Settled]:
        """Look again at the most urgent of what is due, of equals at the oldest.

        What else is due waits for its own turn, which others' more urgent ones may come before.
        """
        return self._again(_by_urgency(self._due())[:1])

    def reconsider(self) -> list[Settled]:
        """Look again at everything held, after an event that may have changed the answer.

        A policy that lets less be held is such an event: the least urgent yield.
        """
        settled = self._again(self.ledger.held)
        while (yielded := self._yield_to(None)) is not None:
            settled.append(yielded)
        return settled

    def cancel(self, reason: Reason) -> list[Settled]:
        """End everything that is held."""
        ended, self.ledger.held = self.ledger.held, []
        for held in ended:
            self._give_up(held)
        verdict = Verdict(Outcome.CANCELLED, reason)
        return [Settled(held.ask, held.mark, verdict) for held in ended]

    def _due(self) -> list[Held]:
        return [h for h in self.ledger.held if h.due_ms <= self.now_ms and not h.ticket]

    def _again(self, chosen: Iterable[Held]) -> list[Settled]:
        return [settled for held in _by_urgency(chosen) for settled in self._look_again(held)]

    def _look_again(self, held: Held, answer: Candidate | None = None) -> Iterator[Settled]:
        if answer is None and self._still_queued(held):
            return
        self.ledger.held.remove(held)
        if answer is None:
            self._give_up(held)
        else:  # which has the whole ask
            held = msgspec.structs.replace(held, ask=answer.ask, ticket=0)
        if self.now_ms > self._deadline_ms(held.ask):
            verdict = self._expired(held.ask, held.rule)
        else:
            verdict = self._decide(answer or Candidate(held.ask), held.mark)
        if verdict is LEAVE_FIRST:
            self._still_wants(held, answered=answer is not None)
            return
        denied = verdict.outcome is Outcome.DENIED and not held.ask.deny
        if denied and verdict.reason in _GROUNDS:
            reason, rule, stage = verdict.reason, verdict.rule, verdict.stage
            verdict = Verdict(Outcome.CANCELLED, reason, rule=rule, stage=stage)
        if verdict.outcome is not Outcome.DEFERRED:
            # What has waited is known as a duplicate from its end on, not from its arrival.
            remember(self.ledger, held.mark, self.now_ms)
        elif _said_alike(self._hold(held.ask, held.mark, verdict), held):
            return
        yield Settled(held.ask, held.mark, verdict)

    def _decide(self, candidate: Candidate, mark: int) -> Verdict:
        """The verdict; what it approves is reserved. `LEAVE_FIRST` where only leave is missing."""
        refusal = candidate.refusal
        if refusal is not None and not self._has_longer(candidate.ask, refusal):
            return self._from_now(refusal)
        case = self._case(candidate.ask)
        verdict = decide(case)
        if verdict.send_by_ms is not None:
            if case.law.leave and not is_good(candidate.leave_ms, case.law, self.now_ms):
                return LEAVE_FIRST
            self._reserve(candidate, mark, verdict.send_by_ms)
        return verdict

    def _from_now(self, verdict: Verdict) -> Verdict:
        """An account's word, whose earliest time may have passed on its way, or by this clock."""
        eligible_ms = verdict.eligible_at_ms
        if eligible_ms is None or eligible_ms >= self.now_ms:
            return verdict
        return msgspec.structs.replace(verdict, eligible_at_ms=self.now_ms)

    def _case(self, ask: Ask) -> Case:
        law, pair = self.laws[ask.kind], self.ledger.pairs.get(ask.account_id, NO_PAIR)
        order = self.orders.on(ask, self.now_ms)
        return Case(self.ledger, pair, ask, self.customer, law, self.now_ms, order)

    def _expired(self, ask: Ask, rule: str | None) -> Verdict:
        remaining = left(self._case(ask))
        return Verdict(Outcome.EXPIRED, Reason.DEADLINE_PASSED, rule=rule, remaining=remaining)

    def _has_longer(self, ask: Ask, refusal: Verdict) -> bool:
        """Whether its account gave an ask up by a policy that has been replaced on the way."""
        return refusal.outcome is Outcome.EXPIRED and self.now_ms <= self._deadline_ms(ask)

    def _reserve(self, candidate: Candidate, mark: int, send_by_ms: int) -> None:
        ask, lag_ms = candidate.ask, send_by_ms - self.now_ms
        pair = self.ledger.pair(ask.account_id)
        pair.contacts.append(Contact(send_by_ms, lag_ms, mark, ask.kind, campaign=ask.campaign_id))
        if ask.kind == Kind.FRIEND_REQUEST:
            pair.asked_ms = candidate.leave_ms
        elif ask.kind == Kind.TRANSFER and ask.to_account_id is not None:
            pair.giving = Giving(ask.to_account_id, candidate.leave_ms)

    def _deadline_ms(self, ask: Ask) -> int:
        return deadline_ms(ask, self.laws[ask.kind].deadline_ms)

    def _hold(self, ask: Ask, mark: int, verdict: Verdict) -> Held:
        deadline_ms = self._deadline_ms(ask)
        eligible_ms = verdict.eligible_at_ms
        due_ms = deadline_ms + 1 if eligible_ms is None else min(eligible_ms, deadline_ms + 1)
        held = Held(due_ms, deadline_ms, mark, verdict.reason, verdict.rule, ask, eligible_ms)
        self.ledger.held.append(held)
        return held

    def _still_wants(self, held: Held, *, answered: bool) -> None:
        """Hold on; `answered`: the answer that came was none, or had run out on its way."""
        due_ms = held.deadline_ms + 1
        if answered:
            due_ms = min(due_ms, self.now_ms + ASK_AGAIN_MS)
        elif not held.asked:
            self.wanted.append(held.ask)
        waits = msgspec.structs.replace(held, due_ms=due_ms, asked=not answered)
        self.ledger.held.append(waits)

    def _yield_to(self, newcomer: Held | None) -> Settled | None:
        """End the least urgent where more wait than may, here or in queues; it may be the newcomer
        itself.
        """
        here = newcomer is None or _is_here(newcomer)
        most = self.laws[0].max_held if here else QUEUED_MOST
        beside = [held for held in self.ledger.held if _is_here(held) == here]
        if len(beside) <= most:
            return None
        least = _by_urgency(beside)[-1]
        self.ledger.held.remove(least)
        self._give_up(least)
        if least is not newcomer:  # which is remembered from its arrival on, and that is now
            remember(self.ledger, least.mark, self.now_ms)
        case = self._case(least.ask)
        verdict = Verdict(
            Outcome.DENIED,
            Reason.TOO_MANY_HELD,
            rule="max_held",
            eligible_at_ms=decide(case).eligible_at_ms,
            remaining=left(case),
        )
        return Settled(least.ask, least.mark, verdict)


def _is_here(held: Held) -> bool:
    """Whether it waits here, be it for leave; not in its account's queue from the first.

    Who would not wait asks for leave unsaid, for some milliseconds: nobody is denied for that.
    """
    return not held.ask.deny if held.asked else not held.ticket


def _may_come(verdict: Verdict) -> bool:
    """Whether time may bring it."""
    return verdict.outcome in {Outcome.APPROVED, Outcome.DEFERRED}


def _said_alike(one: Held, other: Held) -> bool:
    """Whether the same was said of both."""
    return _said(one) == _said(other)


def _said(held: Held) -> tuple[str, str | None, int | None, int]:
    return held.reason, held.rule, held.eligible_ms, held.deadline_ms


def _by_urgency(held: Iterable[Held]) -> list[Held]:
    return sorted(held, key=lambda h: (-h.ask.priority, h.ask.accepted_ms))


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
    first = min(here, key=lambda h: (h.due_ms, -h.ask.priority, h.ask.accepted_ms))
    return Wake(first.due_ms, first.ask.priority, first.ask.accepted_ms)
