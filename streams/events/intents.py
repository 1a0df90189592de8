"""Intents: a request to contact up to 1,000 customers.

Rules of this file: shapes only. The stages decide whether the contact may happen.
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
    """The `data` of an intent, with the contract's names.

    A customer named twice is no error: each entry is decided separately, and the repeat ends as
    `duplicate`. `to_account_id` is required for `transfer` and ignored for other kinds.
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
    """The event of an intent."""

    type: Literal["decorum.intent.v1"]
    data: IntentData


class Intent(IntentData, frozen=True, kw_only=True):
    """An intent as the stages read it: its data, and the event's `id` and `source`."""

    id: str
    source: str
