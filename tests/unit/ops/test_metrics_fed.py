"""What the stages tally is what the metrics take: whole flows without a broker."""

from __future__ import annotations

import pytest

from streams.ops.metrics import Observer
from tests.flows.world import START_MS, DriverWorld
from tests.system.bench.load import contact, intent


@pytest.fixture
def observer() -> Observer:
    """Told all that a small flow counts: three intents, a broken one, a click, two repeats."""
    world = DriverWorld()
    for number, customers in enumerate((["wm-1"], ["wm-2", "wm-3"], ["wm-4"])):
        kind = "direct" if number else "transactional"
        value = intent(f"i-{number}", "xiaoer-08", customers, kind)
        world.produce("outbound-intents", b"acme/xiaoer-08", value)
    world.produce("outbound-intents", b"acme/xiaoer-08", b"{")
    world.produce(
        "interactions",
        b"acme/wm-1",
        contact("w-1", "engaged", "xiaoer-08", "wm-1", START_MS, action="view"),
    )
    world.produce(
        "interactions",
        b"acme/wm-1",
        contact("w-1", "engaged", "xiaoer-08", "wm-1", START_MS, action="view"),
    )
    world.produce(
        "outbound-intents", b"acme/xiaoer-08", intent("i-2", "xiaoer-08", ["wm-4"], "direct")
    )
    world.settle()
    observer = Observer()
    observer.committed("customer", 0, world.driver.counters, records=5, seconds=0.02)
    return observer


def value(observer: Observer, name: str, **labels: str) -> float | None:
    return observer.registry.get_sample_value(f"decorum_{name}", labels)


def test_accepted_intents_are_counted_as_records_by_kind(observer: Observer) -> None:
    """The share of dead letters is one of records: it needs the good ones beside the broken."""
    assert value(observer, "intents_total", kind="transactional") == 1
    assert value(observer, "intents_total", kind="direct") == 3


def test_each_customer_of_an_intent_has_a_latency(observer: Observer) -> None:
    assert value(observer, "decision_latency_seconds_count") == 5


def test_broken_records_and_interactions_are_counted(observer: Observer) -> None:
    labels = {"topic": "outbound-intents", "reason": "not_json"}
    assert value(observer, "dead_letters_total", **labels) == 1
    assert value(observer, "interactions_total", type="decorum.engaged.v1") == 2


def test_repeats_are_counted_by_the_topic_they_came_on(observer: Observer) -> None:
    assert value(observer, "repeats_total", topic="outbound-intents") == 1
    assert value(observer, "repeats_total", topic="interactions") == 1
