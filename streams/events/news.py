"""News for the account stage: what its accounts, campaigns and enterprises learn from elsewhere.

One internal topic carries them all, keyed by whom they are for (`keys`); what everybody must know
is written to every partition without a key. Rules of this file: an internal format in MessagePack;
fields are only ever appended, with a default.
"""

from __future__ import annotations

from typing import Final

import msgspec

from streams.core.account.facts import Facts
from streams.core.campaign import CampaignFacts, CampaignWord
from streams.core.customer.request import Ask
from streams.core.enterprise import EnterpriseFacts, EnterpriseWord
from streams.events.sweeps import Sweep


class Unused(msgspec.Struct, frozen=True, array_like=True):
    """Leave for `count` messages of a kind, given at `leave_ms`, of which no use was made."""

    kind: int
    leave_ms: int
    count: int


class Wanted(msgspec.Struct, frozen=True, array_like=True):
    """A held ask that lacks nothing but leave, and its customer."""

    ask: Ask
    customer: str


class GivenUp(msgspec.Struct, frozen=True, array_like=True):
    """A customer who is to be taken out of the queue, and the ticket they wait under."""

    ticket: int
    customer: str


class AccountNews(msgspec.Struct, frozen=True, array_like=True, tag="account"):
    """For one account, out of one batch of a partition of customers.

    `answered`, `handed`: when leave was given for friend requests, and for transfers, whose place
    is no longer waiting for an answer. `undone`: when friend requests were approved that were not
    sent.
    `given_up`: who waits in the queue for nothing. `used`: by kind, how many were approved of those
    whose leave takes an add or a place.
    """

    facts: list[Facts] = []
    unused: list[Unused] = []
    answered: list[int] = []
    wanted: list[Wanted] = []
    undone: list[int] = []
    given_up: list[GivenUp] = []
    used: dict[int, int] = {}
    handed: list[int] = []


class StatusNews(msgspec.Struct, frozen=True, array_like=True, tag="status"):
    """The account's status as its enterprise tells it."""

    status: str
    at_ms: int


class TakeOver(msgspec.Struct, frozen=True, array_like=True, tag="take-over"):
    """Transfers to this account are asked for: has it room?"""

    ask: Ask
    customers: list[str]
    again: bool = False


class CampaignNews(msgspec.Struct, frozen=True, array_like=True, tag="campaign"):
    """For one campaign, out of one batch."""

    facts: CampaignFacts


class EnterpriseNews(msgspec.Struct, frozen=True, array_like=True, tag="enterprise"):
    """For one enterprise, out of one batch of a partition of accounts."""

    facts: EnterpriseFacts


class CampaignTold(msgspec.Struct, frozen=True, array_like=True, tag="campaign-told"):
    """To every partition: how far a campaign may go; None: it is over and forgotten."""

    enterprise: str
    campaign: str
    word: CampaignWord | None


class EnterpriseTold(msgspec.Struct, frozen=True, array_like=True, tag="enterprise-told"):
    """To every partition: what all accounts of an enterprise hold together."""

    enterprise: str
    word: EnterpriseWord


class RulesTold(msgspec.Struct, frozen=True, array_like=True, tag="rules-told"):
    """To every partition: policies or controls have changed."""

    sweep: Sweep


News = (
    AccountNews
    | StatusNews
    | TakeOver
    | CampaignNews
    | EnterpriseNews
    | CampaignTold
    | EnterpriseTold
    | RulesTold
)

encode_news: Final = msgspec.msgpack.Encoder().encode
decode_news: Final = msgspec.msgpack.Decoder(News).decode
