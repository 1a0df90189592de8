"""News for the account stage: what its accounts, campaigns and enterprises learn from elsewhere.

One internal topic carries them all, keyed by whom they are for (`keys`); what everybody must know
is written to every partition without a key. Rules of this file: an internal format in MessagePack;
fields are only ever appended, with a default.
"""

from __future__ import annotations

from typing import Final

import msgspec

from streams.core.account.facts import Facts
from streams.core.campaign import CampaignFacts, CampaignRelease
from streams.core.customer.request import Request
from streams.core.enterprise import EnterpriseFacts, EnterpriseTotals
from streams.events.sweeps import Sweep


class ReturnedPermit(msgspec.Struct, frozen=True, array_like=True):
    """Leave for `count` messages of a kind, given at `leave_ms`, of which no use was made."""

    kind: int
    permit_ms: int
    count: int


class PermitRequest(msgspec.Struct, frozen=True, array_like=True):
    """A held ask that lacks nothing but leave, and its customer."""

    request: Request
    customer: str


class WithdrawnEntry(msgspec.Struct, frozen=True, array_like=True):
    """A customer who is to be taken out of the queue, and the ticket they wait under."""

    ticket: int
    customer: str


class AccountFeedback(msgspec.Struct, frozen=True, array_like=True, tag="account"):
    """For one account, out of one batch of a partition of customers.

    `answered`, `handed`: when leave was given for friend requests, and for transfers, whose place
    is no longer waiting for an answer. `undone`: when friend requests were approved that were not
    sent.
    `given_up`: who waits in the queue for nothing. `used`: by kind, how many were approved of those
    whose leave takes an add or a place.
    """

    facts: list[Facts] = []
    returned_permits: list[ReturnedPermit] = []
    closed_requests: list[int] = []
    permit_requests: list[PermitRequest] = []
    cancelled_adds: list[int] = []
    withdrawn: list[WithdrawnEntry] = []
    used_permits: dict[int, int] = {}
    handed: list[int] = []


class StatusNews(msgspec.Struct, frozen=True, array_like=True, tag="status"):
    """The account's status as its enterprise tells it."""

    status: str
    at_ms: int


class TakeOver(msgspec.Struct, frozen=True, array_like=True, tag="take-over"):
    """Transfers to this account are asked for: has it room?"""

    request: Request
    customers: list[str]
    is_held: bool = False


class CampaignNews(msgspec.Struct, frozen=True, array_like=True, tag="campaign"):
    """For one campaign, out of one batch."""

    facts: CampaignFacts


class EnterpriseNews(msgspec.Struct, frozen=True, array_like=True, tag="enterprise"):
    """For one enterprise, out of one batch of a partition of accounts."""

    facts: EnterpriseFacts


class CampaignBroadcast(msgspec.Struct, frozen=True, array_like=True, tag="campaign-told"):
    """To every partition: how far a campaign may go; None: it is over and forgotten."""

    enterprise: str
    campaign: str
    release: CampaignRelease | None


class EnterpriseBroadcast(msgspec.Struct, frozen=True, array_like=True, tag="enterprise-told"):
    """To every partition: what all accounts of an enterprise hold together."""

    enterprise: str
    totals: EnterpriseTotals


class SweepBroadcast(msgspec.Struct, frozen=True, array_like=True, tag="rules-told"):
    """To every partition: policies or controls have changed."""

    sweep: Sweep


News = (
    AccountFeedback
    | StatusNews
    | TakeOver
    | CampaignNews
    | EnterpriseNews
    | CampaignBroadcast
    | EnterpriseBroadcast
    | SweepBroadcast
)

encode_news: Final = msgspec.msgpack.Encoder().encode
decode_news: Final = msgspec.msgpack.Decoder(News).decode
