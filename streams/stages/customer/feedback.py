"""What one batch of the customer stage has to tell accounts and campaigns, summed.

A million receipts become a few thousand records this way. Rules of this file: it adds up and
writes down; what an event is worth is `noting`'s affair, what follows from it the account stage's.
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

ASKS_MOST: Final = 100
"""Asks in one record: the longest that the contract allows are 23 kB each."""

NAMES_MOST: Final = 1_000
"""Customers given up in one record, as many as an intent may name."""

_HURTS: Final = frozenset(HURTS)
_OF_CAMPAIGNS: Final = _HURTS | {"delivered"}


class Tie(NamedTuple):
    """What binds a customer and an account, as far as the account's book counts it."""

    friends: bool = False
    asked_ms: int = 0
    giving: PendingTransfer | None = None


def ties_of(ledger: Ledger) -> dict[str, Tie]:
    """The ties of one customer, to tell later what has become of them."""
    return {
        account: Tie(
            relationship.friend == Friend.YES,
            relationship.friend_request_ms,
            relationship.pending_transfer,
        )
        for account, relationship in ledger.relationships.items()
    }


class _Account:
    """What there is to tell one account."""

    __slots__ = (
        *(
            "closed_requests",
            "counts",
            "withdrawn",
            "handed",
            "heard_ms",
            "relations",
            "cancelled_adds",
        ),
        "returned_permits",
        *("used_permits", "permit_requests"),
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
        """One record, and more for the asks, which may be long."""
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
        for first in range(0, len(self.withdrawn), NAMES_MOST):
            yield AccountFeedback(withdrawn=self.withdrawn[first : first + NAMES_MOST])
        for first in range(0, len(self.permit_requests), ASKS_MOST):
            yield AccountFeedback(permit_requests=self.permit_requests[first : first + ASKS_MOST])

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
                ReturnedPermit(kind, leave_ms, n)
                for (kind, leave_ms), n in self.returned_permits.items()
            ],
            closed_requests=self.closed_requests,
            handed=self.handed,
            cancelled_adds=self.cancelled_adds,
            used_permits=dict(self.used_permits),
        )


class Feedback:
    """The news of one batch."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._accounts: defaultdict[bytes, _Account] = defaultdict(_Account)
        self._campaigns: defaultdict[bytes, Counter[str]] = defaultdict(Counter)

    def count(self, enterprise: str, charge: Charge, heard_ms: int) -> None:
        """What an event makes an account count; `heard_ms`: the broker's time of the event."""
        told = self._accounts[account_key(enterprise, charge.account)]
        what, contact, at_ms = charge.what, charge.contact, charge.at_ms
        if what in _HURTS:
            told.counts[at_ms][what] += charge.by
            if charge.by > 0:
                told.heard_ms[at_ms] = min(heard_ms, told.heard_ms.get(at_ms, heard_ms))
        elif what != "failed":
            told.counts[at_ms - at_ms % GRAIN_MS][what] += charge.by
        elif contact is not None and contact.kind == Kind.FRIEND_REQUEST:
            told.cancelled_adds.append(contact.decided_ms)  # leave is used on the day it was given
        campaign = None if contact is None else contact.campaign
        if campaign is not None and what in _OF_CAMPAIGNS:
            self._campaigns[campaign_key(enterprise, campaign)][what] += charge.by

    def asked(self, enterprise: str, campaign: str) -> None:
        """A customer was asked for in a campaign's name, and not for what came before."""
        self._campaigns[campaign_key(enterprise, campaign)]["asked"] += 1

    def approved(self, enterprise: str, campaign: str) -> None:
        """One message of a campaign was approved."""
        self._campaigns[campaign_key(enterprise, campaign)]["approved"] += 1

    def permit_returned(self, enterprise: str, candidate: Candidate) -> None:
        """No use was made of an account's leave."""
        told = self._giver_of_leave(enterprise, candidate.request)
        told.returned_permits[candidate.request.kind, candidate.permit_ms] += 1

    def permit_used(self, enterprise: str, candidate: Candidate) -> None:
        """What an account's leave was given for was approved."""
        self._giver_of_leave(enterprise, candidate.request).used_permits[
            candidate.request.kind
        ] += 1

    def _giver_of_leave(self, enterprise: str, request: Request) -> _Account:
        taker = request.to_account_id if request.kind == Kind.TRANSFER else None
        return self._accounts[account_key(enterprise, taker or request.account_id)]

    def permit_wanted(self, enterprise: str, customer: str, requests: Iterable[Request]) -> None:
        """Held asks lack nothing but leave."""
        for request in requests:
            told = self._accounts[account_key(enterprise, request.account_id)]
            told.permit_requests.append(PermitRequest(request, customer))

    def withdrawn(self, enterprise: str, customer: str, tickets: Iterable[tuple[str, int]]) -> None:
        """What waits in accounts' queues is over."""
        for account, ticket in tickets:
            told = self._accounts[account_key(enterprise, account)]
            told.withdrawn.append(WithdrawnEntry(ticket, customer))

    def compare(self, enterprise: str, before: dict[str, Tie], after: dict[str, Tie]) -> None:
        """Tell what has become of a customer's ties."""
        for account in {**before, **after}:
            was, now = before.get(account, Tie()), after.get(account, Tie())
            if was != now:
                self._changed(enterprise, account, was, now)

    def _changed(self, enterprise: str, account: str, was: Tie, now: Tie) -> None:
        told = self._accounts[account_key(enterprise, account)]
        if was.friends != now.friends:
            told.relations[self._now_ms] += 1 if now.friends else -1
        if was.asked_ms not in {0, now.asked_ms}:
            told.closed_requests.append(was.asked_ms)
        if was.giving is not None and was.giving != now.giving and was.giving.permit_ms:
            taker = self._accounts[account_key(enterprise, was.giving.taker)]
            taker.handed.append(was.giving.permit_ms)

    def outputs(self, topics: Topics, router: Router) -> Iterator[Output]:
        """One record for each account and campaign that there is news for."""
        for key, told in self._accounts.items():
            for news in told.news():
                yield news_for(key, news, topics, router)
        for key, counts in self._campaigns.items():
            facts = CampaignFacts(at_ms=self._now_ms, **counts)
            yield news_for(key, CampaignNews(facts), topics, router)
