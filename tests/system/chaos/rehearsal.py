"""The chaos load on the broker-less driver: evidence in a second, for the tests of the audit."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from streams.topics import TOPICS
from tests.flows.world import DriverWorld
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.load import LOOSER, POLICY, Load, policy_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.chaos.load import Put

STEP_MS = 700
DRAIN_MS = 60_000
STEP_AHEAD_MS = 20_000


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


class Steps:
    """An engine's clock that is set ahead now and then, and right again some time later."""

    def __init__(self) -> None:
        self._since: list[tuple[int, int]] = [(0, 0)]

    def __call__(self, world: DriverWorld) -> None:
        if world.now_ms % 10 < 3:
            ahead_ms = STEP_AHEAD_MS - self._since[-1][1]
            world.driver.now_ms += ahead_ms - self._since[-1][1]
            self._since.append((len(world.driver._order), ahead_ms))

    def ahead_ms(self, sequence: int) -> int:
        """How far it was ahead when this record was written."""
        return self._since[bisect_right(self._since, (sequence, STEP_AHEAD_MS)) - 1][1]


def evidence_of(world: DriverWorld, steps: Steps | None = None) -> Evidence:
    """What an audit would read; records have the time of a machine whose clock is right."""
    evidence = Evidence(world.partitions)
    for topic in TOPICS:
        records = world.read(topic.name)
        evidence.add(topic.name, records)
        seen = evidence.topics[topic.name]
        for place, record in enumerate(records if steps else ()):
            sequence: int = record.sequence  # type: ignore[attr-defined]
            right_ms = record.timestamp - (steps.ahead_ms(sequence) if steps else 0)
            seen[place] = seen[place]._replace(timestamp=right_ms)
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
