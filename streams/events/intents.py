"""An intent: somebody wishes to contact up to 1,000 customers.

Rules of this file: shapes only. Whether the contact may happen is decided elsewhere.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from streams.events.envelope import Envelope
from streams.events.fields import (
    Attributes,
    CampaignSize,
    ContentRef,
    Customers,
    Identifier,
    KindName,
    Milliseconds,
    Priority,
)

INTENT_TYPE: Final = "decorum.intent.v1"


class IntentData(msgspec.Struct, frozen=True):
    """The `data` of an intent, in the contract's words.

    A customer named twice is no error here: each one is decided on its own, and the repeat ends as
    `duplicate`. `to_account_id` is required for `transfer` alone and ignored for other kinds.
    """

    enterprise_id: Identifier
    account_id: Identifier
    kind: KindName
    customer_ids: Customers
    campaign_id: Identifier | None = None
    campaign_size: CampaignSize | None = None
    priority: Priority = 50
    not_before_ms: Milliseconds | None = None
    deadline_ms: Milliseconds | None = None
    if_not_now: Literal["defer", "deny"] = "defer"
    content_ref: ContentRef | None = None
    attributes: Attributes | None = None
    to_account_id: Identifier | None = None


class IntentEvent(Envelope, frozen=True, kw_only=True):
    """An intent as it travels."""

    type: Literal["decorum.intent.v1"]
    data: IntentData


class Intent(IntentData, frozen=True, kw_only=True):
    """An intent as the stages see it: its data, with the event's `id` and `source` beside it."""

    id: str
    source: str
