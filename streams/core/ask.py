"""One intent for one customer, as the core sees it: what travels between the two stages.

Rules of this file: fields only, and only appended ones. It stands in ledgers (held intents) and
in the internal topic, and an older version's bytes must decode for ever.
"""

from __future__ import annotations

import msgspec


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """Who wants to send what, how urgently and until when. The customer is the record's key.

    `deny` is the intent's `if_not_now: deny`. `accepted_ms` is the engine's clock when the intent
    was accepted; a held intent's age and its default deadline count from there.
    """

    intent_id: str
    source: str
    account_id: str
    kind: int
    priority: int
    deny: bool
    accepted_ms: int
    campaign_id: str | None = None
    campaign_size: int | None = None
    not_before_ms: int | None = None
    deadline_ms: int | None = None
    content_ref: str | None = None
    attributes: dict[str, str] | None = None
    to_account_id: str | None = None
