"""Generated events: the schema and the decoder draw the same line.

Events are built by hand from the schemas' limits, then a few of their fields are made wrong, or
oddly right: both sides must judge each result alike.
"""

from __future__ import annotations

import copy
import json
import string
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.core.kinds import KIND_NAMES
from streams.core.written import IDENTIFIER_CHARACTERS
from streams.events.decode import decode_control, decode_intent, decode_interaction
from streams.events.envelope import Rejected
from streams.events.fields import MAX_MS, MIN_MS
from streams.events.intents import Intent

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    Event = dict[str, Any]
    IsValid = Callable[[str, Any], bool]

ZONES = available_timezones() - {"localtime", "Factory"}

# ---- what is right ------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)
identifiers = st.text(st.sampled_from(IDENTIFIER_CHARACTERS.decode()), min_size=1, max_size=128)
moments = st.integers(MIN_MS, MAX_MS)
kinds = st.sampled_from(KIND_NAMES)


def is_no_time(hours: Any) -> bool:
    """Hours that end when they begin: one of two things that the schema cannot say."""
    return isinstance(hours, dict) and as_of_day(hours.get("from")) == as_of_day(hours.get("to"))


def as_of_day(text: object) -> object:
    return f"{text}:00" if isinstance(text, str) and text.count(":") == 1 else text


days = st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
hours_of_day = days.map(lambda day: "{:02}:{:02}:{:02}".format(*day)[: 5 + 3 * (day[2] % 2)])
attributes = st.dictionaries(st.text(min_size=1, max_size=64), st.text(max_size=256), max_size=16)


