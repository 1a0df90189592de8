"""Whole stages under any records: nothing stops them, nothing vanishes, and twice is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from hypothesis import strategies as st

from streams.stages.balance import Balance, balance_of
from streams.topics import (
    CONTROLS,
    DEAD_LETTER_BYTES,
    DEAD_LETTERS,
    INTENTS,
    INTERACTIONS,
    POLICIES,
    TOPICS,
)
from tests.flows.world import START_MS, DriverWorld
from tests.properties.fuzz.target import Target
from tests.properties.fuzz.values import Samples, events, noise, policies, records

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

PARTITIONS: Final = 2
HOUR_MS: Final = 3_600_000
MAX_LETTER_ERROR: Final = 20_000
"""Characters of a letter's `error`: a policy's faults are all named, an event's first one is."""

KEYS: Final = st.sampled_from(
    [None, b"", b"acme/wm-1", b"acme/wm-2", b"acme/xiaoer-08", b"/", b"*"]
)


class Thrown(NamedTuple):
    """One record, to any partition, and how long nothing happens after it."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int
    then_ms: int


def _thrown(topic: str, values: SearchStrategy[bytes]) -> SearchStrategy[Thrown]:
    partitions = 0 if topic in {POLICIES, CONTROLS} else PARTITIONS - 1
    return st.builds(
        Thrown,
        st.just(topic),
        KEYS | noise,
        st.none() | values | values | values,
        st.integers(0, partitions),
        st.sampled_from([0, 1, HOUR_MS, 40 * 24 * HOUR_MS]),
    )


def _policy_event(document: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "p",
        "source": "fuzz",
        "type": "decorum.policy.v1",
        "data": document,
    }


def _play(thrown: list[Thrown]) -> DriverWorld:
    world = DriverWorld(PARTITIONS, START_MS)
    for one in thrown:
        world.produce(one.topic, one.key, one.value, one.partition)
        world.advance(world.now_ms + one.then_ms)
    return world


def _nothing_is_lost(thrown: list[Thrown]) -> None:
    world = _play(thrown)
    balance = Balance()
    for stage in ("account", "customer"):
        for number in range(PARTITIONS):
            here = balance_of(world.driver.state(stage, number))
            balance.accepted += here.accepted
            balance.settled += here.settled
            balance.held += here.held
    assert balance.accepted == balance.settled + balance.held
    for record in world.read(DEAD_LETTERS):
        letter = orjson.loads(record.value or b"")["data"]
        assert len(letter["error"]) <= MAX_LETTER_ERROR
        assert len(record.value or b"") < DEAD_LETTER_BYTES
    again = _play(thrown)
    for topic in TOPICS:
        first, second = world.read(topic.name), again.read(topic.name)
        assert [(r.key, r.value) for r in first] == [(r.key, r.value) for r in second]


STAGES: Final = Target(
    "stages",
    st.lists(
        st.one_of(
            _thrown(INTENTS, records(events("intent"))),
            _thrown(INTERACTIONS, records(events())),
            _thrown(CONTROLS, records(events("control"))),
            _thrown(POLICIES, records(Samples(map(_policy_event, policies())))),
        ),
        min_size=1,
        max_size=8,
    ),
    _nothing_is_lost,
)
