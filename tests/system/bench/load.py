"""The work that is put before a worker: the same for every run, by its numbers alone.

Kinds come in the mix of a shop with many accounts; a customer belongs to one account, as most do.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from streams.core.customer.request import Candidate
from streams.events.decode import decode_intent, decode_interaction
from streams.events.envelope import Rejected
from streams.events.internal import encode_candidate, request_of
from streams.events.keys import account_key, customer_key
from tests.flows import events
from tests.system.bench.report import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.events.intents import Intent
    from streams.events.interactions import Interaction
    from tests.system.bench.cluster import Item

ENTERPRISE: Final = "acme"
ACCOUNTS: Final = 200
MIX: Final = {
    "broadcast": 35,
    "direct": 25,
    "transactional": 25,
    "moment": 10,
    "reply": 4,
    "friend_request": 1,
}
"""Percent of the intents, by kind."""

HOUR_MS: Final = 3_600_000
MORNING_MS: Final = 1_793_325_600_000
"""Friday, 30 October 2026, 10:00 in Shanghai: no quiet hours under the policy `wecom`."""
NIGHT_MS: Final = MORNING_MS - 7 * HOUR_MS
OPENING_MS: Final = MORNING_MS - HOUR_MS * 3 // 2
"""08:30, when the policy's quiet hours end."""


def customer(number: int) -> str:
    return f"wm-{number:07d}"


def account_of(number: int) -> str:
    return f"sales-{number % ACCOUNTS:03d}"


def intent(event_id: str, account: str, customers: list[str], kind: str, **more: Any) -> bytes:
    """One intent as a producer writes it; `more` are further fields of `data`."""
    data = {
        "enterprise_id": ENTERPRISE,
        "account_id": account,
        "kind": kind,
        "customer_ids": customers,
        "priority": 40,
        "content_ref": "coupon/spring-8",
        "attributes": {"template": "t-17"},
    }
    if kind in {"broadcast", "moment"}:
        data |= {"campaign_id": "spring", "campaign_size": 48_000}
    return events.event(event_id, "intent", data | more, "crm/coupons")


def contact(
    event_id: str, name: str, account: str, who: str, occurred_ms: int, **more: str
) -> bytes:
    """What a customer did, or what became of a message."""
    data = {
        "enterprise_id": ENTERPRISE,
        "account_id": account,
        "customer_id": who,
        "occurred_at_ms": occurred_ms,
    }
    return events.event(event_id, name, data | more, "wecom")


def mixed(count: int, customers: int, seed: int = 7) -> Iterator[Item]:
    """Intents of one customer each; every customer equally often, as far as it goes."""
    draw = random.Random(seed)
    kinds = draw.choices(list(MIX), list(MIX.values()), k=count)
    for number, kind in enumerate(kinds):
        who = (number * 7_919) % customers
        account = account_of(who)
        value = intent(f"i-{seed}-{number:07d}", account, [customer(who)], kind)
        yield account_key(ENTERPRISE, account), value


def campaign(count: int, each: int) -> Iterator[Item]:
    """Something for `count` customers, `each` of them named in one intent.

    Of a kind that needs no account's leave: what is measured is the holding, not the pace.
    """
    for number, first in enumerate(range(0, count, each)):
        account = account_of(number)
        names = [customer(who) for who in range(first, min(first + each, count))]
        value = intent(f"c-{number:07d}", account, names, "direct")
        yield account_key(ENTERPRISE, account), value


def candidates(intents: Iterator[Item], now_ms: int) -> Iterator[Item]:
    """What the account stage would make of these intents."""
    for _, value in intents:
        wish = accepted(value)
        candidate = encode_candidate(Candidate(request_of(wish, now_ms), now_ms))
        for name in wish.customer_ids:
            yield customer_key(wish.enterprise_id, name), candidate


def accepted(value: bytes) -> Intent:
    """The decoded intent. Raises BenchError if it is refused: then the load is wrong."""
    wish = decode_intent(value)
    if isinstance(wish, Rejected):
        raise BenchError(f"the bench's own intent is refused: {wish.error}")
    return wish


def wrote(event_id: str, account: str, who: str, occurred_ms: int) -> Interaction:
    """The customer wrote, as the stage sees it."""
    value = contact(event_id, "message_received", account, who, occurred_ms)
    happened = decode_interaction(value)
    if isinstance(happened, Rejected):
        raise BenchError(f"the bench's own interaction is refused: {happened.error}")
    return happened
