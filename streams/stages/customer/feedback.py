"""What one batch of the customer stage has to tell accounts and campaigns, summed.

A million receipts become a few thousand records this way. Rules of this file: it adds up and
writes down; what an event is worth is `noting`'s affair, what follows from it the account stage's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.account.facts import GRAIN_MS, Facts
from streams.core.campaign import CampaignFacts
from streams.core.customer.feedback import HURTS
from streams.core.customer.ledger import Friend
from streams.core.kinds import Kind
from streams.events.keys import account_key, campaign_key
from streams.events.news import AccountNews, CampaignNews, GivenUp, Unused, Wanted
from streams.stages.routing import news_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.core.customer.feedback import Charge
    from streams.core.customer.ledger import Giving, Ledger
    from streams.core.customer.request import Ask, Candidate
    from streams.runtime.stage import Output
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
    giving: Giving | None = None


def ties_of(ledger: Ledger) -> dict[str, Tie]:
    """The ties of one customer, to tell later what has become of them."""
    return {
        account: Tie(pair.friend == Friend.YES, pair.asked_ms, pair.giving)
        for account, pair in ledger.pairs.items()
    }


class _Account:
    """What there is to tell one account."""

    __slots__ = (
        *("answered", "counts", "given_up", "handed", "heard_ms", "relations", "undone"),
        "unused",
        *("used", "wanted"),
    )

    def __init__(self) -> None:
        self.counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.heard_ms: dict[int, int] = {}
        self.relations: Counter[int] = Counter()
        self.unused: Counter[tuple[int, int]] = Counter()
        self.used: Counter[int] = Counter()
        self.answered: list[int] = []
        self.handed: list[int] = []
        self.undone: list[int] = []
        self.wanted: list[Wanted] = []
        self.given_up: list[GivenUp] = []

    def news(self) -> Iterator[AccountNews]:
        """One record, and more for the asks, which may be long."""
        times = {**self.counts, **self.relations}
        if times or self.unused or self.used or self.answered or self.handed or self.undone:
            yield self._summed(times)
        for first in range(0, len(self.given_up), NAMES_MOST):
            yield AccountNews(given_up=self.given_up[first : first + NAMES_MOST])
        for first in range(0, len(self.wanted), ASKS_MOST):
            yield AccountNews(wanted=self.wanted[first : first + ASKS_MOST])

    def _summed(self, times: Iterable[int]) -> AccountNews:
        return AccountNews(
            facts=[
                Facts(
                    at_ms=at_ms,
                    relations=self.relations[at_ms],
                    heard_ms=self.heard_ms.get(at_ms, 0),
                    **self.counts[at_ms],
                )
                for at_ms in sorted(times)
            ],
            unused=[Unused(kind, leave_ms, n) for (kind, leave_ms), n in self.unused.items()],
            answered=self.answered,
            handed=self.handed,
            undone=self.undone,
            used=dict(self.used),
        )


class Telling:
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
            told.undone.append(contact.decided_ms)  # leave is used on the day it was given
        campaign = None if contact is None else contact.campaign
        if campaign is not None and what in _OF_CAMPAIGNS:
            self._campaigns[campaign_key(enterprise, campaign)][what] += charge.by

    def asked(self, enterprise: str, campaign: str) -> None:
        """A customer was asked for in a campaign's name, and not for what came before."""
        self._campaigns[campaign_key(enterprise, campaign)]["asked"] += 1

    def approved(self, enterprise: str, campaign: str) -> None:
        """One message of a campaign was approved."""
        self._campaigns[campaign_key(enterprise, campaign)]["approved"] += 1

    def unused(self, enterprise: str, candidate: Candidate) -> None:
        """No use was made of an account's leave."""
        told = self._giver_of_leave(enterprise, candidate.ask)
        told.unused[candidate.ask.kind, candidate.leave_ms] += 1

    def used(self, enterprise: str, candidate: Candidate) -> None:
        """What an account's leave was given for was approved."""
        self._giver_of_leave(enterprise, candidate.ask).used[candidate.ask.kind] += 1

    def _giver_of_leave(self, enterprise: str, ask: Ask) -> _Account:
        taker = ask.to_account_id if ask.kind == Kind.TRANSFER else None
        return self._accounts[account_key(enterprise, taker or ask.account_id)]

    def wanted(self, enterprise: str, customer: str, asks: Iterable[Ask]) -> None:
        """Held asks lack nothing but leave."""
        for ask in asks:
            told = self._accounts[account_key(enterprise, ask.account_id)]
            told.wanted.append(Wanted(ask, customer))

    def given_up(self, enterprise: str, customer: str, tickets: Iterable[tuple[str, int]]) -> None:
        """What waits in accounts' queues is over."""
        for account, ticket in tickets:
            told = self._accounts[account_key(enterprise, account)]
            told.given_up.append(GivenUp(ticket, customer))

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
            told.answered.append(was.asked_ms)
        if was.giving is not None and was.giving != now.giving and was.giving.leave_ms:
            taker = self._accounts[account_key(enterprise, was.giving.taker)]
            taker.handed.append(was.giving.leave_ms)

    def outputs(self, topics: Topics, router: Router) -> Iterator[Output]:
        """One record for each account and campaign that there is news for."""
        for key, told in self._accounts.items():
            for news in told.news():
                yield news_for(key, news, topics, router)
        for key, counts in self._campaigns.items():
            facts = CampaignFacts(at_ms=self._now_ms, **counts)
            yield news_for(key, CampaignNews(facts), topics, router)
