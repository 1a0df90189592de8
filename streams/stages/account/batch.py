"""One batch of the account stage, record by record and timer by timer.

Rules of this file: it says which kind of record or timer is whose affair; each is one short method.
What follows from all of them together follows in `Accounts.close`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar

from streams.core.account import account as books
from streams.core.campaign_state import Phase
from streams.core.customer.case import RESIGNED
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
from streams.stages.account.accounts import Accounts
from streams.stages.account.aggregates import CAMPAIGN, ENTERPRISE, Aggregates, is_campaign
from streams.stages.account.progress import finish, keep, progress_of
from streams.stages.account.store import is_account
from streams.stages.dead_letters import dead_letter
from streams.stages.routing import news_for, reroute
from streams.stages.sweeps import SweepVisits, begin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.core.account.facts import Facts
    from streams.core.customer.request import Request
    from streams.runtime.records import Output, Record
    from streams.runtime.state import DueTimer, State
    from streams.stages.account.stage import AccountStage


class Batch:
    """What one batch does, record by record and timer by timer."""

    def __init__(self, stage: AccountStage, state: State, now_ms: int) -> None:
        self.stage = stage
        self.state = state
        self.now_ms = now_ms
        parts = (stage.topics, stage.router, stage.rules, state, now_ms)
        self.outputs = state.budget.collect()
        self.accounts = Accounts(*parts, self.outputs)
        self.aggregates = Aggregates(*parts)
        self.accepted = 0

    # --- intents ---

    def intent(self, record: Record) -> None:
        """Accept an intent, or refuse it, or send it where it belongs."""
        intent = decode_intent(record.value)
        stage = self.stage
        if isinstance(intent, Rejected):
            refused = (intent.reason, intent.error, self.state, self.now_ms)
            self.outputs.append(dead_letter(stage.topics, record, *refused))
            return
        key = account_key(intent.enterprise_id, intent.account_id)
        if stage.router.is_misrouted(record, key, self.state):
            self.outputs.append(reroute(stage.topics, stage.router, record, key, self.state))
            return
        before = progress_of(record, self.state, self.now_ms)
        request, customers = request_of(intent, before.accepted_ms), intent.customer_ids
        if not before.done:
            self.state.counters["intents_total", intent.kind] += 1
        self.accounts.register_campaign(intent.enterprise_id, request, customers)
        left = customers[before.done :]
        count = self._admit_intent(intent.enterprise_id, request, left)
        self.accepted += count
        if count < len(left):
            keep(before, count, self.state)
        else:
            finish(self.state)

    def _admit_intent(
        self, enterprise: str, request: Request, customers: list[str], *, again: bool = False
    ) -> int:
        """Where it needs no leave, or it is not for now, an ask goes straight on. How many of the
        customers are done: the first ones, where a batch has no room for all.

        One that the customer stage wants leave for is for now: partitions' clocks differ a little.
        While a queue empties that needs leave no longer, who comes stands in line as well.
        """
        rules = self.accounts.rules_of(enterprise).kind_rules[request.kind]
        early, late = request.not_before_ms, request.deadline_ms
        not_now = (early is not None and early > self.now_ms) or (
            late is not None and late < self.now_ms
        )
        leave = rules.needs_permit or self.accounts.queues(enterprise, request)
        if not leave or (not_now and not again):
            return self.accounts.pass_first(enterprise, request, customers, again=again)
        if request.kind == Kind.TRANSFER:
            key = account_key(enterprise, request.to_account_id or "")
            news = TakeOver(request, customers, again)
            self.outputs.append(news_for(key, news, self.stage.topics, self.stage.router))
            return len(customers)
        return self.accounts.enqueue(enterprise, request, customers, again=again)

    # --- news ---

    def news(self, record: Record) -> None:
        """Take news in."""
        news = decode_news(record.value or b"")
        if isinstance(news, SweepBroadcast):
            begin(news.sweep, self.state, self.now_ms)
            return
        take: Callable[[bytes, Any], None] = self._takes[type(news)].__get__(self)
        take(record.key or b"", news)

    def _account(self, key: bytes, news: AccountFeedback) -> None:
        admission = self.accounts.open(key)
        account, rules, now_ms = admission.account, admission.rules.account, self.now_ms
        if news.facts:
            self._count(key, news.facts)
        for unused in news.returned_permits:
            admission.permit_returned(unused.kind, unused.permit_ms, unused.count)
        for kind, count in news.used_permits.items():
            admission.permit_used(kind, count)
        for leave_ms in news.closed_requests:
            books.close_request(account.state, rules, leave_ms, now_ms)
        for leave_ms in news.handed:
            books.close_request(account.state, rules, leave_ms, now_ms, handed=True)
        for approved_ms in news.cancelled_adds:
            books.cancel_add(account.state, rules, approved_ms, now_ms)
        for wanted in news.permit_requests:
            self.accounts.register_campaign(account.enterprise, wanted.request)
            self._admit_intent(account.enterprise, wanted.request, [wanted.customer], again=True)
        gone: defaultdict[int, set[str]] = defaultdict(set)
        for entry in news.withdrawn:
            gone[entry.ticket].add(entry.customer)
        for ticket, customers in gone.items():
            account.take_out(ticket, customers, self.state)

    def _count(self, key: bytes, told: list[Facts]) -> None:
        admission = self.accounts.open(key)
        account, rules, now_ms = admission.account, admission.rules.account, self.now_ms
        self.accounts.changed(key, books.apply_facts(account.state, rules, told, now_ms))
        for facts in told:
            if facts.heard_ms:
                self.state.counters["brake_ms", str(max(0, now_ms - facts.heard_ms))] += 1
        self.accounts.publisher.sum_up(
            account.enterprise,
            relations=sum([facts.relations for facts in told]),
            delivered=sum([facts.delivered for facts in told]),
            received=sum([facts.received for facts in told]),
        )

    def _status(self, key: bytes, news: StatusNews) -> None:
        admission = self.accounts.open(key)
        book, rules = admission.account.state, admission.rules.account
        changes = books.apply_status(book, rules, news.status, news.at_ms, self.now_ms)
        self.accounts.changed(key, changes)
        if book.status == RESIGNED:
            admission.account.cut_off()

    def _take_over(self, key: bytes, news: TakeOver) -> None:
        self.accounts.take_over(key, news)

    def _campaign(self, key: bytes, news: CampaignNews) -> None:
        self.aggregates.campaign(key, news.facts)

    def _enterprise(self, key: bytes, news: EnterpriseNews) -> None:
        self.aggregates.enterprise(key, news.facts)

    def _told(self, key: bytes, news: CampaignBroadcast | EnterpriseBroadcast) -> None:
        self.accounts.totals.told(news)
        if isinstance(news, CampaignBroadcast):
            self._follow(news.enterprise, news.campaign)

    def _follow(self, enterprise: str, campaign: str) -> None:
        """Those who wait for a campaign go on with its next share; if it is killed, not at all."""
        self.accounts.release_changed(enterprise, campaign)
        if self.accounts.index.waiting_for(enterprise, campaign):
            sweep = Sweep(enterprise=enterprise, campaign=campaign, waiting=True)
            begin(sweep, self.state, self.now_ms)

    _takes: ClassVar[dict[type, Callable[..., None]]] = {
        AccountFeedback: _account,
        StatusNews: _status,
        TakeOver: _take_over,
        CampaignNews: _campaign,
        EnterpriseNews: _enterprise,
        CampaignBroadcast: _told,
        EnterpriseBroadcast: _told,
    }

    # --- time ---

    def timer(self, timer: DueTimer) -> None:
        """Do what the time has come for."""
        head, key = timer.name[:1], timer.name[1:]
        if head == CAMPAIGN:
            self.aggregates.due(key, timer.due_ms)
        elif head == ENTERPRISE:
            self.outputs += self.aggregates.tell_enterprise(key)
        else:
            self.accounts.open(key).account.fired(timer)

    def continue_sweeps(self, timers: Sequence[DueTimer]) -> None:
        """Look at the next ones that sweeps come to."""
        sweeping = SweepVisits(self.state, self.now_ms, self._concerned)
        for key, sweep in sweeping.visits(timers, self.stage.rules.generation):
            if not is_account(key):
                self.aggregates.campaign(key)
                continue
            account, campaign = self.accounts.open(key).account, sweep.campaign
            if campaign is not None and self._is_killed(account.enterprise, campaign):
                account.cut_off(campaign)
            else:  # a new policy may stage what nobody knew of, and what is forgotten begins anew
                named = account.campaigns() if campaign is None else [campaign]
                self.accounts.ask_for_campaigns(account, named)

    def _concerned(self, sweep: Sweep) -> list[bytes]:
        """Whom a sweep is about: a policy moves accounts and campaigns, all else who waits."""
        index, enterprise = self.accounts.index, sweep.enterprise or ""
        if sweep.campaign is not None:
            return sorted(index.waiting_for(enterprise, sweep.campaign))
        if sweep.account is not None:
            return [key for key in [account_key(enterprise, sweep.account)] if key in index.waiting]
        keys = index.waiting if sweep.waiting else self.state
        head = f"{enterprise}/".encode() if enterprise else b""
        return sorted(
            key for key in keys if key.startswith(head) and (is_account(key) or is_campaign(key))
        )

    def _is_killed(self, enterprise: str, campaign: str) -> bool:
        word = self.accounts.totals.campaign(enterprise, campaign)
        return word is not None and word.phase is Phase.KILLED

    def close(self) -> list[Output]:
        """What follows from all of it."""
        self.accounts.close()
        self.outputs += self.aggregates.close()
        balance.add(self.state, self.accepted)
        return self.outputs
