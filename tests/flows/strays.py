"""Flows of records that are not as they should be: strays, and all that is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from streams.runtime.partitioner import partition_for
from streams.topics import CONTROLS, INTENTS, INTERACTIONS, POLICIES
from tests.flows import events
from tests.flows.scene import content_of
from tests.flows.table import TWO_A_DAY, flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene

BROKEN: Final[dict[str, bytes | None]] = {
    "not_utf8": b'{"specversion": "1.0", "id": "\xff"}',
    "not_json": b'{"specversion": "1.0", "id"',
    "invalid": b'{"specversion": "1.0", "id": "1", "source": "s"}',
    "unknown_type": b'{"specversion": "1.0", "id": "1", "source": "s", "type": "weather.v1"}',
    "too_large": b'{"a": "' + b"x" * (1 << 20) + b'"}',
}


def _elsewhere(scene: Scene, key: bytes) -> int:
    return (partition_for(key, scene.world.partitions) + 1) % scene.world.partitions


@pytest.mark.rule("R1.3")
@flow(windows=[TWO_A_DAY])
def intents_find_their_place_whatever_key_they_came_with(scene: Scene) -> None:
    home = events.key(scene.enterprise, "xiaoer")
    scene.put(INTENTS, None, scene.intent("no-key"))
    scene.put(INTENTS, b"crc32/of-somebody", scene.intent("foreign-key"))
    scene.put(INTENTS, home, scene.intent("wrong-place"), _elsewhere(scene, home))
    scene.expect("no-key", "approved ok")
    scene.expect("foreign-key", "approved ok")
    assert scene.story("wrong-place")[0].startswith("deferred window_full")
    right = [r for r in scene.world.read(INTENTS) if r.key == home]
    assert {r.partition for r in right} == {
        partition_for(home, scene.world.partitions),
        _elsewhere(scene, home),
    }


@pytest.mark.rule("R1.3")
@flow(consent={"ask_first": []})
def interactions_find_their_place_too(scene: Scene) -> None:
    home = events.key(scene.enterprise, "ann")
    refused = scene.interaction("consent", event_id="no", allowed=False)
    scene.put(INTERACTIONS, home, refused, _elsewhere(scene, home))
    scene.ask("1")
    scene.expect("1", "denied no_consent consent")
    scene.at("1m")
    scene.put(INTERACTIONS, None, scene.interaction("consent", event_id="yes", allowed=True))
    scene.ask("2")
    scene.expect("2", "approved ok")


@pytest.mark.rule("R1.12")
@flow(windows=[TWO_A_DAY])
def what_cannot_be_read_is_kept_whole_and_disturbs_nobody(scene: Scene) -> None:
    key = events.key(scene.enterprise, "xiaoer")
    with scene.together():
        placed = {
            (topic, reason): scene.put(topic, key, value)
            for topic in (INTENTS, INTERACTIONS)
            for reason, value in BROKEN.items()
        }
        scene.ask("good")
        nothing = scene.put(INTENTS, key, None)
    for (topic, reason), place in placed.items():
        letter = scene.letter(place)
        assert (letter["topic"], letter["reason"]) == (topic, reason)
        assert content_of(letter) == (key, BROKEN[reason])
    assert scene.letter(nothing)["reason"] == "not_json"
    assert content_of(scene.letter(nothing)) == (key, None)
    scene.expect("good", "approved ok")


@pytest.mark.rule("R7.5", "R9.7")
@flow(windows=[TWO_A_DAY])
def broken_rules_displace_nothing(scene: Scene) -> None:
    name = scene.enterprise.encode()
    for topic, reason in ((POLICIES, "refused_policy"), (CONTROLS, "refused_control")):
        for value in (b"", b"\xff", b"[]", BROKEN["invalid"]):
            letter = scene.letter(scene.put(topic, name, value))
            assert letter["reason"] == reason
    assert scene.letter(scene.control("a/b/c", action="pause"))["reason"] == "refused_control"
    scene.ask("1")
    assert scene.decisions("1")[0]["policy_version"] == 1


@pytest.mark.rule("R1.1")
@flow(windows=[TWO_A_DAY])
def an_intent_of_many_customers_is_decided_for_each(scene: Scene) -> None:
    customers = [f"c{number}" for number in range(1000)]
    scene.ask("1", *customers, kind="broadcast", campaign_id="spring")
    scene.ask("2", "c1", "c999", kind="direct")
    scene.ask("3", "c1", kind="direct", if_not_now="deny")
    found = [d for d in scene.everything("decisions") if d["intent_id"] == "1"]
    assert sorted(d["customer_id"] for d in found) == sorted(customers)
    assert {d["outcome"] for d in found} == {"approved"}
    assert scene.story("3", "c1")[0].startswith("denied window_full")
