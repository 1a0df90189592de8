"""The candidate between the two stages, in MessagePack; its customer is the record's key.

Customers of one intent that go on together share one value, encoded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.core.customer.request import Candidate, Request
from streams.core.kinds import KIND_OF

if TYPE_CHECKING:
    from streams.events.intents import Intent

encode_candidate = msgspec.msgpack.Encoder().encode
decode_candidate = msgspec.msgpack.Decoder(Candidate).decode


def request_of(intent: Intent, accepted_ms: int) -> Request:
    """The ask that all customers of an intent share; `accepted_ms`: the engine's clock."""
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
