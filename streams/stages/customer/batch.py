"""One batch of the customer stage: the ledgers it works on, what is said, and what is told.

Rules of this file: each ledger is opened once a batch and closed once; what an answer is, the core
says.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.customer.request import DUPLICATE
from streams.core.kinds import STAGED, Kind
from streams.core.reasons import Outcome, Reason
from streams.events.envelope import Rejected
from streams.events.identity import fingerprint, mark_of
from streams.events.interactions import AccountStatus, Erase, content_of
from streams.events.internal import StatusNews, Sweep, decode_candidate, decode_sweep, encode_sweep
from streams.events.keys import account_key, key_of
from streams.events.salvage import decode_or_salvage
from streams.stages import balance
from streams.stages.customer.feedback import Feedback, ties_of
from streams.stages.customer.held import TIMER_HEAD, held_of, name_of, waiting_customers
from streams.stages.customer.interactions import BINDING, QUIET, apply, is_duplicate
from streams.stages.customer.ledgers import LedgerSession, timer_of
from streams.stages.customer.past import is_past
from streams.stages.customer.restrictions import is_news, store_account_status, store_campaign
from streams.stages.dead_letters import dead_letter
from streams.stages.decisions import decision_event, decision_id_of
from streams.stages.routing import news_for, reroute, to_every_partition
from streams.stages.sweeps import SweepVisits, begin
from streams.topics import INTENTS, INTERACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.core.customer.customer import Customer
    from streams.core.customer.request import Candidate, Decided
    from streams.events.interactions import AccountStatusChange, Interaction
    from streams.runtime.records import Output, Record
    from streams.runtime.state import DueTimer, State
    from streams.stages.customer.erasure import Erasure
    from streams.stages.routing import Router
    from streams.stages.rules import Rules
    from streams.topics import Topics

NO_SUPPRESSION_KEY: Final = (
    "$.type: erase is not accepted before DECORUM_SUPPRESSION_KEY is set: without it nothing could"
    " keep a forgotten customer from being contacted again"
)


_BINDING_KINDS: Final = frozenset({Kind.FRIEND_REQUEST, Kind.TRANSFER})
"""An approval of these is a request under way, which the account's book counts."""

_NO_NAMES: Final[Mapping[int, str]] = {}


class BatchContext(NamedTuple):
    """What all batches of the stage share.

    `approved`: by kind, the topic of its approved messages.
    """

    topics: Topics
    router: Router
    rules: Rules
    erasure: Erasure
    approved: dict[str, str]