def nullable(values: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return values | st.none()


def envelopes(event_type: str, data: SearchStrategy[Event]) -> SearchStrategy[Event]:
    return st.fixed_dictionaries(
        {
            "specversion": st.just("1.0"),
            "id": texts.map(lambda text: text[:128]),
            "source": texts.map(lambda text: text[:256]),
            "type": st.just(event_type),
            "data": data,
        },
        optional={
            "time": nullable(st.datetimes().map(lambda at: at.isoformat() + "+08:00")),
            "subject": nullable(identifiers),
            "extension": st.integers() | st.text(),
        },
    )


def with_what_goes_together(event: Event) -> Event:
    data = event["data"]
    if data["kind"] == "transfer":
        data["to_account_id"] = "xiaoer-09"
    early_ms, late_ms = data.get("not_before_ms"), data.get("deadline_ms")
    if early_ms is not None and late_ms is not None:
        data["not_before_ms"], data["deadline_ms"] = sorted((early_ms, late_ms))
    return event


intents = envelopes(
    "decorum.intent.v1",
    st.fixed_dictionaries(
        {
            "enterprise_id": identifiers,
            "account_id": identifiers,
            "kind": kinds,
            "customer_ids": st.lists(identifiers, min_size=1, max_size=5),
        },
        optional={
            "campaign_id": nullable(identifiers),
            "campaign_size": nullable(st.integers(1, 1_000_000_000)),
            "priority": st.integers(0, 100),
            "not_before_ms": nullable(moments),
            "deadline_ms": nullable(moments),
            "if_not_now": st.sampled_from(["defer", "deny"]),
            "content_ref": nullable(st.text(min_size=1, max_size=256)),
            "attributes": nullable(attributes),
            "to_account_id": nullable(identifiers),
            "unknown": st.booleans(),
        },
    ),
).map(with_what_goes_together)

WHO = {"enterprise_id": identifiers, "occurred_at_ms": moments}
CONTACT = {**WHO, "account_id": identifiers, "customer_id": identifiers}


def contacts(name: str, **fields: SearchStrategy[Any]) -> SearchStrategy[Event]:
    return envelopes(f"decorum.{name}.v1", st.fixed_dictionaries({**CONTACT, **fields}))


def wishes(
    name: str, optional: dict[str, SearchStrategy[Any]], **fields: SearchStrategy[Any]
) -> SearchStrategy[Event]:
    data = st.fixed_dictionaries(
        {**WHO, "customer_id": identifiers, **fields},
        optional={"account_id": nullable(identifiers), **optional},
    )
    return envelopes(f"decorum.{name}.v1", data)


quiet_hours = st.fixed_dictionaries({"from": hours_of_day, "to": hours_of_day}).filter(
    lambda hours: not is_no_time(hours)
)
consent_optional = {
    "kinds": st.lists(kinds, max_size=7) | st.just("all"),
    "quiet_hours": nullable(quiet_hours | st.just("off")),
    "time_zone": nullable(st.sampled_from(["UTC", "Asia/Shanghai", "Etc/GMT+8"])),
}
interactions = st.one_of(
    contacts("message_received"),
    contacts("engaged", action=st.sampled_from(["click", "view", "purchase", "visit"])),
    contacts("delivered", decision_id=identifiers),
    contacts("failed", decision_id=identifiers, reason=st.sampled_from(["not_friend", "other"])),
    contacts("complained", decision_id=nullable(identifiers)),
    contacts("blocked"),
    wishes("consent", consent_optional, allowed=st.booleans()),
    contacts("friend_added", initiated_by=st.sampled_from(["customer", "account"])),
    contacts("friend_refused"),
    contacts("friend_removed"),
    contacts("transferred", to_account_id=identifiers),
    contacts("transfer_failed", to_account_id=identifiers, reason=st.just("customer_refused")),
    wishes("erase", {}),
    envelopes(
        "decorum.account_status.v1",
        st.fixed_dictionaries(
            {**WHO, "account_id": identifiers, "status": st.sampled_from(["active", "resigned"])}
        ),
    ),
)
controls = envelopes(
    "decorum.control.v1",
    st.fixed_dictionaries(
        {
            "action": st.sampled_from(["pause", "resume", "brake"]),
            "scope": st.sampled_from(["*", "acme", "acme/account/a", "acme/kind/reply"]),
            "by": st.text(min_size=1, max_size=128),
            "why": st.text(min_size=1, max_size=500),
        },
        optional={"until_ms": nullable(moments)},
    ),
)

# ---- what is wrong, or at the edge of it --------------------------------------------------------

edges: SearchStrategy[Any] = st.sampled_from(
    [
        *(
            None,
            True,
            False,
            0,
            1,
            -1,
            50.0,
            0.5,
            100,
            101,
            MIN_MS,
            MIN_MS - 1,
            MAX_MS,
            MAX_MS + 1,
            2**63,
            2**70,
        ),
        *(10**9, 10**9 + 1, [], {}, [[]], ["wm-1"], ["a/b"], [None], ["reply"], ["sms"], ["r"] * 8),
        *("", "x" * 128, "x" * 129, "x" * 256, "x" * 257, "x" * 500, "x" * 501, "a/b", "a b"),
        *("a\n", "\0", "\x7f", "\x85", "客", "😀" * 128, "😀" * 129, "*", "*/kind/reply", "all"),
        *("off", "21:30", "24:00", "UTC", "a//b", "/a", "1.0", "transfer", "acme/kind/sms"),
        *("acme/kind/reply\n", "acme/account/", "acme/account/b/c", "decorum.erase.v1"),
        *("2026-11-22T02:00:00Z", "2026-11-22", "2026-02-30T00:00:00Z", "2026-11-22T24:00:00Z"),
        *({"from": "21:30"}, {"from": "21:30", "to": "8:30"}, {"from": "00:00", "to": "23:59"}),
        *({"": ""}, {"n": "v"}, {"n": 1}, {"n" * 65: ""}, {str(n): "" for n in range(17)}),
    ]
)
anything = edges | st.text(string.printable, max_size=20) | st.text(max_size=5) | st.integers()


@st.composite
def altered(draw: st.DrawFn, events: SearchStrategy[Event]) -> Event:
    """An event with up to three of its fields replaced, removed, or added."""
    event = copy.deepcopy(draw(events))
    for _ in range(draw(st.integers(0, 3))):
        inside = isinstance(event.get("data"), dict) and draw(st.integers(0, 2)) > 0
        part = event["data"] if inside else event
        names = [*part, "kinds", "quiet_hours"] if inside else [*part, "time", "subject"]
        name = draw(st.sampled_from(names))
        if draw(st.integers(0, 3)):
            # A copy: `data` itself may be replaced by one of the edges, and altered after that.
            part[name] = copy.deepcopy(draw(anything))
        else:
            part.pop(name, None)
    return event


def agree(name: str, event: Event, decode: Callable[[bytes], Any], is_valid: IsValid) -> None:
    decoded = decode(json.dumps(event).encode())
    if isinstance(decoded, Rejected) and "is before `not_before_ms`" in decoded.error:
        return  # a schema cannot compare two fields
    right = is_valid(name, event) and not only_the_decoder_knows(event)
    assert right == (not isinstance(decoded, Rejected)), decoded


def only_the_decoder_knows(event: Event) -> bool:
    """Whether a consent names hours without length, or a zone that is none."""
    data = event["data"]
    if event["type"] != "decorum.consent.v1":
        return False
    zone = data.get("time_zone")
    return is_no_time(data.get("quiet_hours")) or (zone is not None and zone not in ZONES)


# The validator is a session's fixture and keeps nothing between examples.
thorough = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@thorough
@given(event=altered(intents))
def test_intents(event: Event, is_valid: IsValid) -> None:
    agree("intent", event, decode_intent, is_valid)


@thorough
@given(event=altered(interactions))
def test_interactions(event: Event, is_valid: IsValid) -> None:
    agree("interactions", event, decode_interaction, is_valid)


@thorough
@given(event=altered(controls))
def test_controls(event: Event, is_valid: IsValid) -> None:
    agree("control", event, decode_control, is_valid)


@given(intents)
def test_an_intent_comes_back_as_it_was_sent(event: Event) -> None:
    decoded = decode_intent(json.dumps(event).encode())
    assert isinstance(decoded, Intent), decoded
    assert (decoded.id, decoded.source) == (event["id"], event["source"])
    known = {name: value for name, value in event["data"].items() if name != "unknown"}
    assert {name: getattr(decoded, name) for name in known} == known


@given(interactions, st.booleans())
def test_an_interaction_comes_back_as_it_was_sent(event: Event, escaped: bool) -> None:  # noqa: FBT001
    decoded = decode_interaction(json.dumps(event, ensure_ascii=escaped).encode())
    assert not isinstance(decoded, Rejected), decoded
    assert (decoded.id, decoded.source) == (event["id"], event["source"])
    plain = {name: value for name, value in event["data"].items() if name != "quiet_hours"}
    assert {name: getattr(decoded.data, name) for name in plain} == plain
