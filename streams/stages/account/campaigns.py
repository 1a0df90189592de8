"""Campaigns that a batch meets: their owners hear of them, and of audiences larger than was known.

Rules of this file: it says what was met; how far a campaign may go is its owner's to say. Until
then `assumed_release` holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.campaign_state import CampaignFacts, assumed_release, is_staged
from streams.core.kinds import STAGED
from streams.events.internal import CampaignNews
from streams.events.keys import campaign_key
from streams.stages.account.store import group_of
from streams.stages.routing import news_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.core.customer.request import Request
    from streams.runtime.records import Output
    from streams.stages.account.context import RulesInForce
    from streams.stages.account.index import AccountIndex
    from streams.stages.account.store import StoredAccount
    from streams.stages.account.totals import SharedTotals
    from streams.stages.context import StageContext


class CampaignRegister:
    """The campaigns of one batch that their owners are to hear of, and how large they are."""

    def __init__(self, rules: RulesInForce, index: AccountIndex, totals: SharedTotals) -> None:
        self._rules, self._index, self._totals = rules, index, totals
        self._came: dict[bytes, set[tuple[str, str, str]]] = {}
        self._sizes: dict[bytes, int | None] = {}

    def register(self, enterprise: str, request: Request, customers: Iterable[str] = ()) -> None:
        """Note the campaign of a request, if its owner does not know it, or not this size.

        An audience is as large as the largest that was named, and no smaller than what comes in one
        batch, a repeat being nobody new; what came before, customers' partitions report.
        """
        canary = self._rules.of(enterprise).kind_rules[request.kind].canary
        campaign = request.campaign_id
        if canary is None or campaign is None or request.kind not in STAGED:
            return
        release = self._totals.campaign(enterprise, campaign)
        size = _largest(request.campaign_size, None if release is None else release.size)
        key = campaign_key(enterprise, campaign)
        if size is not None and not is_staged(canary, size):
            came = self._came.setdefault(key, set())
            came |= {(request.source, request.intent_id, customer) for customer in customers}
            if is_staged(canary, len(came)):
                size = len(came)
        if release is None or size != release.size:
            self._sizes[key] = size
            self._totals.assume(enterprise, campaign, assumed_release(canary, release, size))
            self._index.apply_release(enterprise, campaign)

    def register_waiting(self, account: StoredAccount, campaigns: Iterable[str]) -> None:
        """Note those campaigns that an account's customers wait for and that are not known here."""
        for campaign in campaigns:
            entry = next(account.queue.of(group_of(campaign)), None)
            if entry is not None and self._totals.campaign(account.enterprise, campaign) is None:
                self.register(account.enterprise, account.slices.read(entry.seq).request)

    def outputs(self, context: StageContext, now_ms: int) -> Iterator[Output]:
        """One record for the owner of each."""
        for key, size in self._sizes.items():
            news = CampaignNews(CampaignFacts(at_ms=now_ms, size=size))
            yield news_for(key, news, context.topics, context.router)


def _largest(one: int | None, other: int | None) -> int | None:
    return max((size for size in (one, other) if size is not None), default=None)
