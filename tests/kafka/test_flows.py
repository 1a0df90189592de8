"""The flows of `tests/flows`, told once more by a worker process on a real Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.flows.flows import FLOWS
from tests.flows.scene import Scene
from tests.kafka.flow_world import KafkaWorld

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
