"""Campaigns and enterprises: small sums with one owner each, whose totals every partition knows.

Their keys live among the accounts' partitions. What changes the totals is written to every
partition, which keeps them in its own state (`totals`). Rules of this file: bytes, timers and
outputs; phases and sums are the core's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.core import campaign as campaigns
from streams.core import campaign_state
from streams.core import enterprise as enterprises
from streams.core.campaign_state import Phase
from streams.events.internal import (
    CampaignBroadcast,
    CampaignSweep,
    EnterpriseBroadcast,
    encode_news,
    encode_sweep,
)
from streams.events.limits import encode_campaign_status, encode_enterprise_limits
from streams.stages.routing import to_every_partition
from streams.stages.state_keys import CAMPAIGN_TIMER, DUE, ENTERPRISE_TIMER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.core.campaign_state import CampaignFacts
    from streams.core.enterprise import EnterpriseFacts
    from streams.events.internal import News
    from streams.runtime.records import Output
    from streams.runtime.state import State
    from streams.stages.context import StageContext

OUTAGE_MS: Final = 60_000
"""A timer so late says that nobody was at work: what came meanwhile is still to be read."""


class Aggregates:
    """The campaigns and enterprises whose keys are this partition's, in one batch."""

    def __init__(self, context: StageContext, state: State, now_ms: int) -> None:
        self._topics, self._router, self._rules = context
        self._state, self._now_ms = state, now_ms
        self._campaigns: dict[bytes, list[CampaignFacts]] = {}

    def add_campaign(self, key: bytes, facts: CampaignFacts | None = None) -> None:
        """Facts of a campaign, or None to review it at the batch's end."""
        known = self._campaigns.setdefault(key, [])
        if facts is not None:
            known.append(facts)

    def campaign_due(self, key: bytes, due_ms: int) -> None:
        """A campaign's timer has come; late, if this partition was nobody's for a while."""
        if self._now_ms - due_ms > OUTAGE_MS:
            campaign = campaign_state.load(self._state.get(key))
            campaigns.restart_hold(campaign, self._now_ms)
            self._state.put(key, campaign_state.dump(campaign))
        self.add_campaign(key)

    def add_enterprise(self, key: bytes, facts: EnterpriseFacts) -> None:
        """Facts of an enterprise, whose totals are published a little later."""
        enterprise = enterprises.load(self._state.get(key))
        enterprises.apply_facts(enterprise, facts, self._now_ms)
        self._state.put(key, enterprises.dump(enterprise))
        due_ms = enterprises.next_publish_ms(facts, self._now_ms)
        self._state.set_timer(due_ms, ENTERPRISE_TIMER + key)

    # --- campaigns, at the batch's end ---

    def close(self) -> Iterator[Output]:
        """What there is to publish of the campaigns of this batch."""
        for key, facts in self._campaigns.items():
            yield from self._close(key, facts)

    def _close(self, key: bytes, facts: list[CampaignFacts]) -> Iterator[Output]:
        enterprise, _, name = key.decode().split("/")
        policy = self._rules.policy(enterprise, self._now_ms)
        rules = campaign_state.campaign_rules_of(policy)
        campaign = campaign_state.load(self._state.get(key))
        if not facts and campaigns.is_forgotten(campaign, self._now_ms):
            yield from self._forget(key, enterprise, name)
            return
        before = campaign_state.release_of(campaign) if campaign.noted_ms else None
        for one in facts:
            campaigns.apply_facts(campaign, rules, one, self._now_ms)
        campaigns.review(campaign, rules, self._now_ms)
        release = campaign_state.release_of(campaign)
        value = campaign_state.dump(campaign)
        self._set_timer(key, campaigns.next_review_ms(campaign, rules, self._now_ms))
        if value != self._state.get(key):
            self._state.put(key, value)
            status = campaigns.status_of(campaign, rules, self._now_ms)
            now = policy.version, self._now_ms
            event = encode_campaign_status(enterprise, name, status, *now)
            yield self._status(enterprise, name, event)
        if release != before:
            yield from self._broadcast(CampaignBroadcast(enterprise, name, release))
            if release.phase is Phase.KILLED:
                yield from self._sweep_customers(enterprise, name, killed=True)

    def _forget(self, key: bytes, enterprise: str, name: str) -> Iterator[Output]:
        self._state.delete(key)
        self._set_timer(key, None)
        yield self._status(enterprise, name, None)
        yield from self._broadcast(CampaignBroadcast(enterprise, name, None))
        yield from self._sweep_customers(enterprise, name, killed=False)

    def _sweep_customers(self, enterprise: str, name: str, *, killed: bool) -> Iterable[Output]:
        """What is held without an account's queue must not go either, whatever the policy."""
        sweep = encode_sweep(CampaignSweep(enterprise=enterprise, campaign=name, killed=killed))
        return to_every_partition(self._topics.sweeps, self._router.partitions, sweep)

    def _status(self, enterprise: str, name: str, value: bytes | None) -> Output:
        key = f"{enterprise}/{name}".encode()
        return self._topics.campaign_status, self._router.partition(key), key, value

    def _set_timer(self, key: bytes, due_ms: int | None) -> None:
        before = self._state.get(DUE + key)
        if before is not None:
            self._state.cancel_timer(int(before), CAMPAIGN_TIMER + key)
        if due_ms is None:
            self._state.delete(DUE + key)
        else:
            self._state.set_timer(due_ms, CAMPAIGN_TIMER + key)
            self._state.put(DUE + key, b"%d" % due_ms)

    # --- enterprises, at their timer ---

    def publish_enterprise(self, key: bytes) -> Iterator[Output]:
        """The enterprise's totals, for readers and for every partition."""
        enterprise = key.decode().removesuffix("//")
        policy = self._rules.policy(enterprise, self._now_ms)
        rules = enterprises.enterprise_rules_of(policy)
        sums = enterprises.load(self._state.get(key))
        enterprises.forget(sums, rules, self._now_ms)
        self._state.put(key, enterprises.dump(sums))
        status = enterprises.status_of(sums, rules, self._now_ms)
        event = encode_enterprise_limits(enterprise, status, policy.version, self._now_ms)
        name = enterprise.encode()
        yield self._topics.enterprise_limits, self._router.partition(name), name, event
        totals = enterprises.totals_of(sums, rules, self._now_ms)
        yield from self._broadcast(EnterpriseBroadcast(enterprise, totals))

    def _broadcast(self, news: News) -> Iterable[Output]:
        topic, partitions = self._topics.account_news, self._router.partitions
        return to_every_partition(topic, partitions, encode_news(news))
