"""Every flow on the broker-less driver, and again with a crash after every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.runtime.batch import Share
from streams.stages.balance import balance_of
from streams.topics import TOPICS
from tests.flows.flows import FLOWS
from tests.flows.scene import Scene
from tests.flows.world import DriverWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.flows import Flow

QUEUED = [flow for flow in FLOWS if flow.play.__module__.endswith((".accounts", ".campaigns"))]
"""Those in which somebody waits for an account."""

VISIBLE = [topic.name for topic in TOPICS if topic.direction != "internal"]


def play(flow: Flow, world: DriverWorld, between: Callable[[], None] = lambda: None) -> None:
    scene = Scene(world, "acme", between)
    if flow.sections is not None:
        scene.policy(1, **flow.sections)
    flow.play(scene)
    scene.check()
    check_balance(world)


def check_balance(world: DriverWorld) -> None:
    """Accepted is settled plus held, and held is what is visibly deferred and nothing else."""
    accepted = settled = held = 0
    for number in range(world.partitions):
        for stage in ("account", "customer"):
            counts = balance_of(world.driver.state(stage, number))
            accepted, settled = accepted + counts.accepted, settled + counts.settled
            held += counts.held
    assert accepted == settled + held
    assert held >= 0


@pytest.mark.rule("R1.5")
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_flow(flow: Flow) -> None:
    play(flow, DriverWorld())


@pytest.mark.rule("R1.21")
@pytest.mark.parametrize("flow", QUEUED, ids=lambda flow: flow.name)
def test_a_batch_that_may_write_next_to_nothing_tells_the_same_story(flow: Flow) -> None:
    play(flow, DriverWorld(share=Share(output=1_000)))


@pytest.mark.rule("R1.11", "R4.16", "R5.7")
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_a_crash_after_every_step_changes_nothing(flow: Flow) -> None:
    steady, shaken = DriverWorld(), DriverWorld()
    play(flow, steady)
    play(flow, shaken, shaken.crash)
    for topic in VISIBLE:
        assert shaken.read(topic) == steady.read(topic)
