"""One batch of the account stage, record by record and timer by timer.

Rules of this file: it says which kind of record or timer goes to whom; each is one short method.
What follows from all of them together follows in `close`, account by account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from streams.core.account.admit import is_for_now
from streams.core.campaign_state import Phase
from streams.core.kinds import Kind
from streams.events.decode import decode_intent
from streams.events.envelope import Rejected
from streams.events.internal import (
    AccountFeedback,
    CampaignBroadcast,
    CampaignNews,
    EnterpriseBroadcast,
    EnterpriseNews,
    StatusNews,
    Sweep,
    SweepBroadcast,
    TakeOver,
    decode_news,
    request_of,
)
from streams.events.keys import account_key
from streams.stages import balance
from streams.stages.account.aggregates import Aggregates
from streams.stages.account.campaigns import CampaignRegister
from streams.stages.account.candidates import CandidateWriter
from streams.stages.account.context import RulesInForce, SessionContext
from streams.stages.account.index import index_of
from streams.stages.account.progress import finish, keep, progress_of
from streams.stages.account.publish import Publisher
from streams.stages.account.sessions import AccountSessions
from streams.stages.account.totals import SharedTotals
from streams.stages.dead_letters import dead_letter
from streams.stages.routing import news_for, reroute
from streams.stages.state_keys import CAMPAIGN_TIMER, ENTERPRISE_TIMER, is_account, is_campaign
from streams.stages.sweeps import SweepVisits, begin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.customer.request import Request
    from streams.runtime.records import Output, Record
    from streams.runtime.state import DueTimer, State
    from streams.stages.context import StageContext


class Batch:
    """What one batch does, record by record and timer by timer."""

    def __init__(self, context: StageContext, state: State, now_ms: int) -> None:
        self._topics, self._router, self._rules = self._context = context
        self._state, self._now_ms = state, now_ms
        self.outputs = state.budget.collect()
        self._index = index_of(state)
        self._totals = SharedTotals(state)
        self._in_force = RulesInForce(context.rules, now_ms)
        self._candidates = CandidateWriter(context, self.outputs, state.budget)
        self._publisher = Publisher(context, state, self._index, now_ms)
        shared = self._index, self._totals, self._candidates, self._publisher, self.outputs
        self._sessions = AccountSessions(SessionContext(state, now_ms, *shared), self._in_force)
        self._campaigns = CampaignRegister(self._in_force, self._index, self._totals)
        self._aggregates = Aggregates(context, state, now_ms)
        self._accepted = 0

    # --- intents ---

    def intent(self, record: Record) -> None:
        """Accept an intent, or refuse it, or send it where it belongs."""
        intent = decode_intent(record.value)
        if isinstance(intent, Rejected):
            refused = (intent.reason, intent.error, self._state, self._now_ms)
            self.outputs.append(dead_letter(self._topics, record, *refused))
            return
        key = account_key(intent.enterprise_id, intent.account_id)
        if self._router.is_misrouted(record, key, self._state):
            self.outputs.append(reroute(self._topics, self._router, record, key, self._state))
            return
        before = progress_of(record, self._state, self._now_ms)
        request, customers = request_of(intent, before.accepted_ms), intent.customer_ids
        if not before.done:
            self._state.counters["intents_total", intent.kind] += 1
        self._campaigns.register(intent.enterprise_id, request, customers)
        left = customers[before.done :]
        count = self._admit(intent.enterprise_id, request, left)
        self._accepted += count
        if count < len(left):
            keep(before, count, self._state)
        else:
            finish(self._state)

    def _admit(
        self, enterprise: str, request: Request, customers: list[str], *, is_held: bool = False
    ) -> int:
        """Forward customers who need no permit or are not for now; the others join the queue.

        The result is how many are done: the first ones, where a batch has no room for all. What
        the customer stage asks a permit for is for now: partitions' clocks differ a little. While
        a queue empties that needs no permit any more, who comes joins it as well.
        """
        key = account_key(enterprise, request.account_id)
        needs_permit = self._in_force.of(enterprise).kind_rules[request.kind].needs_permit
        queues = needs_permit or self._index.has_waiting(key, request.kind)
        if not queues or not (is_held or is_for_now(request, self._now_ms)):
            what = enterprise, request, customers
            return self._candidates.forward_within_budget(*what, is_held=is_held)
        if request.kind == Kind.TRANSFER:
            key = account_key(enterprise, request.to_account_id or "")
            news = TakeOver(request, customers, is_held)
            self.outputs.append(news_for(key, news, self._topics, self._router))
            return len(customers)
        return self._sessions.open(key).enqueue(request, customers, is_held=is_held)

    # --- news ---

    def news(self, record: Record) -> None:
        """Take news in."""
        key, news = record.key or b"", decode_news(record.value or b"")
        match news:
            case AccountFeedback():
                self._account_feedback(key, news)
            case StatusNews():
                self._sessions.open(key).apply_status(news)
            case TakeOver():
                self._sessions.open(key).take_over(news)
            case CampaignNews():
                self._aggregates.add_campaign(key, news.facts)
            case EnterpriseNews():
                self._aggregates.add_enterprise(key, news.facts)
            case CampaignBroadcast():
                self._campaign_broadcast(news)
            case EnterpriseBroadcast():
                self._totals.apply_enterprise(news)
            case SweepBroadcast():
                begin(news.sweep, self._state, self._now_ms)
            case _:
                assert_never(news)

    def _account_feedback(self, key: bytes, news: AccountFeedback) -> None:
        session = self._sessions.open(key)
        session.apply_feedback(news)
        enterprise = session.account.enterprise
        for wanted in news.permit_requests:
            self._campaigns.register(enterprise, wanted.request)
            self._admit(enterprise, wanted.request, [wanted.customer], is_held=True)
        session.withdraw(news.withdrawn)

    def _campaign_broadcast(self, news: CampaignBroadcast) -> None:
        """Those who wait for a campaign go on with its next share; if it is killed, not at all."""
        self._totals.apply_campaign(news)
        self._index.apply_release(news.enterprise, news.campaign)
        if self._index.waiting_for(news.enterprise, news.campaign):
            sweep = Sweep(enterprise=news.enterprise, campaign=news.campaign, waiting=True)
            begin(sweep, self._state, self._now_ms)

    # --- time ---

    def timer(self, timer: DueTimer) -> None:
        """Do what the time has come for."""
        head, key = timer.name[:1], timer.name[1:]
        if head == CAMPAIGN_TIMER:
            self._aggregates.campaign_due(key, timer.due_ms)
        elif head == ENTERPRISE_TIMER:
            self.outputs += self._aggregates.publish_enterprise(key)
        else:
            self._sessions.open(key).account.timer_fired(timer)

    def continue_sweeps(self, timers: Sequence[DueTimer]) -> None:
        """Look at the next ones that sweeps come to."""
        visits = SweepVisits(self._state, self._now_ms, self._concerned)
        for key, sweep in visits.visits(timers, self._rules.generation):
            if not is_account(key):
                self._aggregates.add_campaign(key)
                continue
            account, campaign = self._sessions.open(key).account, sweep.campaign
            if campaign is not None and self._is_killed(account.enterprise, campaign):
                account.cut_off(campaign)
            else:  # a new policy may stage what nobody knew of, and what is forgotten begins anew
                named = account.campaigns() if campaign is None else [campaign]
                self._campaigns.register_waiting(account, named)

    def _concerned(self, sweep: Sweep) -> list[bytes]:
        """Whom a sweep is about: a policy moves accounts and campaigns, all else who waits."""
        waiting, enterprise = self._index.waiting, sweep.enterprise or ""
        if sweep.campaign is not None:
            return sorted(self._index.waiting_for(enterprise, sweep.campaign))
        if sweep.account is not None:
            return [key for key in [account_key(enterprise, sweep.account)] if key in waiting]
        keys = waiting if sweep.waiting else self._state
        head = f"{enterprise}/".encode() if enterprise else b""
        return sorted(
            key for key in keys if key.startswith(head) and (is_account(key) or is_campaign(key))
        )

    def _is_killed(self, enterprise: str, campaign: str) -> bool:
        release = self._totals.campaign(enterprise, campaign)
        return release is not None and release.phase is Phase.KILLED

    def close(self) -> list[Output]:
        """What follows from all of it."""
        self._sessions.close()
        self.outputs += self._campaigns.outputs(self._context, self._now_ms)
        self.outputs += self._publisher.enterprises()
        self.outputs += self._aggregates.close()
        balance.add(self._state, self._accepted)
        return self.outputs
