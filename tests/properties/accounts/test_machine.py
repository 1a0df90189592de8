"""Random plots on all stages, judged by laws that know the public topics alone.

`ACCOUNT_PLOTS=3000 python -m pytest tests/properties/accounts` looks further than a usual run does.
"""

from __future__ import annotations

import os
import re
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from tests.flows.test_crashes import StumblingWorld, said
from tests.flows.world import DriverWorld
from tests.properties.accounts import endings
from tests.properties.accounts.laws import broken
from tests.properties.accounts.past import Past
from tests.properties.accounts.play import Player
from tests.properties.accounts.plot import Plot
from tests.properties.accounts.shrink import smallest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tests.properties.accounts.plot import Step

PLOTS: Final = int(os.environ.get("ACCOUNT_PLOTS", "120"))
LENGTH: Final = 40
CRASHES: Final = 8
STUMBLES: Final = 20
CALLS: Final = 400
"""Of a plot's batches, those that may stumble."""


def faults(
    steps: list[Step],
    seed: int,
    world: DriverWorld | None = None,
    crashes: Collection[int] = (),
) -> list[str]:
    """Play, clear the sky in two of three plots, drain, and judge."""
    world = world or DriverWorld(partitions=3)
    player, found = Player(world), list[str]()
    player.play(steps, crashes)
    if seed % 3:
        player.clear(seed % 2)
        found += endings.waiting(Past(world, player.rests))
    player.drain()
    found += player.named
    return found + broken(Past(world, player.rests)) + list(endings.left_over(world))


def explain(steps: list[Step], found: list[str], play: Callable[[list[Step]], list[str]]) -> str:
    """The first fault, and the smallest plot that still has one like it."""
    like = _shape(found[0])
    least = smallest(steps, lambda some: any(_shape(fault) == like for fault in play(some)))
    return "\n".join([*play(least)[:5], "in the plot:", *map(repr, least)])


def _shape(fault: str) -> str:
    return re.sub(r"c?\d+(\.\d+)?|xiaoer|wang|li|spring|autumn", "#", fault)[:70]


@pytest.mark.parametrize("part", range(4))
def test_no_law_is_broken(part: int) -> None:
    for seed in range(part, PLOTS, 4):
        steps = Plot(seed).steps(LENGTH)
        found = faults(steps, seed)
        assert not found, explain(steps, found, partial(faults, seed=seed))


def test_no_law_is_broken_by_a_crash_inside_a_batch() -> None:
    for seed in range(PLOTS // 4):
        steps, dice = Plot(seed).steps(LENGTH), Random(seed)
        stumbles = set(dice.sample(range(1, CALLS), STUMBLES))
        found = faults(steps, seed, StumblingWorld(stumbles))
        assert not found, (seed, found[:5])


def test_a_crash_between_any_two_steps_changes_no_byte() -> None:
    for seed in range(PLOTS // 4):
        steps, dice = Plot(seed).steps(LENGTH), Random(seed)
        steady = _outcome(steps)
        shaken = _outcome(steps, set(dice.sample(range(LENGTH + 1), CRASHES)))
        assert shaken == steady, seed


def _outcome(
    steps: list[Step], crashes: Collection[int] = ()
) -> dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]]:
    world = DriverWorld(partitions=3)
    player = Player(world)
    player.play(steps, crashes)
    player.clear(0)
    return said(world)
