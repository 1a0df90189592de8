"""Section 1: records that nobody can read, and those beside them, in every stage."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import jsonschema
import orjson
import pytest

from streams.stages.balance import Balance, balance_of
from streams.topics import (
    CANDIDATES,
    CONTROLS,
    DEAD_LETTERS,
    DECISIONS,
    INTENTS,
    INTERACTIONS,
    POLICIES,
)
from tests.flows.scene import Scene
from tests.flows.world import DriverWorld
from tests.properties.fuzz.values import SAMPLES, written

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = json.loads((SAMPLES.parent / "dead-letter.schema.json").read_text(encoding="utf-8"))
INPUTS = (INTENTS, INTERACTIONS, POLICIES, CONTROLS)
FOREVER_AGO_MS, FAR_AHEAD_MS = -(2**63), 2**63 - 1


def letters(world: DriverWorld) -> list[dict[str, Any]]:
    found = [orjson.loads(record.value or b"") for record in world.read(DEAD_LETTERS)]
    for letter in found:
        jsonschema.validate(letter, SCHEMA)
    return found


@pytest.mark.rule("R1.24")
@pytest.mark.parametrize("topic", [*INPUTS, CANDIDATES])
@pytest.mark.parametrize("crash", [False, True], ids=["", "crash"])
def test_a_batch_that_cannot_be_read_is_one_letter_whatever_stage_reads_it(
    topic: str, *, crash: bool
) -> None:
    world = DriverWorld(1)
    scene = Scene(world, "acme")
    scene.policy(1)
    with scene.together():
        scene.ask("before", "ann")
        world.driver.produce_unreadable(topic, b"\0raw\xff", "its zstd cannot be unpacked: why")
        scene.ask("behind", "bob")
        if crash:
            world.crash()
    [letter] = letters(world)
    data = letter["data"]
    assert letter["id"] == f"{topic}-0-{data['offset']}"
    assert (data["topic"], data["reason"]) == (topic, "unreadable")
    assert data["error"] == (
        f"$: the batch of records is broken at offset {data['offset']} (1 in all):"
        " its zstd cannot be unpacked: why"
    )
    assert b64decode(data["value_base64"]) == b"\0raw\xff"
    assert "key_base64" not in data
    assert world.driver.counters["dead_letters_total", topic, "unreadable"] == 1
    assert scene.story("before", "ann") == scene.story("behind", "bob") == ["approved ok"]


@pytest.mark.rule("R1.25")
@pytest.mark.parametrize("at_ms", [-1, -2, 0, FOREVER_AGO_MS, FAR_AHEAD_MS])
def test_no_time_of_a_record_is_too_absurd(at_ms: int) -> None:
    """A producer sets it where the topic does not: policies, controls, or an operator's choice."""
    world = DriverWorld(1)
    scene = Scene(world, "acme")
    now_ms = world.now_ms
    for topic, value in _samples(scene):
        world.driver.now_ms = at_ms
        world.produce(topic, b"acme/1", value, 0)
        world.driver.now_ms = now_ms
        world.settle()
        world.crash()
    world.advance(now_ms + 40 * 24 * 3_600_000)
    letters(world)
    balance = Balance()
    for stage in ("account", "customer"):
        here = balance_of(world.driver.state(stage, 0))
        balance.accepted += here.accepted
        balance.settled += here.settled
        balance.held += here.held
    assert balance.accepted == balance.settled + balance.held
    assert world.read(DECISIONS)


def _samples(scene: Scene) -> Iterator[tuple[str, bytes | None]]:
    """Everything that is valid, of every input topic, and a tombstone and noise of each."""
    yield INTENTS, scene.intent("mine", "ann")
    for path in sorted((SAMPLES / "valid").glob("*.json")):
        event = json.loads(path.read_bytes())
        kind = event.get("type", "")
        topic = INTENTS if "intent" in kind else CONTROLS if "control" in kind else INTERACTIONS
        yield topic, written(event)
    for topic in INPUTS:
        yield topic, None
        yield topic, b"\xff"
