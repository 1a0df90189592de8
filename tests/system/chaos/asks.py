"""Everything that was asked: each accepted intent for each of its customers, and how often."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from tests.system.chaos.referee import Ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.system.chaos.evidence import Seen
    from tests.system.chaos.inputs import Inputs, Standing

ACCEPTED_MS: Final = 6
"""The place of the clock of acceptance in a candidate; no other fields but its names are read."""

AskKey = tuple[str, str, str, str]
"""Enterprise, source, intent id, customer."""


def read_asks(
    intents: Inputs, candidates: Iterable[Seen]
) -> tuple[dict[AskKey, Ask], Counter[AskKey], set[AskKey]]:
    """The asks, how often each was made, and those that never became a candidate."""
    candidates = list(candidates)
    accepted, unled = _accepted_ms(candidates), _without_leave(candidates)
    asks: dict[AskKey, Ask] = {}
    asked: Counter[AskKey] = Counter()
    for standing in intents.standing:
        for key in _keys(standing):
            asked[key] += 1
            if key not in asks:
                ask = _ask(standing, accepted.get(key, 0))
                asks[key] = replace(ask, unled_ms=unled.get(key))
    return asks, asked, asked.keys() - accepted.keys()


def _keys(standing: Standing) -> Iterator[AskKey]:
    event = standing.event
    for customer in event.data["customer_ids"]:
        yield event.data["enterprise_id"], event.source, event.id, customer


def _ask(standing: Standing, accepted_ms: int) -> Ask:
    event, data = standing.event, standing.event.data
    return Ask(
        name=f"{event.source}/{event.id}",
        account=data["account_id"],
        kind=data["kind"],
        campaign=data.get("campaign_id"),
        priority=data.get("priority", 50),
        deny=data.get("if_not_now") == "deny",
        accepted_ms=accepted_ms,
        not_before_ms=data.get("not_before_ms", 0),
        deadline_ms=data.get("deadline_ms"),
    )


def _accepted_ms(candidates: Iterable[Seen]) -> dict[AskKey, int]:
    """The clock of acceptance of each ask, from the internal topic between the stages."""
    found: dict[AskKey, int] = {}
    for record in candidates:
        (ask,) = msgspec.msgpack.decode(record.value or b"")[:1]
        found.setdefault(key_of(record, ask), ask[ACCEPTED_MS])
    return found


def _without_leave(candidates: Iterable[Seen]) -> dict[AskKey, int]:
    """Asks that once went on without leave, not for now, or too late, by the account's clock; and
    when that was written first.
    """
    found: dict[AskKey, int] = {}
    for record in candidates:
        ask, leave_ms, _, refusal, _, wait = msgspec.msgpack.decode(record.value or b"")[:6]
        if not leave_ms and wait is None and (refusal is None or refusal[0] == "expired"):
            found.setdefault(key_of(record, ask), record.timestamp)
    return found


def key_of(record: Seen, ask: list[str]) -> AskKey:
    """Whose ask a candidate is; `ask`: its fields, the names first."""
    enterprise, customer = (record.key or b"").decode().split("/")
    return enterprise, ask[1], ask[0], customer