class Batch:
    """The ledgers, outputs and counts of one batch."""

    def __init__(self, context: BatchContext, state: State, now_ms: int) -> None:
        self.context = context
        self.state = state
        self.now_ms = now_ms
        self.feedback = Feedback(now_ms)
        self.ledgers = LedgerSession(context.rules, context.erasure, state, now_ms, self.feedback)
        self.outputs = state.budget.collect()
        self.balance = balance.balance_of(state)
        if self.balance.published_ms != now_ms:
            self.balance.published_ms, self.balance.published = now_ms, 0

    def candidate(self, record: Record) -> None:
        """Decide an ask with its account's word on it."""
        key, value = record.key, record.value
        if key is None or value is None:
            msg = f"a candidate without key or value at {record.topic} {record.offset}"
            raise ValueError(msg)
        candidate = decode_candidate(value)
        self.state.budget.promise(len(value))  # it may be held, or its leave be asked for
        customer = self.ledgers.open(key)
        if _comes(candidate):
            # Two partitions' clocks may differ by what two machines' do.
            waited_ms = max(0, self.now_ms - candidate.request.accepted_ms)
            self.state.counters["latency_ms", str(waited_ms)] += 1
        before = ties_of(customer.ledger) if candidate.request.kind in _BINDING_KINDS else None
        self._decide(key, customer, candidate)
        if before is not None:
            self.feedback.compare(customer.enterprise, before, ties_of(customer.ledger))

    def _decide(self, key: bytes, customer: Customer, candidate: Candidate) -> None:
        name = decision_id_of(customer, candidate.request)
        mark = mark_of(name)
        decided = customer.decide_request(candidate, mark)
        self._count(customer, candidate, mark, decided)
        if candidate.permit_ms:
            used = any(
                c.decision_key == mark and c.verdict.outcome is Outcome.APPROVED for c in decided
            )
            if not used:
                self.feedback.permit_returned(customer.enterprise, candidate)
            elif candidate.request.kind in _BINDING_KINDS:
                self.feedback.permit_used(customer.enterprise, candidate)
        self._publish(key, customer, decided, {mark: name})

    def _count(
        self,
        customer: Customer,
        candidate: Candidate,
        decision_key: int,
        decided: Iterable[Decided],
    ) -> None:
        """Tell a campaign of who is asked for in its name. Of the forgotten nobody knows whether
        they were before, and none of them is sent anything.
        """
        request, forgotten = candidate.request, customer.ledger.erased
        if (
            request.campaign_id is None
            or request.kind not in STAGED
            or forgotten
            or not _comes(candidate)
        ):
            return
        repeated = any(c.decision_key == decision_key and c.verdict is DUPLICATE for c in decided)
        if not repeated and customer.rules[request.kind].canary is not None:
            self.feedback.asked(customer.enterprise, request.campaign_id)

    def interaction(self, record: Record) -> None:
        """Note what happened, or refuse it, or send it where it belongs."""
        event, refused = decode_or_salvage(record.value)
        if event is None:
            self._reject(record, refused)
            return
        key = key_of(event)
        if self.context.router.is_misrouted(record, key, self.state):
            self.outputs.append(
                reroute(self.context.topics, self.context.router, record, key, self.state)
            )
            return
        if isinstance(event, Erase) and self.context.erasure.mark(key) is None:
            refused = Rejected("invalid", NO_SUPPRESSION_KEY)
        self._reject(record, refused)
        self.state.counters["interactions_total", str(event.__struct_config__.tag)] += 1
        if isinstance(event, Erase):
            self._erase(event, key)
        elif isinstance(event, AccountStatus):
            self._broadcast_status(event.data)
        else:
            self._apply(key, event, record.timestamp)

    def sweep(self, record: Record) -> None:
        """Hear of an account, or that what is held must be looked at again."""
        value = record.value or b""
        sweep = decode_sweep(value)
        if self._changes(sweep):
            begin(sweep, self.state, self.now_ms)

    def _changes(self, sweep: Sweep) -> bool:
        """Whether what is held may have another answer by what a sweep tells."""
        if sweep.status is not None or sweep.braked_until_ms is not None:
            return store_account_status(self.state, sweep)
        if sweep.campaign is not None and not sweep.waiting:
            return store_campaign(self.state, sweep)
        return True

    def continue_sweeps(self, timers: Sequence[DueTimer]) -> None:
        """Look at the next ones that sweeps come to."""
        sweeping = SweepVisits(self.state, self.now_ms, self._concerned)
        for key, _ in sweeping.visits(timers, self.context.rules.generation):
            customer = self.ledgers.open(key)
            self._publish(key, customer, customer.reconsider())

    def _concerned(self, sweep: Sweep) -> list[bytes] | None:
        """Who holds what a sweep is about."""
        if sweep.account is not None or sweep.campaign is not None:
            name = name_of(sweep.enterprise or "", sweep.account, sweep.campaign)
            return held_of(self.state, self.ledgers.opened_keys()).find(name)
        head = b"" if sweep.enterprise is None else f"{sweep.enterprise}/".encode()
        # Who was woken in this very batch has no timer that the sweep could find them by.
        waiting = [*waiting_customers(self.state), *self.ledgers.opened_keys()]
        return sorted({key for key in waiting if key.startswith(head)})

    def on_timers(self, timers: Sequence[DueTimer]) -> None:
        """Look at one intent a timer, and at a customer's next ones in their turn.

        What comes after the last of these timers may come after others' that did not fit into the
        batch: it keeps a timer of its own. Where the batch has no more room, all that are left do.
        """
        turns = [(timer.due_ms, timer.name) for timer in timers]  # in order, and so a heap
        last = turns[-1] if turns else None
        while turns and self.state.budget.has_room():
            _, name = heappop(turns)
            key = name[TIMER_HEAD:]
            customer = self.ledgers.open_for_timer(key)
            self._publish(key, customer, customer.on_timer())
            turn = timer_of(customer, key)
            if last is not None and turn is not None and turn <= last:
                heappush(turns, turn)
        left = set(turns)
        for timer in timers:
            if (timer.due_ms, timer.name) in left:
                self.state.put_back(timer)

    def close(self) -> list[Output]:
        """Store the ledgers; everything there is to say and to tell."""
        held, queued = self.ledgers.close()
        self.balance.held += held
        self.balance.queued += queued
        self.outputs += self.feedback.outputs(self.context.topics, self.context.router)
        balance.store(self.state, self.balance)
        return self.outputs

    def _broadcast_status(self, data: AccountStatusChange) -> None:
        sweep = Sweep(
            enterprise=data.enterprise_id,
            account=data.account_id,
            status=data.status,
            status_ms=min(data.occurred_at_ms, self.now_ms),
        )
        if not is_news(self.state, sweep):
            self.state.counters["repeats_total", INTERACTIONS] += 1
            return
        topics, router = self.context.topics, self.context.router
        self.outputs += to_every_partition(topics.sweeps, router.partitions, encode_sweep(sweep))
        key = account_key(data.enterprise_id, data.account_id)
        news = StatusNews(data.status, sweep.status_ms)
        self.outputs.append(news_for(key, news, topics, router))

    def _apply(self, key: bytes, event: Interaction, heard_ms: int) -> None:
        customer = self.ledgers.open(key)
        if customer.ledger.erased:
            erased_ms = self.context.erasure.erased_ms(key, self.state)
            if is_past(customer.ledger, event, erased_ms):
                return
        if is_duplicate(customer, event):
            self.state.counters["repeats_total", INTERACTIONS] += 1
            return
        before = ties_of(customer.ledger) if isinstance(event, BINDING) else None
        for charge in apply(customer, event):
            self.feedback.count(customer.enterprise, charge, heard_ms)
        if before is not None:
            self.feedback.compare(customer.enterprise, before, ties_of(customer.ledger))
        if not isinstance(event, QUIET):
            self._publish(key, customer, customer.reconsider())

    def _erase(self, event: Erase, key: bytes) -> None:
        erasure = self.context.erasure
        mark = erasure.mark(key)
        if mark is None:
            return
        customer = self.ledgers.open(key)
        name, before = (
            fingerprint(event.source, event.id, content_of(event)),
            self.state.get(mark) or b"",
        )
        value = erasure.told(before, name, self.now_ms, customer.rules[0].remember_ms)
        if value is None:
            self.state.counters["repeats_total", INTERACTIONS] += 1
            return
        self._publish(key, customer, customer.cancel(Reason.SUPPRESSED))
        self.feedback.compare(customer.enterprise, ties_of(customer.ledger), {})
        self.ledgers.forget(key, mark, value)

    def _reject(self, record: Record, refused: Rejected | None) -> None:
        if refused is None:
            return
        letter = dead_letter(
            self.context.topics, record, refused.reason, refused.error, self.state, self.now_ms
        )
        self.outputs.append(letter)

    def _publish(
        self,
        key: bytes,
        customer: Customer,
        decided: Iterable[Decided],
        names: Mapping[int, str] = _NO_NAMES,
    ) -> None:
        """`names`: the decision ids that are known already, by their marks."""
        topics, place = self.context.topics, self.context.router.partition
        for case in decided:
            saying = decision_event(case, customer, names.get(case.decision_key))
            outcome, kind = case.verdict.outcome, saying.kind
            self.state.counters["decisions_total", kind, outcome, case.verdict.reason] += 1
            if outcome is Outcome.DUPLICATE:
                self.state.counters["repeats_total", INTENTS] += 1
            self.balance.settled += outcome is not Outcome.DEFERRED
            self.outputs.append(
                (topics.decisions, None, key, saying.decision(self.balance.published))
            )
            self.balance.published += 1
            if outcome is Outcome.APPROVED:
                if case.request.campaign_id is not None:
                    self.feedback.approved(customer.enterprise, case.request.campaign_id)
                account = account_key(customer.enterprise, case.request.account_id)
                self.outputs.append(
                    (self.context.approved[kind], place(account), account, saying.approved())
                )


def _comes(candidate: Candidate) -> bool:
    """Whether this is the first that is heard of an ask, be it a repeat; not what became of it."""
    return not candidate.is_held and (candidate.wait is not None or not candidate.ticket)
