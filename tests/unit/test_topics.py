from __future__ import annotations

import pytest

from streams.admin.topics import Existing, mismatches
from streams.core.kinds import KIND_NAMES
from streams.topics import (
    DEAD_LETTER_BYTES,
    DEAD_LETTERS,
    RECORD_BYTES,
    TOPICS,
    Topics,
    approved,
)

CONTRACT = {
    "outbound-intents": ("in", "delete"),
    "interactions": ("in", "delete"),
    "policies": ("in", "compact"),
    "controls": ("in", "compact"),
    "approved.direct": ("out", "delete"),
    "approved.broadcast": ("out", "delete"),
    "approved.moment": ("out", "delete"),
    "approved.friend-request": ("out", "delete"),
    "approved.reply": ("out", "delete"),
    "approved.transactional": ("out", "delete"),
    "approved.transfer": ("out", "delete"),
    "decisions": ("out", "delete"),
    "account-limits": ("out", "compact"),
    "campaign-status": ("out", "compact"),
    "enterprise-limits": ("out", "compact"),
    "limit-changes": ("out", "delete"),
    "dead-letters": ("out", "delete"),
}
BY_NAME = {topic.name: topic for topic in TOPICS}


def as_wanted(names: Topics, partitions: int) -> dict[str, Existing]:
    return {
        names.physical(topic.name): Existing(topic.partition_count(partitions), topic.cleanup)
        for topic in TOPICS
    }


def test_the_public_topics_are_the_contracts() -> None:
    public = {
        topic.name: (topic.direction, topic.cleanup)
        for topic in TOPICS
        if topic.direction != "internal"
    }
    assert public == CONTRACT


def test_internal_topics_carry_the_workers_name() -> None:
    internal = [topic.name for topic in TOPICS if topic.direction == "internal"]
    assert internal
    assert all(name.startswith("decorum-") for name in internal)


def test_names_are_unique_and_every_attribute_is_in_the_table() -> None:
    assert len(BY_NAME) == len(TOPICS)
    names = Topics()
    named = {value for name, value in vars(names).items() if name != "prefix"}
    assert named | {approved(kind) for kind in KIND_NAMES} == set(BY_NAME)


def test_only_what_needs_a_total_order_has_one_partition() -> None:
    fixed = {topic.name: topic.partitions for topic in TOPICS if topic.partitions is not None}
    assert fixed == {"policies": 1, "controls": 1, "decorum-rules-state": 1}


def test_a_kind_has_a_topic_under_both_spellings() -> None:
    assert approved("friend_request") == "approved.friend-request" == approved("friend-request")
    with pytest.raises(ValueError, match="'telegram' is no kind"):
        approved("telegram")


def test_the_prefix_comes_first_and_goes_again() -> None:
    names = Topics("stage-")
    assert names.decisions == "stage-decisions"
    assert names.approved("moment") == "stage-approved.moment"
    assert names.logical("stage-decisions") == "decisions"
    # Only the prefix itself: a topic that merely contains it keeps its name.
    assert Topics("in").logical("in-interactions") == "-interactions"
    assert Topics("x").logical("interactions") == "interactions"


def test_a_dead_letter_holds_the_largest_input() -> None:
    base64_of_largest = RECORD_BYTES * 4 // 3
    assert BY_NAME[DEAD_LETTERS].max_bytes == DEAD_LETTER_BYTES
    assert base64_of_largest + 64 * 1024 < DEAD_LETTER_BYTES


def test_configurations_say_cleanup_retention_and_size() -> None:
    assert BY_NAME["outbound-intents"].configuration() == {
        "cleanup.policy": "delete",
        "retention.ms": "604800000",
        "max.message.bytes": "4194304",
        "message.timestamp.type": "LogAppendTime",
    }
    for topic in TOPICS:
        assert ("retention.ms" in topic.configuration()) == (topic.cleanup == "delete")


def test_nothing_differs_when_all_is_as_wanted() -> None:
    names = Topics("p-")
    assert mismatches(as_wanted(names, 8), names, 8) == []


def test_each_difference_is_a_line() -> None:
    names = Topics("p-")
    existing = as_wanted(names, 8)
    del existing["p-policies"]
    existing["p-decisions"] = Existing(7, "delete")
    existing["p-controls"] = Existing(8, "compact")
    existing["p-decorum-customer-state"] = Existing(8, "delete")

    assert mismatches(existing, names, 8) == [
        "p-policies: missing, or hidden from this user (`decorum acls`)",
        "p-controls: has 8 partitions, needs 1",
        "p-decisions: has 7 partitions, needs 8",
        "p-decorum-customer-state: cleanup.policy is 'delete', needs 'compact'",
    ]
