"""What is told of limits: exact bytes, in the contract's order, as the schemas and samples say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from streams.core.account.limits import OFF, PAUSED, Change, Grade, Limits
from streams.core.campaign_state import CampaignStatus, Phase
from streams.core.enterprise import EnterpriseStatus
from streams.events.limits import (
    encode_account_limits,
    encode_campaign_status,
    encode_enterprise_limits,
    encode_limit_change,
)
from streams.topics import TOPICS
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES: Final = ROOT / "schemas" / "samples" / "out"
NOW_MS: Final = 1_795_312_800_123
LIMITS: Final = Limits(
    grade="amber",
    relations=4_200,
    relations_ceiling=5_000,
    adds_today=7,
    daily_add_ceiling=20,
    broadcast_rate_per_s=1.0,
    delivered=1_400,
    complaints=1.5,
    complaint_rate=0.0010714285714285715,
    complaint_rate_low=0.00020703125,
    complaint_rate_high=0.0009765625,
    reply_rate=0.125,
    paused_until_ms=NOW_MS + 10_800_000,
)
CAMPAIGN: Final = CampaignStatus(
    phase=Phase.CANARY,
    released=0.05,
    size=48_000,
    approved=2_400,
    delivered=2_311,
    complaints=1.5,
    complaint_rate=0.0006490696668109044,
    complaint_rate_low=0.000146484375,
    complaint_rate_high=0.00128173828125,
    stepped_at_ms=NOW_MS - 600_000,
    next_step_ms=NOW_MS + 1_200_000,
)
ENTERPRISE: Final = EnterpriseStatus(
    relations=43_500, relations_allowed=50_000, room=6_500, reply_rate=0.125
)
ADDRESS: Final = ("acme", "xiaoer-08")
FALL: Final = Change("relations_ceiling", 5_000, 2_500, "red", LIMITS)

EVENTS: Final[dict[str, bytes]] = {
    "account-limits": encode_account_limits(*ADDRESS, LIMITS, 1, NOW_MS),
    "limit-change": encode_limit_change(*ADDRESS, FALL, 1, NOW_MS),
    "campaign-status": encode_campaign_status("acme", "spring", CAMPAIGN, 1, NOW_MS),
    "enterprise-limits": encode_enterprise_limits("acme", ENTERPRISE, 1, NOW_MS),
}
"""One of each, every field there, by the name of its schema."""

SUBJECTS: Final = {
    "account-limits": "xiaoer-08",
    "limit-change": "xiaoer-08",
    "campaign-status": "spring",
    "enterprise-limits": "acme",
}

each_event = pytest.mark.parametrize("name", sorted(EVENTS))


def bare(limits: Limits) -> Limits:
    """The limits under a policy that governs nothing."""
    governed = {f.name: None for f in msgspec.structs.fields(Limits) if f.default is None}
    return msgspec.structs.replace(limits, **governed)


@each_event
def test_a_sample_is_what_is_written(name: str) -> None:
    assert json.loads(EVENTS[name]) == json.loads((SAMPLES / f"{name}.json").read_bytes())


@each_event
def test_the_schema_lists_the_fields_that_are_written_in_their_order(
    name: str, schemas: dict[str, Any], is_valid: Callable[[str, Any], bool]
) -> None:
    event = json.loads(EVENTS[name])
    data = schemas[name]["properties"]["data"]
    assert is_valid(name, event)
    assert list(event["data"]) == list(data["properties"])


@each_event
def test_the_envelope(name: str) -> None:
    event = json.loads(EVENTS[name])
    word = name.replace("-", "_")
    assert list(event) == ["specversion", "id", "source", "type", "time", "subject", "data"]
    assert event["type"] == f"decorum.{word}.v1"
    assert event["type"] in {topic.value for topic in TOPICS}
    assert event["id"].startswith(f"{word}.")
    assert event["time"] == "2026-11-22T02:00:00.123Z"
    assert event["subject"] == SUBJECTS[name]


@each_event
def test_a_sample_without_a_field_that_must_be_there_is_invalid(
    name: str, schemas: dict[str, Any], is_valid: Callable[[str, Any], bool]
) -> None:
    event = json.loads(EVENTS[name])
    for field in schemas[name]["properties"]["data"]["required"]:
        rest = {key: value for key, value in event["data"].items() if key != field}
        assert not is_valid(name, event | {"data": rest}), field


@each_event
def test_a_number_below_nothing_is_invalid(name: str, is_valid: Callable[[str, Any], bool]) -> None:
    event = json.loads(EVENTS[name])
    for field, value in event["data"].items():
        if isinstance(value, int | float):
            assert not is_valid(name, event | {"data": event["data"] | {field: -1}}), field


def test_every_change_has_its_own_id_and_a_repeat_the_same() -> None:
    def name_of(change: Change, at_ms: int = NOW_MS) -> str:
        return str(json.loads(encode_limit_change(*ADDRESS, change, 1, at_ms))["id"])

    assert name_of(FALL) == name_of(FALL)
    others = [
        name_of(FALL),
        name_of(FALL, NOW_MS + 1),
        name_of(Change("relations_ceiling", 5_000, 2_501, "red", LIMITS)),
        name_of(Change("daily_add_ceiling", 5_000, 2_500, "red", LIMITS)),
        json.loads(encode_limit_change("acme", "xiaoer-09", FALL, 1, NOW_MS))["id"],
        json.loads(encode_limit_change("zeta", "xiaoer-08", FALL, 1, NOW_MS))["id"],
    ]
    assert len(set(others)) == len(others)
    assert all(len(one) <= 128 for one in others)


def test_what_the_policy_does_not_govern_is_left_out(
    schemas: dict[str, Any], is_valid: Callable[[str, Any], bool]
) -> None:
    told = {
        "account-limits": encode_account_limits(*ADDRESS, bare(LIMITS), 1, NOW_MS),
        "limit-change": encode_limit_change(
            *ADDRESS,
            Change("status", "active", "resigned", "account_status", bare(LIMITS)),
            1,
            NOW_MS,
        ),
        "campaign-status": encode_campaign_status(
            "acme",
            "spring",
            CampaignStatus(Phase.FULL, 1.0, None, 0, 0, 0.0, None, None, None, NOW_MS, None),
            1,
            NOW_MS,
        ),
        "enterprise-limits": encode_enterprise_limits(
            "acme", EnterpriseStatus(0, None, 0, None), 1, NOW_MS
        ),
    }
    for name, value in told.items():
        event = json.loads(value)
        required = schemas[name]["properties"]["data"]["required"]
        assert sorted(event["data"]) == sorted(required)
        assert is_valid(name, event)


@pytest.mark.parametrize(("before", "after"), [(0, NOW_MS), (NOW_MS, 0), (0, None)])
def test_a_pause_goes_from_and_to_its_end_and_without_end_it_is_null(
    before: int, after: int | None, is_valid: Callable[[str, Any], bool]
) -> None:
    change = Change("pause", before, after, "burst", LIMITS)
    event = json.loads(encode_limit_change(*ADDRESS, change, 1, NOW_MS))
    assert (event["data"]["before"], event["data"]["after"]) == (before, after)
    assert is_valid("limit-change", event)


def test_words_shared_with_the_core(schemas: dict[str, Any]) -> None:
    account = schemas["account-limits"]["properties"]["data"]["properties"]
    campaign = schemas["campaign-status"]["properties"]["data"]["properties"]
    grades = {grade.label for grade in Grade} | {PAUSED, OFF}
    assert set(account["grade"]["enum"]) == grades
    assert campaign["phase"]["enum"] == [str(phase) for phase in Phase]
