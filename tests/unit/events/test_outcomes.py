"""What leaves the engine: exact bytes, as the contract prints them, and as the schemas say."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest

from streams.core.written import rfc3339
from streams.events.dead_letters import encode_dead_letter
from streams.events.decisions import Approved, Decision, encode_approved, encode_decision

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "9f86d081884c7d659a2feaa0c55ad015"
NOW_MS = 1_795_312_800_123
DECISION: dict[str, Any] = {
    "decision_id": NAME,
    "intent_id": "spring-0001-17",
    "intent_source": "crm/coupons",
    "enterprise_id": "acme",
    "account_id": "xiaoer-08",
    "customer_id": "wm-2",
    "campaign_id": "spring",
    "kind": "broadcast",
    "priority": 40,
    "outcome": "deferred",
    "reason": "window_full",
    "rule": "broadcast-day",
    "policy": "wecom",
    "policy_version": 1,
    "stage": "customer",
    "decided_at_ms": NOW_MS,
    "eligible_at_ms": 1_795_393_800_000,
    "held_until_ms": 1_795_399_200_000,
    "send_by_ms": 1_795_399_200_000,
    "remaining": {"broadcast-day": 0, "member-day": 1},
    "wecom_errcode": 95001,
    "shadow": {"strict-day": "window_full"},
}
OPTIONAL_OF_DECISION = {
    "campaign_id",
    "rule",
    "eligible_at_ms",
    "held_until_ms",
    "send_by_ms",
    "remaining",
    "wecom_errcode",
    "shadow",
}
APPROVED: dict[str, Any] = {
    "decision_id": NAME,
    "intent_id": "spring-0001-17",
    "enterprise_id": "acme",
    "account_id": "xiaoer-08",
    "customer_id": "wm-2",
    "campaign_id": "spring",
    "kind": "transfer",
    "priority": 40,
    "content_ref": "coupon/春",
    "attributes": {"template": "spring"},
    "to_account_id": "xiaoer-09",
    "decided_at_ms": NOW_MS,
    "send_by_ms": 1_795_399_200_000,
}
OPTIONAL_OF_APPROVED = {"campaign_id", "content_ref", "attributes", "to_account_id"}


def decision(**fields: Any) -> bytes:
    return encode_decision(Decision(**fields))


def approved(**fields: Any) -> bytes:
    return encode_approved(Approved(**fields))


def test_a_decision_in_the_contracts_order() -> None:
    event = json.loads(decision(**DECISION))
    assert list(event.items()) == [
        ("specversion", "1.0"),
        ("id", f"{NAME}.deferred.{NOW_MS}"),
        ("source", "decorum"),
        ("type", "decorum.decision.v1"),
        ("time", "2026-11-22T02:00:00.123Z"),
        ("subject", "wm-2"),
        ("data", DECISION),
    ]
    assert list(event["data"]) == list(DECISION)


def test_decisions_of_one_moment_have_ids_of_their_own(
    is_valid: Callable[[str, Any], bool],
) -> None:
    data = Decision(**DECISION)
    names = [json.loads(encode_decision(data, before))["id"] for before in range(3)]
    head = f"{NAME}.deferred.{NOW_MS}"
    assert names == [head, f"{head}.1", f"{head}.2"]
    assert is_valid("decision", json.loads(encode_decision(data, 17)))


def test_an_approved_message_in_the_contracts_order() -> None:
    event = json.loads(approved(**APPROVED))
    assert event["id"] == NAME
    assert event["type"] == "decorum.approved.v1"
    assert list(event["data"].items()) == list(APPROVED.items())


@pytest.mark.parametrize("name", sorted(OPTIONAL_OF_DECISION))
def test_what_is_absent_from_a_decision_is_left_out(
    name: str, is_valid: Callable[[str, Any], bool]
) -> None:
    rest = {key: value for key, value in DECISION.items() if key != name}
    event = json.loads(decision(**rest))
    assert list(event["data"].items()) == list(rest.items())
    assert is_valid("decision", event)


@pytest.mark.parametrize("name", sorted(OPTIONAL_OF_APPROVED))
def test_what_is_absent_from_an_approved_message_is_left_out(
    name: str, is_valid: Callable[[str, Any], bool]
) -> None:
    rest = {key: value for key, value in APPROVED.items() if key != name}
    event = json.loads(approved(**rest))
    assert list(event["data"].items()) == list(rest.items())
    assert is_valid("approved", event)


def test_zero_and_empty_are_not_absent() -> None:
    event = json.loads(decision(**DECISION | {"eligible_at_ms": 0, "remaining": {}}))
    assert event["data"]["eligible_at_ms"] == 0
    assert event["data"]["remaining"] == {}


def test_schemas_list_the_fields_that_are_written(
    schemas: dict[str, Any], is_valid: Callable[[str, Any], bool]
) -> None:
    for name, data, optional, encode in (
        ("decision", DECISION, OPTIONAL_OF_DECISION, decision),
        ("approved", APPROVED, OPTIONAL_OF_APPROVED, approved),
    ):
        schema = schemas[name]["properties"]["data"]
        assert list(schema["properties"]) == list(data)
        assert set(schema["required"]) == set(data) - optional
        assert is_valid(name, json.loads(encode(**data)))


LETTER: dict[str, Any] = {
    "topic": "outbound-intents",
    "partition": 3,
    "offset": 17,
    "timestamp_ms": NOW_MS - 5,
    "reason": "not_utf8",
    "error": "$: byte 0 is not UTF-8",
    "key": b"acme/xiaoer-08",
    "value": b"\xff\x00",
    "refused_at_ms": NOW_MS,
}


def test_a_dead_letter(schemas: dict[str, Any], is_valid: Callable[[str, Any], bool]) -> None:
    event = json.loads(encode_dead_letter(**LETTER))
    assert event == {
        "specversion": "1.0",
        "id": "outbound-intents-3-17",
        "source": "decorum",
        "type": "decorum.dead_letter.v1",
        "time": "2026-11-22T02:00:00.123Z",
        "data": {
            "topic": "outbound-intents",
            "partition": 3,
            "offset": 17,
            "timestamp_ms": NOW_MS - 5,
            "reason": "not_utf8",
            "error": "$: byte 0 is not UTF-8",
            "key_base64": "YWNtZS94aWFvZXItMDg=",
            "value_base64": "/wA=",
        },
    }
    assert is_valid("dead-letter", event)
    assert list(schemas["dead-letter"]["properties"]["data"]["properties"]) == list(event["data"])


def test_a_dead_letter_tells_nothing_from_empty(is_valid: Callable[[str, Any], bool]) -> None:
    event = json.loads(encode_dead_letter(**{**LETTER, "key": None, "value": b""}))
    assert "key_base64" not in event["data"]
    assert event["data"]["value_base64"] == ""
    assert is_valid("dead-letter", event)


def test_a_dead_letter_keeps_a_large_record_whole() -> None:
    value = bytes(range(256)) * 8_192
    event = json.loads(encode_dead_letter(**{**LETTER, "value": value}))
    assert b64decode(event["data"]["value_base64"]) == value


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (NOW_MS, "2026-11-22T02:00:00.123Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_shown_with_milliseconds(ms: int, text: str) -> None:
    assert rfc3339(ms) == text
