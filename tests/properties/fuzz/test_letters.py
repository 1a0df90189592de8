"""Letters about records as large as their topic lets them be."""

from __future__ import annotations

import orjson
import pytest

from streams.topics import DEAD_LETTER_BYTES, DEAD_LETTERS, POLICIES, RECORD_BYTES
from tests.flows.world import DriverWorld

LARGE = {
    "one long text": {"specversion": "x" * 3_900_000, "data": {}},
    "many faults": {
        "specversion": "1.0",
        "data": {"groups": {f"g{number}": "z" * 40 for number in range(70_000)}},
    },
}


@pytest.mark.parametrize("name", LARGE)
def test_a_broken_policy_as_large_as_a_record_has_a_letter_that_its_topic_takes(name: str) -> None:
    event = {"id": "p", "source": "tests", "type": "decorum.policy.v1"} | LARGE[name]
    value = orjson.dumps(event)
    assert len(value) < RECORD_BYTES
    world = DriverWorld(2)
    world.produce(POLICIES, b"acme/1", value)
    world.settle()
    [letter] = world.read(DEAD_LETTERS)
    assert len(letter.value or b"") < DEAD_LETTER_BYTES
