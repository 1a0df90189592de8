"""The candidate between the two stages: an `Ask` in MessagePack, its customer in the record's key.

One intent's customers share one value, encoded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.core.ask import Ask
from streams.core.kinds import KIND_OF

if TYPE_CHECKING:
    from streams.events.intents import Intent

encode_ask = msgspec.msgpack.Encoder().encode
decode_ask = msgspec.msgpack.Decoder(Ask).decode


def ask_of(intent: Intent, accepted_ms: int) -> Ask:
    """The ask that all customers of an intent share; `accepted_ms`: the engine's clock."""
    return Ask(
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
