"""A refusal is read by people: where, what was read, what is allowed; never a pattern."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.kinds import KIND_NAMES
from streams.events.decode import (
    decode_control,
    decode_intent,
    decode_interaction,
    decode_policy,
)
from streams.events.envelope import Rejected
from streams.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

SIGNS: Final = re.compile(r"\^|\[\^|\(\?|\]\{|\\d|\\Z|regex|Expected `|Invalid enum", re.IGNORECASE)
"""What a regular expression has, and what the decoder itself would have said."""

KINDS: Final = ", ".join(sorted(KIND_NAMES))

CONTROLS: Final = [
    (
        {"scope": "acme/broadcast"},
        '$.data.scope: "acme/broadcast" is not a scope; write * (everyth',
    ),
    ({"scope": "acme/kind/sms"}, '$.data.scope: "acme/kind/sms" is not a scope'),
    ({"scope": "acme/account/"}, '$.data.scope: "acme/account/" is not a scope'),
    ({"scope": "acme\n"}, "$.data.scope: "),
    ({"scope": None}, "$.data.scope: must be a string, not null"),
    ({"action": "stop"}, '$.data.action: "stop" is not one of brake, pause, resume'),
    (
        {"action": "Pause"},
        '$.data.action: "Pause" is not one of brake, pause, resume; did you mean',
    ),
    ({"by": ""}, "$.data.by: is empty"),
    ({"why": "x" * 501}, "$.data.why: 501 characters are more than 500, the most"),
    ({"until_ms": "tomorrow"}, '$.data.until_ms: must be a whole number, not "tomorrow"'),
]

CONSENTS: Final = [
    (
        {"quiet_hours": {"from": "21:30", "to": "8:30"}},
        'quiet_hours.to: "8:30" is not a time of day',
    ),
    ({"quiet_hours": {"from": "21:30"}}, "quiet_hours.to: is missing"),
    ({"quiet_hours": "none"}, 'quiet_hours: must be an object or "off", not "none"'),
    ({"quiet_hours": 7}, 'quiet_hours: must be an object or "off", not `7`'),
    ({"time_zone": "America/new_york"}, 'time_zone: "America/new_york" is not an IANA time zone'),
    ({"time_zone": "GMT 8"}, 'time_zone: "GMT 8" is not a time zone such as Asia/Shanghai'),
    ({"time_zone": "Z" * 65}, "time_zone: 65 characters are more than 64, the most"),
    ({"kinds": ["sms"]}, f'kinds[0]: "sms" is not one of {KINDS}'),
    ({"kinds": "direct"}, 'kinds: must be a list or "all", not "direct"'),
    ({"kinds": ["direct"] * 8}, "kinds: 8 items are more than 7, the most"),
    ({"allowed": "yes"}, 'allowed: must be true or false, not "yes"'),
    ({"allowed": None}, "allowed: must be true or false, not null"),
]


@pytest.mark.rule("R1.19")
@pytest.mark.parametrize(("data", "says"), CONTROLS)
def test_a_refused_control(told: Callable[..., Scene], data: dict[str, Any], says: str) -> None:
    scene = told()
    body = {"scope": "acme", "action": "pause", "by": "me", "why": "so"} | data
    value = orjson.dumps(
        {"specversion": "1.0", "id": "c", "source": "s", "type": "decorum.control.v1", "data": body}
    )
    letter = scene.letter(scene.put("controls", b"acme", value))
    assert letter["reason"] == "refused_control"
    assert letter["error"].startswith(says), letter["error"]
    assert not SIGNS.search(letter["error"])


@pytest.mark.rule("R1.19")
@pytest.mark.parametrize(("data", "says"), CONSENTS)
def test_a_refused_consent(told: Callable[..., Scene], data: dict[str, Any], says: str) -> None:
    scene = told()
    letter = scene.letter(scene.hear("consent", **{"allowed": True} | data))
    assert letter["reason"] == "invalid"
    assert letter["error"].startswith(f"$.data.{says}"), letter["error"]
    assert not SIGNS.search(letter["error"])


@pytest.mark.rule("R1.19")
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"{", "$: Input data was truncated"),
        (b"[]", "$: must be an object, not a list"),
        (b'{"type": "decorum.policy.v1"}', "$.id: is missing"),
        (b'{"type": "decorum.intent.v1"}', '$.type: "decorum.intent.v1" is not read here'),
        (b"\xff", "$: byte 0 is not UTF-8"),
    ],
)
def test_a_refused_policy_s_envelope(told: Callable[..., Scene], value: bytes, says: str) -> None:
    scene = told()
    letter = scene.letter(scene.put("policies", b"acme/2", value))
    assert letter["reason"] == "refused_policy"
    assert letter["error"].startswith(says), letter["error"]


@pytest.mark.rule("R1.19")
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "PREFIX",
            "a/b",
            "DECORUM_PREFIX: must be made of letters, digits and . _ - (it is 'a/b')",
        ),
        ("PREFIX", "x" * 101, "DECORUM_PREFIX: 101 characters are more than 100, the most"),
        ("INSTANCE", "a b", "DECORUM_INSTANCE: must be made of letters, digits and . _ -"),
        ("PARTITIONS", "0", "DECORUM_PARTITIONS: input should be greater than or equal to 1"),
        ("SASL_MECHANISM", "GSSAPI", "DECORUM_SASL_MECHANISM: input should be 'SCRAM-SHA-512', "),
    ],
)
def test_a_refused_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"DECORUM_{name}", value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert any(line.startswith(says) for line in refused.value.lines), refused.value.lines
    assert not any(SIGNS.search(line) for line in refused.value.lines)


# ---- whatever is wrong -------------------------------------------------------------------------

TYPES: Final = {
    "decorum.intent.v1": decode_intent,
    "decorum.consent.v1": decode_interaction,
    "decorum.failed.v1": decode_interaction,
    "decorum.account_status.v1": decode_interaction,
    "decorum.control.v1": decode_control,
    "decorum.policy.v1": decode_policy,
}
NAMES: Final = [
    *("enterprise_id", "account_id", "customer_id", "customer_ids", "campaign_id", "kind", "kinds"),
    *("occurred_at_ms", "deadline_ms", "until_ms", "not_before_ms", "campaign_size", "priority"),
    *("allowed", "quiet_hours", "time_zone", "status", "reason", "decision_id", "attributes"),
    *("action", "scope", "by", "why", "if_not_now", "content_ref", "to_account_id"),
]
# Nothing a producer may have written that would itself look like a pattern: it is quoted.
texts = st.text("abz/019:-_ .*", max_size=20)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = (
    leaves | st.lists(leaves, max_size=9) | st.dictionaries(st.sampled_from(["from", "to"]), leaves)
)
envelopes = st.fixed_dictionaries(
    {
        "type": st.sampled_from(sorted(TYPES)),
        "data": st.dictionaries(st.sampled_from(NAMES), values),
    },
    optional={"id": values, "source": values, "specversion": st.just("1.0"), "time": values},
)


@pytest.mark.rule("R1.19")
@settings(max_examples=400)
@given(envelopes)
def test_no_refusal_shows_a_pattern(event: dict[str, Any]) -> None:
    value = json.dumps(event | {"specversion": "1.0"}).encode()
    refused = TYPES[event["type"]](value)
    if isinstance(refused, Rejected):
        assert refused.error.startswith("$")
        assert not SIGNS.search(refused.error), refused.error
        assert "is named twice" not in refused.error


@pytest.mark.rule("R1.19")
@pytest.mark.parametrize(
    ("wrong", "offers"),
    [
        ("decorum.complaned.v1", "decorum.complained.v1"),
        ("Decorum.Complained.V1", "decorum.complained.v1"),
        ("decorum.complained.v2", None),
        ("decorum.complained.v11", None),
        ("decorum.complained", None),
    ],
)
def test_another_number_is_no_slip_of_the_pen(
    told: Callable[..., Scene], wrong: str, offers: str | None
) -> None:
    scene = told()
    value = scene.interaction("complained").replace(b"decorum.complained.v1", wrong.encode())
    letter = scene.letter(scene.put("interactions", b"acme/ann", value))
    assert letter["reason"] == "unknown_type"
    assert ("did you mean" in letter["error"]) == (offers is not None), letter["error"]
    if offers is not None:
        assert f"did you mean `{offers}`?" in letter["error"]
