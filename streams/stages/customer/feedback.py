"""Feedback to accounts and campaigns: what one batch of the customer stage counted, summed.

So a million receipts become a few thousand records. Rules of this file: it adds up and encodes.
`interactions` says what an event is worth; the account stage decides what follows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.account.facts import GRAIN_MS, Facts
from streams.core.campaign_state import CampaignFacts
from streams.core.customer.feedback import HURTS
from streams.core.customer.ledger import Friend
from streams.core.kinds import Kind
from streams.events.internal import (
    AccountFeedback,
    CampaignNews,
    PermitRequest,
    ReturnedPermit,
    WithdrawnEntry,
)
from streams.events.keys import account_key, campaign_key
from streams.stages.routing import news_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.core.customer.feedback import Charge
    from streams.core.customer.ledger import Ledger, PendingTransfer
    from streams.core.customer.request import Candidate, Request
    from streams.runtime.records import Output
    from streams.stages.routing import Router
    from streams.topics import Topics

REQUESTS_MOST: Final = 100
"""Permit requests in one record: the longest that the contract allows have 23 kB each."""

WITHDRAWN_MOST: Final = 1_000
"""Withdrawn entries in one record: as many as an intent may name customers."""

_HURTS: Final = frozenset(HURTS)
_OF_CAMPAIGNS: Final = _HURTS | {"delivered"}


class Tie(NamedTuple):
    """What an account counts of its relationship with a customer."""

    friends: bool = False
    friend_request_ms: int = 0
    pending_transfer: PendingTransfer | None = None


def ties_of(ledger: Ledger) -> dict[str, Tie]:
    """The ties of one customer by account, to compare them later."""
    return {
        account: Tie(
            relationship.friend == Friend.YES,
            relationship.friend_request_ms,
            relationship.pending_transfer,
        )
        for account, relationship in ledger.relationships.items()
    }


class _AccountSums:
    """The feedback to one account."""

    __slots__ = (
        "cancelled_adds",
        "closed_requests",
        "counts",
        "handed",
        "heard_ms",
        "permit_requests",
        "relations",
        "returned_permits",
        "used_permits",
        "withdrawn",
    )

    def __init__(self) -> None:
        self.counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.heard_ms: dict[int, int] = {}
        self.relations: Counter[int] = Counter()
        self.returned_permits: Counter[tuple[int, int]] = Counter()
        self.used_permits: Counter[int] = Counter()
        self.closed_requests: list[int] = []
        self.handed: list[int] = []
        self.cancelled_adds: list[int] = []
        self.permit_requests: list[PermitRequest] = []
        self.withdrawn: list[WithdrawnEntry] = []

    def news(self) -> Iterator[AccountFeedback]:
        """One record with the sums, and further ones for withdrawn entries and permit requests."""
        times = {**self.counts, **self.relations}
        if (
            times
            or self.returned_permits
            or self.used_permits
            or self.closed_requests
            or self.handed
            or self.cancelled_adds
        ):
            yield self._summed(times)
        for first in range(0, len(self.withdrawn), WITHDRAWN_MOST):
            yield AccountFeedback(withdrawn=self.withdrawn[first : first + WITHDRAWN_MOST])
        for first in range(0, len(self.permit_requests), REQUESTS_MOST):
            yield AccountFeedback(
                permit_requests=self.permit_requests[first : first + REQUESTS_MOST]
            )

    def _summed(self, times: Iterable[int]) -> AccountFeedback:
        return AccountFeedback(
            facts=[
                Facts(
                    at_ms=at_ms,
                    relations=self.relations[at_ms],
                    heard_ms=self.heard_ms.get(at_ms, 0),
                    **self.counts[at_ms],
                )
                for at_ms in sorted(times)
            ],
            returned_permits=[
                ReturnedPermit(kind, permit_ms, n)
                for (kind, permit_ms), n in self.returned_permits.items()
            ],
            closed_requests=self.closed_requests,
            handed=self.handed,
            cancelled_adds=self.cancelled_adds,
            used_permits=dict(self.used_permits),
        )


class Feedback:
    """The feedback of one batch."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._accounts: defaultdict[bytes, _AccountSums] = defaultdict(_AccountSums)
        self._campaigns: defaultdict[bytes, Counter[str]] = defaultdict(Counter)

    def count(self, enterprise: str, charge: Charge, heard_ms: int) -> None:
        """Add a charge; `heard_ms`: the broker's time of the event."""
        sums = self._accounts[account_key(enterprise, charge.account)]
        what, contact, at_ms = charge.what, charge.contact, charge.at_ms
        if what in _HURTS:
            sums.counts[at_ms][what] += charge.by
            if charge.by > 0:
                sums.heard_ms[at_ms] = min(heard_ms, sums.heard_ms.get(at_ms, heard_ms))
        elif what != "failed":
            sums.counts[at_ms - at_ms % GRAIN_MS][what] += charge.by
        elif contact is not None and contact.kind == Kind.FRIEND_REQUEST:
            sums.cancelled_adds.append(
                contact.decided_ms
            )  # a permit counts for the day it was given
        campaign = None if contact is None else contact.campaign
        if campaign is not None and what in _OF_CAMPAIGNS:
            self._campaigns[campaign_key(enterprise, campaign)][what] += charge.by

    def asked(self, enterprise: str, campaign: str) -> None:
        """An intent of a campaign named a customer; repeats are not counted."""
        self._campaigns[campaign_key(enterprise, campaign)]["asked"] += 1

    def approved(self, enterprise: str, campaign: str) -> None:
        """One message of a campaign was approved."""
        self._campaigns[campaign_key(enterprise, campaign)]["approved"] += 1

    def permit_returned(self, enterprise: str, candidate: Candidate) -> None:
        """Nothing was approved with an account's permit."""
        sums = self._permit_giver(enterprise, candidate.request)
        sums.returned_permits[candidate.request.kind, candidate.permit_ms] += 1

    def permit_used(self, enterprise: str, candidate: Candidate) -> None:
        """A request was approved with an account's permit."""
        sums = self._permit_giver(enterprise, candidate.request)
        sums.used_permits[candidate.request.kind] += 1

    def _permit_giver(self, enterprise: str, request: Request) -> _AccountSums:
        taker = request.to_account_id if request.kind == Kind.TRANSFER else None
        return self._accounts[account_key(enterprise, taker or request.account_id)]

    def permit_wanted(self, enterprise: str, customer: str, requests: Iterable[Request]) -> None:
        """These held requests lack nothing but a permit."""
        for request in requests:
            sums = self._accounts[account_key(enterprise, request.account_id)]
            sums.permit_requests.append(PermitRequest(request, customer))

    def withdrawn(self, enterprise: str, customer: str, tickets: Iterable[tuple[str, int]]) -> None:
        """Entries of accounts' queues, by account and ticket, whose requests have ended."""
        for account, ticket in tickets:
            sums = self._accounts[account_key(enterprise, account)]
            sums.withdrawn.append(WithdrawnEntry(ticket, customer))

    def compare(self, enterprise: str, before: dict[str, Tie], after: dict[str, Tie]) -> None:
        """Report how a customer's ties have changed."""
        for account in {**before, **after}:
            was, now = before.get(account, Tie()), after.get(account, Tie())
            if was != now:
                self._changed(enterprise, account, was, now)

    def _changed(self, enterprise: str, account: str, was: Tie, now: Tie) -> None:
        sums = self._accounts[account_key(enterprise, account)]
        if was.friends != now.friends:
            sums.relations[self._now_ms] += 1 if now.friends else -1
        if was.friend_request_ms not in {0, now.friend_request_ms}:
            sums.closed_requests.append(was.friend_request_ms)
        transfer = was.pending_transfer
        if transfer is not None and transfer != now.pending_transfer and transfer.permit_ms:
            taker = self._accounts[account_key(enterprise, transfer.taker)]
            taker.handed.append(transfer.permit_ms)

    def outputs(self, topics: Topics, router: Router) -> Iterator[Output]:
        """The records for all accounts and campaigns that have news."""
        for key, sums in self._accounts.items():
            for news in sums.news():
                yield news_for(key, news, topics, router)
        for key, counts in self._campaigns.items():
            facts = CampaignFacts(at_ms=self._now_ms, **counts)
            yield news_for(key, CampaignNews(facts), topics, router)
