"""What decoding accepts and refuses, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.events.decode import MAX_ERROR, decode_control, decode_intent, decode_interaction
from streams.events.envelope import Refused
from streams.events.fields import MAX_RECORD_BYTES
from streams.events.intents import Intent
from streams.events.interactions import Consent, Delivered, Erase, QuietHours

DECODERS = [decode_intent, decode_interaction, decode_control]


def intent(**changes: Any) -> dict[str, Any]:
    data = {
        "enterprise_id": "acme",
        "account_id": "xiaoer-08",
        "kind": "broadcast",
        "customer_ids": ["wm-1", "wm-2"],
    }
    return {
        "specversion": "1.0",
        "id": "spring-0001-17",
        "source": "crm/coupons",
        "type": "decorum.intent.v1",
        "data": {**data, **changes},
    }


def interaction(name: str, **changes: Any) -> dict[str, Any]:
    data = {
        "enterprise_id": "acme",
        "account_id": "xiaoer-08",
        "customer_id": "wm-2",
        "occurred_at_ms": 1_795_312_800_123,
    }
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "wecom/callbacks",
        "type": f"decorum.{name}.v1",
        "data": {**data, **changes},
    }


def as_bytes(event: object) -> bytes:
    return json.dumps(event).encode()


def refusal(value: bytes | None) -> Refused:
    refused = decode_intent(value)
    assert isinstance(refused, Refused), refused
    return refused


def test_an_intent_with_defaults() -> None:
    decoded = decode_intent(as_bytes(intent()))
    assert decoded == Intent(
        "acme",
        "xiaoer-08",
        "broadcast",
        ["wm-1", "wm-2"],
        id="spring-0001-17",
        source="crm/coupons",
    )
    assert isinstance(decoded, Intent)
    assert (decoded.priority, decoded.if_not_now, decoded.campaign_id) == (50, "defer", None)


def test_an_intent_with_every_field() -> None:
    fields = {
        "campaign_id": "spring",
        "campaign_size": 48_000,
        "priority": 40,
        "not_before_ms": 0,
        "deadline_ms": 253_402_300_799_999,
        "if_not_now": "deny",
        "content_ref": "coupon/spring-8",
        "attributes": {"template": "春"},
        "to_account_id": "xiaoer-09",
    }
    decoded = decode_intent(as_bytes(intent(**fields)))
    assert isinstance(decoded, Intent)
    assert {name: getattr(decoded, name) for name in fields} == fields


def test_a_customer_named_twice_is_left_to_the_engine() -> None:
    decoded = decode_intent(as_bytes(intent(customer_ids=["wm-1", "wm-1"])))
    assert isinstance(decoded, Intent)
    assert decoded.customer_ids == ["wm-1", "wm-1"]


def test_the_longest_legal_intent_is_not_too_large() -> None:
    longest = intent(
        customer_ids=["w" * 128] * 1_000,
        attributes={f"{n:02}" + "😀" * 62: "😀" * 256 for n in range(16)},
        content_ref="😀" * 256,
        campaign_id="c" * 128,
        to_account_id="t" * 128,
    )
    longest |= {"id": "😀" * 128, "source": "😀" * 256, "subject": "😀" * 256}
    assert isinstance(decode_intent(as_bytes(longest)), Intent)


@pytest.mark.parametrize("decode", DECODERS)
def test_the_limit_of_a_record(decode: Any) -> None:
    at_limit = b" " * MAX_RECORD_BYTES
    assert decode(at_limit).reason == "not_json"
    assert decode(at_limit + b" ") == Refused(
        "too_large", "$: 262145 bytes are more than the limit of 262144"
    )


def test_receipts_and_wishes_are_typed() -> None:
    delivered = decode_interaction(as_bytes(interaction("delivered", decision_id="d" * 32)))
    assert isinstance(delivered, Delivered)
    assert delivered.data.decision_id == "d" * 32
    hours = {"from": "21:30", "to": "08:30:15"}
    consent = decode_interaction(as_bytes(interaction("consent", allowed=True, quiet_hours=hours)))
    assert isinstance(consent, Consent)
    assert consent.data.quiet_hours == QuietHours("21:30", "08:30:15")
    assert consent.data.kinds == "all"


def test_erase_needs_no_account() -> None:
    event = interaction("erase")
    del event["data"]["account_id"]
    erase = decode_interaction(as_bytes(event))
    assert isinstance(erase, Erase)
    assert erase.data.account_id is None


@pytest.mark.parametrize("null", ["time", "subject"])
def test_null_attributes_are_absent_ones(null: str) -> None:
    assert isinstance(decode_intent(as_bytes(intent() | {null: None})), Intent)


def test_unknown_attributes_and_fields_are_ignored() -> None:
    event = intent(colour="red", nested={"deep": [1, {"er": None}]}) | {"traceparent": "00-af"}
    assert isinstance(decode_intent(as_bytes(event)), Intent)


@pytest.mark.parametrize("decode", DECODERS)
def test_what_is_ignored_is_utf_8_all_the_same(decode: Any) -> None:
    for event in (intent(), interaction("blocked")):
        value = as_bytes(event).replace(b'"data":', b'"traceparent": "\xff", "data":')
        assert decode(value) == Refused("not_utf8", f"$: byte {value.index(0xFF)} is not UTF-8")


def test_the_last_of_two_equal_keys_counts() -> None:
    value = as_bytes(intent()).replace(b'"kind":', b'"kind": "reply", "kind":')
    decoded = decode_intent(value)
    assert isinstance(decoded, Intent)
    assert decoded.kind == "broadcast"


def test_an_interaction_of_two_types_is_refused() -> None:
    value = as_bytes(interaction("blocked")).replace(
        b'"data":', b'"type": "decorum.complained.v1", "data":'
    )
    assert isinstance(decode_interaction(value), Refused)


PLAIN = as_bytes(intent())
DEEP = b'{"a":' * 40_000 + b"1" + b"}" * 40_000


@pytest.mark.parametrize(
    ("value", "reason", "error"),
    [
        (None, "not_json", "$: the record has no value"),
        (b"", "not_json", "$: the value is empty"),
        (PLAIN[:-1], "not_json", "$: Input data was truncated"),
        (b"\xef\xbb\xbf" + PLAIN, "not_json", "$: JSON is malformed"),
        (PLAIN + b"x", "not_json", "$: JSON is malformed"),
        (b"NaN", "not_json", "$: JSON is malformed"),
        (PLAIN.replace(b'"acme"', b"Infinity"), "not_json", "$: JSON is malformed"),
        (PLAIN.replace(b"acme", rb"\ud800"), "not_json", "$: JSON is malformed"),
        (PLAIN.replace(b"acme", rb"\udc00"), "not_json", "$: JSON is malformed"),
        (PLAIN.replace(b'"acme"', b"}"), "not_json", "$: JSON is malformed"),
        (PLAIN.replace(b"acme", b"\xff"), "not_utf8", "$: byte 128 is not UTF-8"),
        (PLAIN.replace(b"acme", b"\xed\xa0\x80"), "not_utf8", "$: byte 128 is not UTF-8"),
        (b"\xff" * 100, "not_utf8", "$: byte 0 is not UTF-8"),
        (b"null", "invalid", "$: Expected `object`, got `null`"),
        (b"[1]", "invalid", "$: Expected `object`, got `array`"),
        (b"17", "invalid", "$: Expected `object`, got `int`"),
        (b"{}", "invalid", "$: Object missing required field"),
        (b"[" * 100_000, "invalid", "$"),
        (DEEP, "invalid", "$: nested too deeply"),
        (PLAIN.replace(b'"type"', b'"typ"'), "invalid", "$: Object missing required field `type`"),
        (PLAIN.replace(b'"decorum.intent.v1"', b"7"), "invalid", "$.type: Expected `str`"),
        (
            PLAIN.replace(b"intent.v1", b"blocked.v1"),
            "unknown_type",
            "$.type: 'decorum.blocked.v1' is not read here",
        ),
    ],
)
def test_records_that_are_no_intents(value: bytes | None, reason: str, error: str) -> None:
    refused = refusal(value)
    assert refused.reason == reason
    assert refused.error.startswith(error)


BAD_IDENTIFIER = "holds a character other than A-Z a-z 0-9 _-.:@="


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"customer_ids": []}, "$.data.customer_ids: Expected `array` of length >= 1"),
        (
            {"customer_ids": ["c"] * 1_001},
            "$.data.customer_ids: Expected `array` of length <= 1000",
        ),
        ({"customer_ids": ["a", "b", "c", 4]}, "$.data.customer_ids[3]: Expected `str`, got `int`"),
        ({"customer_ids": ["a", "b", "c", "d/e"]}, f"$.data.customer_ids[3]: {BAD_IDENTIFIER}"),
        ({"customer_ids": ["a", "\0"]}, f"$.data.customer_ids[1]: {BAD_IDENTIFIER}"),
        ({"customer_ids": ["客"]}, f"$.data.customer_ids[0]: {BAD_IDENTIFIER}"),
        ({"enterprise_id": ""}, "$.data.enterprise_id: Expected `str` of length >= 1"),
        ({"account_id": "a" * 129}, "$.data.account_id: Expected `str` of length <= 128"),
        ({"account_id": "a b"}, f"$.data.account_id: {BAD_IDENTIFIER}"),
        ({"campaign_id": "a\n"}, f"$.data.campaign_id: {BAD_IDENTIFIER}"),
        ({"to_account_id": "+1"}, f"$.data.to_account_id: {BAD_IDENTIFIER}"),
        ({"kind": "transfer"}, "$.data.to_account_id: required where `kind` is `transfer`"),
        ({"kind": "sms"}, "$.data.kind: Invalid enum value 'sms'"),
        ({"kind": " - at `$.id`"}, "$.data.kind: Invalid enum value ' - at `$.id`'"),
        ({"priority": True}, "$.data.priority: Expected `int`, got `bool`"),
        ({"priority": 50.0}, "$.data.priority: Expected `int`, got `float`"),
        ({"priority": 101}, "$.data.priority: Expected `int` <= 100"),
        ({"deadline_ms": -1}, "$.data.deadline_ms: Expected `int` >= 0"),
        ({"deadline_ms": 253_402_300_800_000}, "$.data.deadline_ms: Expected `int` <="),
        ({"deadline_ms": 2**63}, "$.data.deadline_ms: Expected `int` <="),
        ({"deadline_ms": 10**400}, "$.data.deadline_ms: Expected `int` <="),
        ({"attributes": {"n" * 65: ""}}, "$.data.attributes: Expected `str` of length <= 64"),
        ({"attributes": {"n": "v" * 257}}, "$.data.attributes[...]: Expected `str` of length"),
        ({"content_ref": "c" * 250_000}, "$.data.content_ref: Expected `str` of length <= 256"),
    ],
)
def test_faults_in_data_are_named_with_their_path(changes: dict[str, Any], error: str) -> None:
    refused = refusal(as_bytes(intent(**changes)))
    assert refused.reason == "invalid"
    assert refused.error.startswith(error)


@pytest.mark.parametrize(
    ("attribute", "value", "error"),
    [
        ("specversion", "0.3", "$.specversion: Invalid enum value '0.3'"),
        ("specversion", 1.0, "$.specversion: Expected `str`, got `float`"),
        ("id", "a\x00b", "$.id: holds a control character"),
        ("id", "a\x7f", "$.id: holds a control character"),
        ("source", "a\u0085", "$.source: holds a control character"),
        ("source", "s" * 257, "$.source: Expected `str` of length <= 256"),
        ("time", "2026-11-22 02:00:00Z", "$.time: is not an RFC 3339 time"),
        ("time", "2026-11-22T02:00:00", "$.time: is not an RFC 3339 time"),
        ("time", "2026-11-22T02:00:00Z\n", "$.time: is not an RFC 3339 time"),
        ("time", "2026-11-31T02:00:00Z", "$.time: is not an RFC 3339 time"),
        ("time", "2026-11-22T02:00:00+0800", "$.time: is not an RFC 3339 time"),
        ("time", 1_795_312_800_123, "$.time: Expected `str | null`, got `int`"),
        ("subject", "", "$.subject: Expected `str` of length >= 1"),
    ],
)
def test_faults_in_attributes_are_named_with_their_path(
    attribute: str, value: object, error: str
) -> None:
    refused = refusal(as_bytes(intent() | {attribute: value}))
    assert refused == Refused("invalid", error)


@pytest.mark.parametrize("text", ["a b", "客户", "a\u00a0b", "\u2028", "😀", "/:#?"])
def test_id_and_source_take_all_other_characters(text: str) -> None:
    decoded = decode_intent(as_bytes(intent() | {"id": text, "source": text}))
    assert isinstance(decoded, Intent)
    assert (decoded.id, decoded.source) == (text, text)


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-22T02:00:00Z",
        "2026-11-22t02:00:00z",
        "2026-11-22T02:00:00.123456789+08:00",
        "2026-12-31T23:59:60Z",
        "2028-02-29T00:00:00-00:00",
    ],
)
def test_times_of_rfc_3339(time: str) -> None:
    assert isinstance(decode_intent(as_bytes(intent() | {"time": time})), Intent)


@pytest.mark.parametrize("field", ["enterprise_id", "account_id", "customer_id", "to_account_id"])
def test_identifiers_of_interactions_are_checked(field: str) -> None:
    event = interaction("transferred", **{"to_account_id": "x", field: "a/b"})
    assert decode_interaction(as_bytes(event)) == Refused(
        "invalid", f"$.data.{field}: {BAD_IDENTIFIER}"
    )


def test_an_intent_is_no_interaction() -> None:
    refused = decode_interaction(PLAIN)
    assert isinstance(refused, Refused)
    assert refused.reason == "unknown_type"


def test_an_error_is_bounded_and_printable() -> None:
    refused = refusal(as_bytes(intent(kind="\x1b[31m" + "x" * 5_000)))
    assert len(refused.error) == MAX_ERROR
    assert refused.error.isprintable()


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode()))
def test_no_bytes_raise(value: bytes) -> None:
    for decode in DECODERS:
        refused = decode(value)
        assert isinstance(refused, Refused)
        assert refused.error.startswith("$")
        assert refused.error.isprintable()


@given(st.data())
def test_no_damage_raises(data: st.DataObject) -> None:
    value = bytearray(as_bytes(data.draw(st.sampled_from([intent(), interaction("blocked")]))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(value) - 1))
        value[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for decode in DECODERS:
        refused = decode(bytes(value))
        if isinstance(refused, Refused):
            assert refused.error.startswith("$")
            assert len(refused.error) <= MAX_ERROR
