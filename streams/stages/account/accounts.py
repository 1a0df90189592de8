"""The accounts of one batch: opened once, moved by what the batch brings, closed once.

Closing an account is where things follow from each other, in one order: its book is reviewed, its
queue drained by what the book now allows, what must wait is announced, what changed is told.
Rules of this file: bytes and outputs; limits are the core's, who may pass `admission` asks.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from streams.core.account import account as books
from streams.core.account.fair_queue import QUANTUM, sub_queue_key
from streams.core.account.rules import account_rules_of
from streams.core.campaign_state import CampaignFacts, CampaignRelease, Phase, is_staged
from streams.core.customer.request import Candidate
from streams.core.kinds import STAGED
from streams.core.reasons import Outcome, Reason
from streams.events.internal import CampaignNews, encode_candidate
from streams.events.keys import account_key, campaign_key, customer_key
from streams.stages.account.admission import Admission
from streams.stages.account.aggregates import SharedTotals
from streams.stages.account.publish import Publisher
from streams.stages.account.slices import QueuedSlice
from streams.stages.account.store import DRAIN, EXPIRY, REVIEW, group_of, index_of
from streams.stages.context import BatchRules, denial
from streams.stages.routing import news_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.core.account.fair_queue import Entry, SubQueueKey
    from streams.core.account.limits import Change
    from streams.core.customer.request import Request, Verdict
    from streams.core.policy import Canary
    from streams.events.internal import TakeOver
    from streams.runtime.records import Output
    from streams.runtime.state import State
    from streams.stages.account.store import StoredAccount
    from streams.stages.context import Blocked
    from streams.stages.routing import Router
    from streams.stages.rules import Rules
    from streams.topics import Topics

TOUCHED: Final = 1_024
"""Bytes that a touched account adds to a batch beside its book: its pace, its timers, and what is
told of its limits."""

SAID: Final = 1_024
"""Bytes that are said of a customer who came into the queue: that they wait, or may go on."""

CUT_OFF: Final = {
    Reason.ACCOUNT_RESIGNED: denial(Outcome.CANCELLED, Reason.ACCOUNT_RESIGNED),
    Reason.CAMPAIGN_PAUSED: denial(Outcome.CANCELLED, Reason.CAMPAIGN_PAUSED, rule="canary"),
}
"""What is said of whom the account will not ask for any more."""

EXPIRED: Final = denial(Outcome.EXPIRED, Reason.DEADLINE_PASSED)


class Accounts:
    """The accounts that one batch works on, under the rules of its moment."""

    def __init__(  # noqa: PLR0913, PLR0917 (what a batch is made of)
        self,
        topics: Topics,
        router: Router,
        rules: Rules,
        state: State,
        now_ms: int,
        outputs: list[Output],
    ) -> None:
        self._topics, self._router, self._rules = topics, router, rules
        self._state, self._now_ms = state, now_ms
        self._budget = state.budget
        self.outputs = outputs
        self.index = index_of(state)
        self.totals = SharedTotals(state)
        self.publisher = Publisher(topics, router, state, self.index, now_ms)
        self._opened: dict[bytes, tuple[StoredAccount, Admission]] = {}
        self._changes: dict[bytes, list[Change]] = {}
        self._came: dict[bytes, set[tuple[str, str, str]]] = {}
        self._met: dict[bytes, int | None] = {}
        self._rules_by_enterprise: dict[str, BatchRules] = {}

    # --- what the batch brings ---

    def rules_of(self, enterprise: str) -> BatchRules:
        """What an enterprise is under in this batch; it stays so to the batch's end."""
        rules = self._rules_by_enterprise.get(enterprise)
        if rules is None:
            policy = self._rules.policy(enterprise, self._now_ms)
            kind_rules = self._rules.kind_rules(enterprise, self._now_ms)
            rules = BatchRules(policy, kind_rules, account_rules_of(policy), self._rules.controls)
            self._rules_by_enterprise[enterprise] = rules
        return rules

    def open(self, key: bytes) -> Admission:
        """The admission of an account, which is closed with the batch."""
        touched = self._opened.get(key)
        if touched is None:
            self._budget.promise(len(self._state.get(key) or b"") + TOUCHED)
            account = self.index.open(key)
            rules = self.rules_of(account.enterprise)
            admission = Admission(account, rules, self.totals, self._state, self._now_ms)
            touched = self._opened[key] = account, admission
        return touched[1]

    def changed(self, key: bytes, changes: Iterable[Change]) -> None:
        """Changes of an account's limits, to be told with the batch."""
        self._changes.setdefault(key, []).extend(changes)

    def forward(  # noqa: PLR0913
        self,
        enterprise: str,
        request: Request,
        customers: Iterable[str],
        *,
        leave_ms: int = 0,
        again: bool = False,
        denial: Verdict | None = None,
        ticket: int = 0,
    ) -> None:
        """Hand customers of an intent to the customer stage; `ticket`: that they waited under."""
        value = encode_candidate(Candidate(request, leave_ms, again, denial, ticket))
        topic, entry = self._topics.candidates, self._router.partition
        for customer in customers:
            key = customer_key(enterprise, customer)
            self.outputs.append((topic, entry(key), key, value))

    def pass_first(
        self,
        enterprise: str,
        request: Request,
        customers: list[str],
        *,
        again: bool,
        denial: Verdict | None = None,
    ) -> int:
        """As `pass_on`, for as many as the batch has room for, a turn at least; how many."""
        done = 0
        while done < len(customers) and (not done or self._budget.has_room()):
            turn = customers[done : done + QUANTUM]
            self.forward(enterprise, request, turn, again=again, denial=denial)
            done += len(turn)
        return done

    def enqueue(
        self, enterprise: str, request: Request, customers: list[str], *, again: bool
    ) -> int:
        """Customers of an intent whose kind needs leave: into the account's queue. How many are
        done, for who is refused does not wait there.
        """
        key = account_key(enterprise, request.account_id)
        admission = self.open(key)
        refusal = admission.denial(request)
        if refusal is None and not again:
            refusal = admission.queue_full(len(customers))
        if refusal is not None:
            return self.pass_first(enterprise, request, customers, again=again, denial=refusal)
        for chosen in admission.together(request, customers):
            for names in _each_once(chosen):
                admission.account.add(QueuedSlice(enterprise, request, again), names, self._state)
        self.index.joins(admission.account, request)
        self._budget.promise(len(customers) * SAID)
        return len(customers)

    def take_over(self, key: bytes, news: TakeOver) -> None:
        """Customers whom the account is to take over: into its queue, for as long as the answers
        take that it waits for.
        """
        account = self.open(key).account
        for names in _each_once(news.customers):
            account.add(
                QueuedSlice(account.enterprise, news.request, news.is_held), names, self._state
            )

    def queues(self, enterprise: str, request: Request) -> bool:
        """Whether messages of this kind wait in the account's queue."""
        key = account_key(enterprise, request.account_id)
        return key in self.index.waiting and self.index.open(key).queue.has(request.kind)

    def register_campaign(
        self, enterprise: str, request: Request, customers: Iterable[str] = ()
    ) -> None:
        """Tell a campaign's owner of it, and of a larger audience than was known.

        An audience is as large as the largest that was named, and no smaller than what comes in one
        batch, a repeat being nobody new; what came before, customers' partitions tell. Until the
        owner's word comes, what was not proven is taken for the first share.
        """
        canary, campaign = (
            self.rules_of(enterprise).kind_rules[request.kind].canary,
            request.campaign_id,
        )
        if canary is None or campaign is None or request.kind not in STAGED:
            return
        word = self.totals.campaign(enterprise, campaign)
        size = _largest(request.campaign_size, None if word is None else word.size)
        key = campaign_key(enterprise, campaign)
        if size is not None and not is_staged(canary, size):
            came = self._came.setdefault(key, set())
            came |= {(request.source, request.intent_id, customer) for customer in customers}
            if is_staged(canary, len(came)):
                size = len(came)
        if word is None or size != word.size:
            self._met[key] = size
            self.totals.assume(enterprise, campaign, _assumed_release(canary, word, size))
            self.release_changed(enterprise, campaign)

    def ask_for_campaigns(self, account: StoredAccount, campaigns: Iterable[str]) -> None:
        """Ask after the campaigns that an account waits for and of which no word is known."""
        for campaign in campaigns:
            entry = next(account.queue.of(group_of(campaign)), None)
            if entry is not None and self.totals.campaign(account.enterprise, campaign) is None:
                self.register_campaign(
                    account.enterprise, account.slice(entry.seq, self._state).request
                )

    def release_changed(self, enterprise: str, campaign: str) -> None:
        """Another share of a campaign is released than before, for all who wait for it."""
        for key in self.index.waiting_for(enterprise, campaign):
            self.index.open(key).apply_release(campaign, self._state)

    def _tell_campaigns(self) -> Iterator[Output]:
        for key, size in self._met.items():
            facts = CampaignFacts(at_ms=self._now_ms, size=size)
            yield news_for(key, CampaignNews(facts), self._topics, self._router)

    def cancel(self, key: bytes, entry: Entry, verdict: Verdict) -> bool:
        """Take a place out of an account's queue and hand it on with a refusal; whether nothing of
        it is left to the next batch.
        """
        account = self.open(key).account
        ticket = account.ticket(entry)
        while not self._budget.is_spent():
            slice_, customers = account.drop(entry, QUANTUM, self._state)
            self.forward(
                slice_.enterprise,
                slice_.request,
                customers,
                again=slice_.is_held,
                denial=verdict,
                ticket=ticket,
            )
            if account.queue.get(entry.seq) is None:
                return True
        return False

    # --- what follows ---

    def close(self) -> None:
        """Close every account that was touched, and tell the enterprises."""
        for key, (account, admission) in self._opened.items():
            self._review(key, account, admission.rules)
            ended = self._cut(account) and self._expire(admission)
            if not (ended and self._drain(admission) and self._hold(admission)):
                admission.wake_ms = self._now_ms  # the rest is the next batches'
            changes = self._changes.get(key, ())
            self.outputs += self.publisher.account(account, admission.rules, changes)
            self._store(key, account, admission)
        self.outputs += self._tell_campaigns()
        self.outputs += self.publisher.enterprises()

    def _review(self, key: bytes, account: StoredAccount, rules: BatchRules) -> None:
        own = account.state.green
        reply_rate = self.totals.enterprise(account.enterprise).others(own.delivered, own.received)
        changes = books.review(account.state, rules.account, reply_rate, self._now_ms)
        if changes:
            self.changed(key, changes)

    def _cut(self, account: StoredAccount) -> bool:
        """End what was cut off; whether all of it."""
        while (doomed := account.doomed()) is not None:
            reason, entries = doomed
            verdict = CUT_OFF[reason]
            if not all(self.cancel(account.key, entry, verdict) for entry in entries):
                return False
        return True

    def _expire(self, admission: Admission) -> bool:
        """End what has waited too long; whether all of it."""
        account, kind_rules = admission.account, admission.rules.kind_rules
        while (first := account.deadlines.first(kind_rules, account.queue)) is not None:
            deadline_ms, seq = first
            entry = account.queue.get(seq)
            if entry is None or deadline_ms >= self._now_ms:
                break
            if not self.cancel(account.key, entry, EXPIRED):
                return False
        return True

    def _drain(self, admission: Admission) -> bool:
        """Let go on what may; whether all of it."""
        if self._budget.is_spent():
            return not len(admission.account.queue)
        for passed in admission.drain():
            slice_ = passed.slice_
            self.forward(
                slice_.enterprise,
                slice_.request,
                passed.customers,
                leave_ms=passed.permit_ms,
                again=slice_.is_held,
                denial=passed.denial,
                ticket=passed.ticket,
            )
            if self._budget.is_spent():
                return False
        return True

    def _hold(self, admission: Admission) -> bool:
        """What came and could not go: refused, where it will not wait, or held; whether all of it.

        Of what did not fit into this batch nothing is said: it may go on in the next.
        """
        account = admission.account
        waits: dict[SubQueueKey, Blocked | None] = {}
        for seq in list(account.unpublished):
            entry = account.queue.get(seq)
            if entry is None:
                continue
            lane = sub_queue_key(entry)
            if lane not in waits:  # what stands in one lane waits for the same
                waits[lane] = admission.wait(entry)
            wait = waits[lane]
            if wait is not None and wait.soon:
                continue
            if self._budget.is_spent() or wait is None or not self._wait(admission, entry, wait):
                return False
        return True

    def _wait(self, admission: Admission, entry: Entry, wait: Blocked) -> bool:
        account = admission.account
        slice_ = account.slice(entry.seq, self._state)
        if slice_.request.deny:
            eligible_ms = admission.estimate_ms(entry, wait, 0)
            verdict = denial(Outcome.DENIED, wait.reason, eligible_at_ms=eligible_ms)
            return self.cancel(account.key, entry, verdict)
        self.outputs += self.publisher.deferred(admission, slice_, entry, wait)
        del account.unpublished[entry.seq]
        return True

    def _store(self, key: bytes, account: StoredAccount, admission: Admission) -> None:
        pace, state = account.pace, self._state
        review_ms = books.next_review_ms(account.state, admission.rules.account, self._now_ms) or 0
        pace.wake_ms = _moved(state, DRAIN + key, pace.wake_ms, admission.wake_ms or 0)
        pace.review_ms = _moved(state, REVIEW + key, pace.review_ms, review_ms)
        first = account.deadlines.first(admission.rules.kind_rules, account.queue)
        expiry_ms = 0 if first is None else first[0] + 1
        pace.expiry_ms = _moved(state, EXPIRY + key, pace.expiry_ms, expiry_ms)
        account.store(state)
        self.index.settle(account)


def _largest(one: int | None, other: int | None) -> int | None:
    return max((size for size in (one, other) if size is not None), default=None)


def _assumed_release(
    canary: Canary, release: CampaignRelease | None, size: int | None
) -> CampaignRelease:
    """What to go by until a campaign's owner has heard of this size."""
    if release is None and not is_staged(canary, size):
        return CampaignRelease(1.0, Phase.FULL, size)
    if release is None or (
        is_staged(canary, size) and release.phase is Phase.FULL and not release.proven
    ):
        return CampaignRelease(canary.steps[0], Phase.CANARY, size)
    return replace(release, size=size)


def _each_once(customers: list[str]) -> Iterator[list[str]]:
    """The customers, and those who are named again in lists of their own: a ticket is one's."""
    names = list(dict.fromkeys(customers))
    yield names
    if len(names) < len(customers):
        yield from _each_once(list((Counter(customers) - Counter(names)).elements()))


def _moved(state: State, name: bytes, before_ms: int, after_ms: int) -> int:
    """Set a timer anew where its time has changed; 0 is none. The new time."""
    if before_ms != after_ms:
        if before_ms:
            state.cancel_timer(before_ms, name)
        if after_ms:
            state.set_timer(after_ms, name)
    return after_ms
