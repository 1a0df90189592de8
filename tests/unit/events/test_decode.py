"""What decoding accepts and refuses, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.events.decode import decode_control, decode_intent, decode_interaction
from streams.events.envelope import MAX_ERROR, Rejected
from streams.events.fields import MAX_RECORD_BYTES
from streams.events.intents import Intent
from streams.events.interactions import Consent, Delivered, Erase, QuietHours

NOON = 1_893_974_400_000
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


def refusal(value: bytes | None) -> Rejected:
    refused = decode_intent(value)
    assert isinstance(refused, Rejected), refused
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
        "not_before_ms": 1_000_000_000_000,
        "deadline_ms": 253_402_300_799_999,
        "if_not_now": "deny",
        "content_ref": "coupon/spring-8",
        "attributes": {"template": "春"},
        "to_account_id": "xiaoer-09",
    }
    decoded = decode_intent(as_bytes(intent(**fields)))
    assert isinstance(decoded, Intent)
    assert {name: getattr(decoded, name) for name in fields} == fields


@pytest.mark.rule("R5.11")
def test_a_deadline_at_the_earliest_time_is_one_millisecond_to_send_in() -> None:
    decoded = decode_intent(as_bytes(intent(not_before_ms=NOON, deadline_ms=NOON)))
    assert isinstance(decoded, Intent)


@pytest.mark.rule("R5.11")
def test_a_deadline_before_the_earliest_time_is_invalid() -> None:
    refused = refusal(as_bytes(intent(not_before_ms=NOON + 1, deadline_ms=NOON)))
    assert refused.reason == "invalid"
    assert refused.error == "$.data.deadline_ms: is before `not_before_ms`: no time is left to send"


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
    assert decode(at_limit + b" ") == Rejected(
        "too_large", "$: 262,145 bytes are more than 262,144, the most"
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
        assert decode(value) == Rejected("not_utf8", f"$: byte {value.index(0xFF)} is not UTF-8")


def test_the_last_of_two_equal_keys_counts() -> None:
    value = as_bytes(intent()).replace(b'"kind":', b'"kind": "reply", "kind":')
    decoded = decode_intent(value)
    assert isinstance(decoded, Intent)
    assert decoded.kind == "broadcast"


def test_an_interaction_of_two_types_is_refused() -> None:
    value = as_bytes(interaction("blocked")).replace(
        b'"data":', b'"type": "decorum.complained.v1", "data":'
    )
    assert isinstance(decode_interaction(value), Rejected)


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
        (b"null", "invalid", "$: must be an object, not null"),
        (b"[1]", "invalid", "$: must be an object, not a list"),
        (b"17", "invalid", "$: must be an object, not `17`"),
        (b"{}", "invalid", "$.id: is missing"),
        (b"[" * 100_000, "invalid", "$"),
        (DEEP, "invalid", "$: nested too deeply"),
        (PLAIN.replace(b'"type"', b'"typ"'), "invalid", "$.type: is missing"),
        (
            PLAIN.replace(b'"decorum.intent.v1"', b"7"),
            "invalid",
            "$.type: must be a string, not `7`",
        ),
        (
            PLAIN.replace(b"intent.v1", b"blocked.v1"),
            "unknown_type",
            '$.type: "decorum.blocked.v1" is not read here; read are decorum.intent.v1',
        ),
    ],
)
def test_records_that_are_no_intents(value: bytes | None, reason: str, error: str) -> None:
    refused = refusal(value)
    assert refused.reason == reason
    assert refused.error.startswith(error)


ALLOWED = "allowed are letters, digits and _ - . : @ ="
KINDS = "broadcast, direct, friend_request, moment, reply, transactional, transfer"
TIME = "is not an RFC 3339 time such as 2026-11-22T02:00:00Z"
LEAST = "milliseconds are wanted, the least is 1000000000000"
MOST = "milliseconds are wanted, the greatest is 253402300799999"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"customer_ids": []}, "customer_ids: is empty"),
        (
            {"customer_ids": ["c"] * 1_001},
            "customer_ids: 1,001 items are more than 1,000, the most",
        ),
        ({"customer_ids": "c"}, 'customer_ids: must be a list, not "c"'),
        ({"customer_ids": ["a", "b", "c", 4]}, "customer_ids[3]: must be a string, not `4`"),
        (
            {"customer_ids": ["a", "b", "c", "d/e"]},
            f"customer_ids[3]: \"d/e\" holds '/'; {ALLOWED}",
        ),
        ({"customer_ids": ["a", "\0"]}, f"customer_ids[1]: \"\ufffd\" holds '\\x00'; {ALLOWED}"),
        ({"customer_ids": ["客"]}, f"customer_ids[0]: \"客\" holds '\\u5ba2'; {ALLOWED}"),
        (
            {"customer_ids": ["a" * 129]},
            "customer_ids[0]: 129 characters are more than 128, the most",
        ),
        ({"enterprise_id": ""}, "enterprise_id: is empty"),
        ({"enterprise_id": None}, "enterprise_id: must be a string, not null"),
        ({"account_id": "a" * 129}, "account_id: 129 characters are more than 128, the most"),
        ({"account_id": "a b"}, f"account_id: \"a b\" holds ' '; {ALLOWED}"),
        ({"campaign_id": "a\n"}, f"campaign_id: \"a\ufffd\" holds '\\n'; {ALLOWED}"),
        (
            {"campaign_size": 0},
            "campaign_size: `0` is out of range: from 1 to 1,000,000,000; for none",
        ),
        ({"to_account_id": "+1"}, f"to_account_id: \"+1\" holds '+'; {ALLOWED}"),
        ({"kind": "transfer"}, "to_account_id: required where `kind` is `transfer`"),
        ({"kind": "sms"}, f'kind: "sms" is not one of {KINDS}'),
        ({"kind": "Friend-Request"}, f'kind: "Friend-Request" is not one of {KINDS}; did you mean'),
        ({"kind": " - at `$.id`"}, f'kind: " - at `$.id`" is not one of {KINDS}'),
        ({"if_not_now": "later"}, 'if_not_now: "later" is not one of defer, deny'),
        ({"priority": True}, "priority: must be a whole number, not `true`"),
        ({"priority": 50.0}, "priority: must be a whole number, not `50.0`"),
        ({"priority": 101}, "priority: `101` is out of range: from 0 to 100"),
        ({"deadline_ms": -1}, f"deadline_ms: `-1` is before 1970: {LEAST}"),
        ({"deadline_ms": 0}, f"deadline_ms: `0` is in 1970: {LEAST}; for none, leave it out"),
        (
            {"not_before_ms": 1_795_312_800},
            f"not_before_ms: `1795312800` is in 1970: {LEAST}; this looks like seconds",
        ),
        (
            {"deadline_ms": 253_402_300_800_000},
            f"deadline_ms: `253402300800000` is beyond the year 9999: {MOST}",
        ),
        (
            {"deadline_ms": 1_795_312_800_123_456},
            f"deadline_ms: `1795312800123456` is beyond the year 9999: {MOST}; this looks like mi",
        ),
        (
            {"deadline_ms": 2**63 - 1},
            f"deadline_ms: `9223372036854775807` is beyond the year 9999: {MOST}",
        ),
        ({"deadline_ms": 10**400}, "deadline_ms: a number beyond 64 bits is beyond the year 9999"),
        ({"deadline_ms": "soon"}, 'deadline_ms: must be a whole number, not "soon"'),
        ({"attributes": {"n" * 65: ""}}, 'attributes: the name "nnnn'),
        ({"attributes": {"n": "v" * 257}}, 'attributes["n"]: 257 characters are more than 256'),
        ({"attributes": {"n": 1}}, 'attributes["n"]: must be a string, not `1`'),
        (
            {"attributes": dict.fromkeys(map(str, range(17)), "")},
            "attributes: 17 entries are more than 16, the most",
        ),
        ({"content_ref": "c" * 250_000}, "content_ref: 250,000 characters are more than 256"),
    ],
)
def test_faults_in_data_are_named_with_their_path(changes: dict[str, Any], error: str) -> None:
    refused = refusal(as_bytes(intent(**changes)))
    assert refused.reason == "invalid"
    assert refused.error.startswith(f"$.data.{error}"), refused.error


@pytest.mark.parametrize(
    ("attribute", "value", "error"),
    [
        ("specversion", "0.3", '$.specversion: "0.3" must be "1.0"'),
        ("specversion", 1.0, '$.specversion: `1.0` must be "1.0"'),
        ("id", "a\x00b", "$.id: holds a control character"),
        ("id", "a\x7f", "$.id: holds a control character"),
        ("source", "a\u0085", "$.source: holds a control character"),
        ("source", "s" * 257, "$.source: 257 characters are more than 256, the most"),
        ("time", "2026-11-22 02:00:00Z", TIME),
        ("time", "2026-11-22T02:00:00", TIME),
        ("time", "2026-11-22T02:00:00Z\n", TIME),
        ("time", "2026-11-31T02:00:00Z", TIME),
        ("time", "2026-11-22T02:00:00+0800", TIME),
        ("time", 1_795_312_800_123, "$.time: must be a string, not `1795312800123`"),
        ("subject", "", "$.subject: is empty"),
    ],
)
def test_faults_in_attributes_are_named_with_their_path(
    attribute: str, value: object, error: str
) -> None:
    refused = refusal(as_bytes(intent() | {attribute: value}))
    assert refused.reason == "invalid"
    assert error in refused.error


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
    assert decode_interaction(as_bytes(event)) == Rejected(
        "invalid", f"$.data.{field}: \"a/b\" holds '/'; {ALLOWED}"
    )


def test_an_intent_is_no_interaction() -> None:
    refused = decode_interaction(PLAIN)
    assert isinstance(refused, Rejected)
    assert refused.reason == "unknown_type"


def test_an_error_is_bounded_and_printable() -> None:
    refused = refusal(as_bytes(intent(kind="\x1b[31m" + "x" * 5_000)))
    assert refused.error.isprintable()
    event = interaction("x" * 5_000)
    longest = decode_interaction(as_bytes(event))
    assert isinstance(longest, Rejected)
    assert len(longest.error) <= MAX_ERROR


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode()))
def test_no_bytes_raise(value: bytes) -> None:
    for decode in DECODERS:
        refused = decode(value)
        assert isinstance(refused, Rejected)
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
        if isinstance(refused, Rejected):
            assert refused.error.startswith("$")
            assert len(refused.error) <= MAX_ERROR
