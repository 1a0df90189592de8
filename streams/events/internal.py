"""Messages between the stages, in MessagePack: candidates, sweeps and news.

- A *candidate* carries an intent's customer from the account stage to the customer stage.
- A *sweep* asks every partition of the customer stage to decide held intents again. Held intents
  are never polled: whoever changes what holds them (a policy, an operator's control, an account's
  status) writes a sweep.
- *News* tells the account stage what its accounts, campaigns and enterprises learn from elsewhere.
  One topic carries all news, keyed by the receiver (`keys`); a broadcast has no key and is written
  to every partition.

Rules of this file: an internal format. Structs are arrays: append fields, each with a default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.account.facts import Facts
from streams.core.campaign_state import CampaignFacts, CampaignRelease
from streams.core.customer.request import Candidate, Request
from streams.core.enterprise import EnterpriseFacts, EnterpriseTotals
from streams.core.kinds import KIND_OF

if TYPE_CHECKING:
    from streams.events.intents import Intent

_encode: Final = msgspec.msgpack.Encoder().encode

# ---- candidates: account stage to customer stage -----------------------------------------------

# The record's key names the customer: customers of one intent share one value, encoded once.
encode_candidate: Final = _encode
decode_candidate: Final = msgspec.msgpack.Decoder(Candidate).decode


def request_of(intent: Intent, accepted_ms: int) -> Request:
    """The request that all customers of an intent share; `accepted_ms`: the engine's clock."""
    return Request(
        intent_id=intent.id,
        source=intent.source,
        account_id=intent.account_id,
        kind=KIND_OF[intent.kind],
        priority=intent.priority,
        deny=intent.if_not_now == "deny",
        accepted_ms=accepted_ms,
        campaign_id=intent.campaign_id,
        campaign_size=intent.campaign_size,
        not_before_ms=intent.not_before_ms,
        deadline_ms=intent.deadline_ms,
        content_ref=intent.content_ref,
        attributes=intent.attributes,
        to_account_id=intent.to_account_id,
    )


# ---- sweeps: to every partition of the customer stage ------------------------------------------


class Sweep(msgspec.Struct, frozen=True, array_like=True, tag="rules"):
    """Rules changed: decide again what is held in a scope. The other sweeps extend this one.

    The scope is an enterprise (None: all), its account and its campaign (None: all), and `waiting`:
    only those who wait in a queue. `generation`: the version of the rules that a worker must have
    read first (`Rules.generation`). `from_ms`: when the sweep begins, UTC. `after`: the last key
    visited, None before the first one.
    """

    generation: int = 0
    from_ms: int = 0
    enterprise: str | None = None
    account: str | None = None
    campaign: str | None = None
    waiting: bool = False
    after: bytes | None = None


class StatusSweep(Sweep, frozen=True, array_like=True, tag="status"):
    """An account's status changed at `status_ms`; the newest status holds."""

    status: str = ""
    status_ms: int = 0


class BrakeSweep(Sweep, frozen=True, array_like=True, tag="brake"):
    """An account's brake changed at `braked_ms`; the newest holds.

    `braked_until_ms`: the brake's end, 0 without a brake, `FOREVER` for an account that is off.
    """

    braked_until_ms: int = 0
    braked_ms: int = 0


class CampaignSweep(Sweep, frozen=True, array_like=True, tag="campaign"):
    """A campaign was stopped for good (`killed`), or is over and forgotten."""

    killed: bool = False


def scope_of(sweep: Sweep) -> bytes:
    """The same bytes for all sweeps of one scope."""
    return _encode((sweep.enterprise, sweep.account, sweep.campaign, sweep.waiting))


encode_sweep: Final = _encode
decode_sweep: Final = msgspec.msgpack.Decoder(
    Sweep | StatusSweep | BrakeSweep | CampaignSweep
).decode

# ---- news for an account -----------------------------------------------------------------------


class ReturnedPermit(msgspec.Struct, frozen=True, array_like=True):
    """A permit of `permit_ms` for `count` messages of a kind that were not sent."""

    kind: int
    permit_ms: int
    count: int


class PermitRequest(msgspec.Struct, frozen=True, array_like=True):
    """A held request that lacks only a permit, and its customer."""

    request: Request
    customer: str


class WithdrawnEntry(msgspec.Struct, frozen=True, array_like=True):
    """A customer to remove from the account's queue, and the ticket of the entry."""

    ticket: int
    customer: str


class AccountFeedback(msgspec.Struct, frozen=True, array_like=True, tag="account"):
    """For one account: what one batch of one customer partition learned.

    `closed_requests`, `handed`: permit times of friend requests, and of transfers, that no longer
    wait for an answer. `cancelled_adds`: when friend requests were approved that were not sent.
    `withdrawn`: customers who wait in the queue for nothing. `used_permits`: by kind, how many
    permits that take a daily add or a place were used by an approval.
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
    """The account's status, as the enterprise reports it."""

    status: str
    at_ms: int


class TakeOver(msgspec.Struct, frozen=True, array_like=True, tag="take-over"):
    """Transfers of these customers to this account are requested: does it have capacity?"""

    request: Request
    customers: list[str]
    is_held: bool = False


# ---- news for a campaign or an enterprise, and broadcasts --------------------------------------


class CampaignNews(msgspec.Struct, frozen=True, array_like=True, tag="campaign"):
    """For one campaign, from one batch."""

    facts: CampaignFacts


class EnterpriseNews(msgspec.Struct, frozen=True, array_like=True, tag="enterprise"):
    """For one enterprise, from one batch of an account partition."""

    facts: EnterpriseFacts


class CampaignBroadcast(msgspec.Struct, frozen=True, array_like=True, tag="campaign-told"):
    """To every partition: a campaign's released share; None: the campaign is over and forgotten."""

    enterprise: str
    campaign: str
    release: CampaignRelease | None


class EnterpriseBroadcast(msgspec.Struct, frozen=True, array_like=True, tag="enterprise-told"):
    """To every partition: sums over all accounts of an enterprise."""

    enterprise: str
    totals: EnterpriseTotals


class SweepBroadcast(msgspec.Struct, frozen=True, array_like=True, tag="rules-told"):
    """To every partition: policies or controls changed."""

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

encode_news: Final = _encode
decode_news: Final = msgspec.msgpack.Decoder(News).decode
