"""The flows of `tests/flows`, told once more by a worker process on a real Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.topics import CANDIDATES, DECISIONS
from tests.flows.flows import FLOWS
from tests.flows.scene import Scene
from tests.integration.kafka.flow_world import KafkaWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.flows.flows import Flow


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaWorld]:
    kafka = request.getfixturevalue("kafka")
    directory = tmp_path_factory.mktemp("flows")
    with KafkaWorld(kafka.bootstrap, f"{directory.name}-", directory) as world:
        yield world


def play(flow: Flow, world: KafkaWorld, enterprise: str) -> None:
    scene = Scene(world, enterprise)
    if flow.sections is not None:
        scene.policy(1, **flow.sections)
    flow.play(scene)
    scene.check()


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_flow(flow: Flow, world: KafkaWorld) -> None:
    play(flow, world, flow.name)


def test_what_is_held_is_released_on_time_by_the_worker_s_successor(world: KafkaWorld) -> None:
    scene = Scene(world, "successor")
    window = {"id": "one", "kinds": ["direct"], "scope": "enterprise", "limit": 1, "rolling": "1h"}
    scene.policy(1, windows=[window])
    scene.ask("1")
    scene.receipt("delivered", "1", at="0s")
    scene.ask("2")
    scene.expect("2", "deferred window_full one +1h")
    world.crash()
    scene.ask("2")
    scene.at("1h")
    scene.expect("2", "deferred window_full one +1h", "duplicate duplicate", "approved ok")
    assert scene.decided_at("2") == "1h"


def test_a_worker_that_dies_within_a_great_intent_loses_and_doubles_nobody(
    world: KafkaWorld,
) -> None:
    """Its customers are more than two transactions can take."""
    scene = Scene(world, "great")
    scene.policy(1)
    customers = sorted(f"c{number}" for number in range(1_000))
    attributes = {chr(0x10380 + number) * 64: "\U00010384" * 256 for number in range(16)}
    deaths_within = 0
    for name in ("one", "two", "three"):
        before = len(world.read(CANDIDATES))
        with scene.together():
            scene.ask(name, *customers, attributes=attributes)
            while len(world.read(CANDIDATES)) == before:
                world.look()
            world.stop_worker()
            world.look()
            deaths_within += len(world.read(CANDIDATES)) - before < len(customers)
            world.start_worker()
        sent = [m["customer_id"] for m in scene.sent("direct") if m["intent_id"] == name]
        found = [d for d in scene.everything(DECISIONS) if d["intent_id"] == name]
        assert sorted(sent) == sorted(d["customer_id"] for d in found) == customers
    assert deaths_within
