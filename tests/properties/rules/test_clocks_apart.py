"""Section 4: partitions whose machines' clocks differ, as two machines' do after a failed sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from streams.topics import CANDIDATES
from tests.flows.accounts import CEILINGS, ONE_A_SECOND
from tests.flows.world import DriverWorld
from tests.unit.core.person import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

APART_MS: Final = 10 * SECOND
FEW: Final = 15
"""Answers for one ask: one a second, while clocks differ."""


def answers(world: DriverWorld) -> int:
    """How often the accounts have answered."""
    return len(world.read(CANDIDATES))


def apart(customer_ms: int, **sections: Any) -> tuple[DriverWorld, Callable[..., Scene]]:
    """A world in which the customers' partitions are ahead by so much, or behind."""
    world = DriverWorld()
    for number in range(world.partitions):
        world.driver.ahead_ms["customer", number] = customer_ms
    return world, lambda told: told(world, **sections)


@pytest.mark.rule("R4.25")
@pytest.mark.parametrize("more", [{}, {"if_not_now": "deny"}])
def test_a_friend_request_around_midnight_is_asked_for_once_a_second(
    told: Callable[..., Scene], more: dict[str, str]
) -> None:
    world, begin = apart(APART_MS, ceilings=CEILINGS)
    scene = begin(told)
    scene.at("13h59m55s")
    before = answers(world)
    scene.ask("f", "ann", kind="friend_request", **more)
    assert answers(world) - before < FEW
    scene.at("14h1m")
    assert scene.story("f")[-1] == "approved ok"
    assert answers(world) - before < FEW
    assert scene.limits("xiaoer")["adds_today"] == 1


@pytest.mark.rule("R4.25")
def test_a_deadline_that_passed_by_one_clock_alone_ends_once(told: Callable[..., Scene]) -> None:
    world, begin = apart(-APART_MS, pacing=ONE_A_SECOND | {"new": "1/m"})
    scene = begin(told)
    scene.at("1h")
    scene.ask("first", "x", "y", "z", kind="broadcast", priority=99)
    before = answers(world)
    scene.ask("b", kind="broadcast", deadline_ms=world.now_ms - 3 * SECOND)
    assert answers(world) - before < FEW
    scene.at("1h1m")
    assert scene.story("b")[-1] == "expired deadline_passed"
    assert answers(world) - before < FEW


@pytest.mark.rule("R4.25")
def test_a_version_that_one_stage_knows_of_alone_is_waited_for(told: Callable[..., Scene]) -> None:
    world, begin = apart(APART_MS)
    scene = begin(told)
    scene.policy(2, pacing=ONE_A_SECOND, effective_at="2030-01-08T11:00:00Z")
    scene.at("59m55s")
    before = answers(world)
    scene.ask("b", kind="broadcast")
    assert answers(world) - before < FEW
    scene.at("1h1m")
    assert scene.story("b")[-1] == "approved ok"
    assert answers(world) - before < FEW


@pytest.mark.rule("R4.25")
def test_who_would_not_wait_is_told_the_account_s_answer_alone(told: Callable[..., Scene]) -> None:
    _, begin = apart(APART_MS, ceilings=CEILINGS)
    scene = begin(told)
    scene.at("13h59m58s")
    scene.ask("late", "c", kind="friend_request", if_not_now="deny")
    scene.at("14h1m")
    scene.expect("late", "approved ok", customer="c")


@pytest.mark.rule("R5.3")
@pytest.mark.parametrize("more", [{}, {"if_not_now": "deny"}])
def test_no_earliest_time_is_before_its_decision(
    told: Callable[..., Scene], more: dict[str, str]
) -> None:
    _, begin = apart(APART_MS, pacing=ONE_A_SECOND)
    scene = begin(told)
    names = [f"c{number}" for number in range(30)]
    scene.ask("b", *names, kind="broadcast", **more)
    said = [scene.decisions("b", name)[-1] for name in names]
    times = [(d["eligible_at_ms"], d["decided_at_ms"]) for d in said if "eligible_at_ms" in d]
    assert len(times) > FEW
    assert all(eligible_ms >= decided_ms for eligible_ms, decided_ms in times)
