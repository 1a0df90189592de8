"""What went in, read with the audit's own eyes: none of the engine's decoding is used.

Rules of this file: a record is readable when it is what the contract's tables demand; for those
that are not there must be a dead letter, and for no other. Only as much is checked as tells the
load's poison from its good records.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from aiokafka.partitioner import murmur2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.system.chaos.evidence import Seen

KINDS: Final = {
    *("direct", "broadcast", "moment", "friend_request", "reply", "transactional", "transfer")
}
RECEIPTS: Final = {"delivered", "failed"}
CONTACTS: Final = {"message_received", "engaged", "complained", "blocked", "friend_added"}
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_\-.:@=]{1,128}")


class Event(NamedTuple):
    """A readable input record."""

    id: str
    source: str
    type: str
    data: dict[str, Any]


class Standing(NamedTuple):
    """A record where its own key puts it."""

    record: Seen
    event: Event


class Inputs(NamedTuple):
    """The records of one input topic, told apart."""

    standing: list[Standing]
    strays: list[Standing]
    refused: list[Seen]


def read_event(value: bytes | None) -> Event | None:
    """A CloudEvent of ours, None for anything else."""
    try:
        body = orjson.loads((value or b"").decode())
        name = re.fullmatch(r"decorum\.(\w+)\.v1", body["type"])
        good = body["specversion"] == "1.0" and isinstance(body["data"], dict)
        return Event(body["id"], body["source"], name[1], body["data"]) if good and name else None
    except (ValueError, KeyError, TypeError):
        return None


def read_intents(records: list[Seen], partitions: int) -> Inputs:
    """`outbound-intents`."""
    return _read(records, partitions, _is_intent, "account_id")


def read_interactions(records: list[Seen], partitions: int) -> Inputs:
    """`interactions`; events of an account alone are not looked for."""
    return _read(records, partitions, _is_interaction, "customer_id")


def _is_intent(event: Event) -> bool:
    data = event.data
    customers = data.get("customer_ids")
    return (
        event.type == "intent"
        and data.get("kind") in KINDS
        and isinstance(customers, list)
        and 1 <= len(customers) <= 1_000
        and all(map(_is_name, (data.get("enterprise_id"), data.get("account_id"), *customers)))
        and data.get("not_before_ms", 0) <= data.get("deadline_ms", inf)
    )


def _is_interaction(event: Event) -> bool:
    data = event.data
    needed = ["enterprise_id", "customer_id"]
    if event.type in RECEIPTS:
        needed += ["account_id", "decision_id"]
    elif event.type in CONTACTS:
        needed += ["account_id"]
    elif event.type != "consent":
        return False
    return all(_is_name(data.get(name)) for name in needed) and isinstance(
        data.get("occurred_at_ms"), int
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None


@lru_cache(100_000)
def place_of(key: bytes, partitions: int) -> int:
    """Java's default partition, by an implementation that is not the engine's."""
    found: int = (murmur2(key) & 0x7FFFFFFF) % partitions
    return found


def _read(
    records: list[Seen], partitions: int, is_good: Callable[[Event], bool], owner: str
) -> Inputs:
    inputs = Inputs([], [], [])
    for record in records:
        event = read_event(record.value)
        if event is None or not is_good(event):
            inputs.refused.append(record)
            continue
        key = f"{event.data['enterprise_id']}/{event.data[owner]}".encode()
        home = record.key == key and record.partition == place_of(key, partitions)
        (inputs.standing if home else inputs.strays).append(Standing(record, event))
    return inputs


def lost_strays(inputs: Inputs) -> Iterator[str]:
    """Strays without a copy where they belong."""
    home = Counter(standing.record.value for standing in inputs.standing)
    for stray in inputs.strays:
        home[stray.record.value] -= 1
        if home[stray.record.value] < 0:
            where = stray.record.partition, stray.record.offset
            yield f"the stray {stray.event.type} {stray.event.id} at {where} was not forwarded"
