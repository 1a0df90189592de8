"""Section 9: policies and controls that are over are forgotten, and nothing follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene


def kept(scene: Scene) -> list[str]:
    """The keys of the rules' state."""
    state = scene.world.driver.state("rules", 0)  # type: ignore[attr-defined]
    return sorted(key.decode() for key in state if key != b"generation")


@pytest.mark.rule("R9.14")
def test_a_version_that_was_replaced_a_day_ago_is_forgotten(told: Callable[..., Scene]) -> None:
    scene = told(windows=[])
    scene.policy(2, remember="1h")
    scene.policy(3, effective_at="2031-01-01T00:00:00Z")
    scene.at("23h")
    assert kept(scene) == ["policy/acme/1", "policy/acme/2", "policy/acme/3"]
    scene.at("2d")
    assert kept(scene) == ["policy/acme/2", "policy/acme/3"]
    scene.world.crash()
    scene.ask("1")
    assert scene.decisions("1")[0]["policy_version"] == 2
    placed = scene.policy(1)
    assert scene.letter(placed)["reason"] == "refused_policy"


@pytest.mark.rule("R9.14")
def test_a_control_that_ended_a_day_ago_is_forgotten(told: Callable[..., Scene]) -> None:
    scene = told(windows=[])
    for number in range(20):
        until_ms = scene.start_ms + 3_600_000
        scene.control(f"acme/account/a{number}", action="pause", until_ms=until_ms)
    scene.control("acme/account/a0", action="pause", until_ms=scene.start_ms + 10 * 86_400_000)
    scene.control("acme/account/a1", action="brake")
    assert len(kept(scene)) == 21
    scene.at("2d")
    assert kept(scene) == ["control/acme/account/a0", "control/acme/account/a1", "policy/acme/1"]
    rules = scene.world._rules  # type: ignore[attr-defined]
    assert len(rules.controls) == 2
    scene.ask("1", account="a0")
    scene.ask("2", account="a2")
    assert [d["reason"] for d in scene.decisions("1") + scene.decisions("2")] == ["control", "ok"]
