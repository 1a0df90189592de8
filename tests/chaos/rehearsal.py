"""The chaos load on the broker-less driver: evidence in a second, for the tests of the audit."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from streams.topics import TOPICS
from tests.chaos.evidence import Evidence
from tests.chaos.load import LOOSER, POLICY, Load, policy_event
from tests.flows.world import DriverWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.load import Put

STEP_MS = 700
DRAIN_MS = 60_000


def rehearse(
    seed: int,
    steps: int = 60,
    each: int = 25,
    customers: int = 12,
    between: Callable[[DriverWorld], None] = lambda world: None,
) -> DriverWorld:
    """Play `steps` bursts of `each` records, then let everything held come to its end.

    `between` is called between any two bursts.
    """
    world = DriverWorld(partitions=4)
    load = Load(Random(seed), world.partitions, customers=customers, accounts=10)
    _put(world, policy_event(1, POLICY))
    half_ms = world.now_ms + steps * STEP_MS // 2
    looser_from = datetime.fromtimestamp(half_ms / 1000, UTC).isoformat()
    _put(world, policy_event(2, LOOSER, looser_from))
    world.settle()
    told = 0
    for _ in range(steps):
        for _ in range(each):
            _put(world, load.next(world.now_ms))
        world.advance(world.now_ms + load.random.randint(0, 2 * STEP_MS))
        between(world)
        told = _tell(world, load, told)
    world.advance(world.now_ms + DRAIN_MS)
    return world


def evidence_of(world: DriverWorld) -> Evidence:
    """What an audit would read."""
    evidence = Evidence(world.partitions)
    for topic in TOPICS:
        evidence.add(topic.name, world.read(topic.name))
    return evidence


def _put(world: DriverWorld, put: Put) -> None:
    world.produce(put.topic, put.key, put.value, put.partition)


def _tell(world: DriverWorld, load: Load, told: int) -> int:
    """Let the load hear of what was approved since."""
    approved = [
        record
        for topic in TOPICS
        if topic.name.startswith("approved.")
        for record in world.read(topic.name)
    ]
    approved.sort(key=lambda record: record.sequence)  # type: ignore[attr-defined]
    for record in approved[told:]:
        load.approved(record.value or b"", world.now_ms)
    return len(approved)
