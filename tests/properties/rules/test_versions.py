"""Section 9, and orders with an end: whoever waits is looked at when what governs them changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.topics import POLICIES, RULES_STATE
from tests.flows import events
from tests.flows.accounts import ONE_A_SECOND
from tests.flows.table import TWO_A_DAY
from tests.flows.world import DriverWorld
from tests.unit.core.person import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

ONE_A_DAY: dict[str, Any] = {**TWO_A_DAY, "limit": 1}
NOTHING_GOES: dict[str, Any] = {**ONE_A_SECOND, "new": "0/s", "amber": "0/s"}


def publish(scene: Scene, world: DriverWorld, version: int, ahead_ms: int, **sections: Any) -> None:
    """Publish a version whose record's clock is ahead of everybody's."""
    document = events.policy("acme", version, **sections)
    name = f"acme/{version}"
    value = events.event(name, "policy", document)
    world.driver.produce(POLICIES, name.encode(), value, timestamp=world.now_ms + ahead_ms)
    scene.rest()


@pytest.mark.rule("R5.5", "R9.5", "R9.10")
@pytest.mark.parametrize("ahead_ms", [-DAY, -1, 0, 1, 200, 5_000, MINUTE])
def test_a_looser_version_releases_what_waits_when_it_comes_into_force(
    told: Callable[..., Scene], ahead_ms: int
) -> None:
    world = DriverWorld()
    scene = told(world, windows=[ONE_A_DAY], pacing=NOTHING_GOES)
    scene.ask("1")
    scene.ask("2")
    scene.ask("b", "bob", kind="broadcast")
    publish(scene, world, 2, ahead_ms, windows=[TWO_A_DAY])
    if ahead_ms > 0:
        world.advance(scene.start_ms + ahead_ms - 1)
        assert scene.story("2")[-1].startswith("deferred window_full")
        assert scene.story("b", "bob")[-1].startswith("deferred account_pacing")
    world.advance(scene.start_ms + max(0, ahead_ms) + 100)
    for held in (scene.decisions("2"), scene.decisions("b", "bob")):
        assert (held[-1]["outcome"], held[-1]["policy_version"]) == ("approved", 2)


@pytest.mark.rule("R9.15")
@pytest.mark.parametrize("ahead_ms", [MINUTE + 1, 3 * HOUR, 400 * DAY])
def test_a_clock_that_cannot_be_makes_no_version_wait(
    told: Callable[..., Scene], ahead_ms: int
) -> None:
    world = DriverWorld()
    scene = told(world, windows=[ONE_A_DAY])
    scene.ask("1")
    scene.ask("2")
    publish(scene, world, 2, ahead_ms, windows=[TWO_A_DAY])
    scene.at("100ms")
    assert scene.story("2")[-1] == "approved ok"
    assert scene.decisions("2")[-1]["policy_version"] == 2


@pytest.mark.rule("R9.10")
def test_versions_in_quick_succession_are_each_looked_at_in_their_time(
    told: Callable[..., Scene],
) -> None:
    world = DriverWorld()
    scene = told(world, windows=[ONE_A_DAY])
    for intent in "1234":
        scene.ask(intent)
    publish(scene, world, 2, 3_000, windows=[TWO_A_DAY])
    publish(scene, world, 3, 1_000, windows=[{**TWO_A_DAY, "limit": 3}])
    publish(scene, world, 4, 4_000, windows=[{**TWO_A_DAY, "limit": 4}])
    scene.at("10s")
    assert [scene.decisions(i)[-1]["policy_version"] for i in "1234"] == [1, 3, 3, 4]
    assert [scene.decided_at(i) for i in "234"] == ["1s", "1s", "4s"]


@pytest.mark.rule("R9.10")
def test_rules_are_counted_behind_all_that_one_batch_changed(
    told: Callable[..., Scene],
) -> None:
    """Whoever reads the count has read what it counts."""
    world = DriverWorld()
    scene = told(world, windows=[ONE_A_DAY])
    before = len(world.read(RULES_STATE))
    with scene.together():
        scene.policy(2, windows=[])
        scene.policy(3, windows=[])
        scene.control("acme/kind/direct", action="pause")
    keys = [r.key for r in world.read(RULES_STATE)[before:] if r.key and r.key[:1] != b"\0"]
    assert keys[-1] == b"generation"
    assert {b"policy/acme/2", b"policy/acme/3"} < set(keys)


@pytest.mark.rule("R7.9")
@pytest.mark.parametrize("slow", ["0/s", "1/m"])
def test_what_a_brake_with_an_end_slows_goes_on_at_its_end(
    told: Callable[..., Scene], slow: str
) -> None:
    pacing = {**ONE_A_SECOND, "new": "10/s", "amber": slow, "burst": "1s"}
    scene = told(pacing=pacing)
    scene.control("acme", action="brake", until_ms=scene.start_ms + MINUTE // 2)
    scene.ask("b", "a", "b", "c", kind="broadcast")
    scene.at("29s999ms")
    assert len(scene.sent("broadcast")) <= 1
    scene.at("31s")
    assert len(scene.sent("broadcast")) == 3
