"""Sections 5 and 9: bounds that keep every record under its topic's limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.core.customer.ledger import HeldRequest, Ledger, dump
from streams.core.dedup import SEEN_MOST, remember
from streams.core.kinds import Kind
from streams.core.reasons import Reason
from streams.core.written import MAX_IDENTIFIER
from streams.events.decode import decode_intent
from streams.events.envelope import Rejected
from streams.events.fields import (
    MAX_ATTRIBUTE_NAME,
    MAX_ATTRIBUTE_VALUE,
    MAX_ATTRIBUTES,
    MAX_CAMPAIGN_SIZE,
    MAX_CONTENT_REF,
    MAX_MS,
    MAX_RECORD_BYTES,
    MAX_SOURCE,
)
from streams.events.internal import request_of
from streams.policy.parse import parse_policy
from streams.topics import POLICIES, RECORD_BYTES
from tests.flows import events
from tests.flows.world import DriverWorld
from tests.unit.core.person import NOON

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.customer.request import Request
    from tests.flows.scene import Scene

WIDE = "\U0001f600"
"""Four bytes."""


def most_held() -> int:
    """The largest `max_held` that a policy may have."""
    least: dict[str, Any] = {"policy": "p", "version": 1, "enterprise": "e"}
    allowed = [n for n in range(1, 1_000) if parse_policy(least | {"max_held": n})[0]]
    return allowed[-1]


def longest_ask(number: int) -> Request:
    """As long as an intent may be, through the door that every intent comes through."""
    name = "x" * MAX_IDENTIFIER
    attributes = {
        f"{index:02}" + WIDE * (MAX_ATTRIBUTE_NAME - 2): WIDE * MAX_ATTRIBUTE_VALUE
        for index in range(MAX_ATTRIBUTES)
    }
    more = {
        "campaign_id": name,
        "campaign_size": MAX_CAMPAIGN_SIZE,
        "not_before_ms": MAX_MS,
        "deadline_ms": MAX_MS,
        "content_ref": WIDE * MAX_CONTENT_REF,
        "attributes": attributes,
        "to_account_id": name,
    }
    data = {"enterprise_id": name, "account_id": name, "kind": "broadcast", "customer_ids": [name]}
    event_id = f"{number:03}".rjust(MAX_IDENTIFIER, "x")
    intent = decode_intent(events.event(event_id, "intent", data | more, WIDE * MAX_SOURCE))
    assert not isinstance(intent, Rejected), intent
    return request_of(intent, NOON)


@pytest.mark.rule("R5.10")
def test_a_ledger_of_the_most_and_longest_held_intents_fits_into_its_record() -> None:
    ledger = Ledger()
    for number in range(SEEN_MOST):
        remember(ledger, number, NOON)
    reason, rule = max(Reason, key=len), "r" * 64
    for number in range(most_held()):
        ask = longest_ask(number)
        ledger.held.append(
            HeldRequest(MAX_MS, MAX_MS, 2**64 - 1, reason, rule, ask, MAX_MS, permit_requested=True)
        )
    size = len(dump(ledger) or b"")
    assert ledger.held[0].request.kind == Kind.BROADCAST
    assert size > RECORD_BYTES / 2  # else the bound is for nothing
    assert size < RECORD_BYTES - RECORD_BYTES // 16  # contacts, and a batch's overhead


@pytest.mark.rule("R5.10")
def test_a_policy_that_holds_more_is_told_why_it_may_not() -> None:
    document = {"policy": "p", "version": 1, "enterprise": "e", "max_held": most_held() + 1}
    (fault,) = parse_policy(document)[1]
    assert str(fault).startswith("max_held: ")
    assert "one record of 4 MiB" in str(fault)


@pytest.mark.rule("R9.11")
@pytest.mark.parametrize("over", [0, 1])
def test_a_policy_s_record_has_the_bound_of_every_input(
    told: Callable[..., Scene], over: int
) -> None:
    world = DriverWorld(1)
    scene = told(world, windows=[])
    document = events.event("2", "policy", events.policy("acme", 2, windows=[]))
    value = document + b" " * (MAX_RECORD_BYTES + over - len(document))
    placed = scene.put(POLICIES, b"acme/2", value)
    scene.ask("1")
    assert scene.decisions("1")[0]["policy_version"] == (1 if over else 2)
    if over:
        letter = scene.letter(placed)
        assert letter["reason"] == "refused_policy"
        assert letter["error"] == "$: 262,145 bytes are more than 262,144, the most"
