"""With what a worker begins: what it takes for true on the cluster, and what it refuses."""

from __future__ import annotations

import signal

import pytest
from aiokafka.admin import NewPartitions

from tests.integration.kafka.runtime_rig import ALL, PARTITIONS, TOPICS, Rig
from tests.support import topics
from tests.support.rawlog import Raw, RawProducer, sound

EXIT_REFUSED = 2


async def test_the_groups_offsets_have_no_say(rig: Rig) -> None:
    await rig.create()
    await rig.produce("in", [(b"k0", b"x")] * 500)
    await decide_one(rig, 500)
    await rig.set_group_offsets("in", 0)
    worker = await rig.worker()
    await worker.accepts(ALL)
    await rig.produce("in", [(b"k0", b"y")])
    said = (await rig.read("out", 502))[b"k0"]
    assert said == [b"%d:x" % (n + 1) for n in range(501)] + [b"502:y"]


async def test_what_was_aborted_is_neither_restored_nor_decided(rig: Rig) -> None:
    """As a worker leaves it that is killed inside a transaction."""
    await rig.create()
    async with rig.producer(f"{rig.prefix}dead") as dead:
        await dead.begin_transaction()
        await rig.send(dead, "count-state", b"k0", b"99")
        await rig.send(dead, "in", b"k0", b"never sent")
        await dead.flush()
        await dead.abort_transaction()
    await rig.worker()
    await rig.produce("in", [(b"k0", b"x")])
    assert await rig.read("out", 1) == {b"k0": [b"1:x"]}


@pytest.mark.parametrize(
    ("topic", "why"),
    [("count-state", "the changelog was lost"), ("in", "was recreated or truncated")],
    ids=["changelog", "source"],
)
async def test_a_topic_that_was_made_anew_is_refused(rig: Rig, topic: str, why: str) -> None:
    await rig.create()
    await decide_one(rig)
    await rig.delete(topic)
    await rig.create({topic: PARTITIONS})
    worker = await rig.worker()
    assert await worker.ended() == EXIT_REFUSED
    assert why in worker.errors


async def test_a_changelog_that_cannot_be_read_is_refused(rig: Rig) -> None:
    """Kept going, the worker would take lost state for none."""
    await rig.create()
    await decide_one(rig)
    spoilt = sound(Raw(b"v", b"k", length=99), codec="gzip")
    with RawProducer(rig.bootstrap) as raw:
        at = raw.put(f"{rig.prefix}count-state", 3, spoilt)
    worker = await rig.worker()
    assert await worker.ended() == EXIT_REFUSED
    assert f"count-state-3: what stood at offsets {at} to {at} cannot be read" in worker.errors


async def test_partitions_that_were_added_are_refused(rig: Rig) -> None:
    """To all topics alike, so that nothing else could tell."""
    await rig.create()
    await decide_one(rig)
    async with topics.admin(rig.options) as admin:
        added = {rig.prefix + name: NewPartitions(12) for name, n in TOPICS.items() if n > 1}
        await admin.create_partitions(added)
    worker = await rig.worker(partitions=12)
    assert await worker.ended() == EXIT_REFUSED
    assert "was written as one of 8 partitions and is one of 12 now" in worker.errors


async def decide_one(rig: Rig, waiting: int = 0) -> None:
    worker = await rig.worker()
    await rig.produce("in", [(b"k0", b"x")])
    await rig.read("out", waiting + 1)
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0, worker.errors


async def test_missing_topics_and_partition_counts_that_differ_are_refused(rig: Rig) -> None:
    await rig.create({name: n for name, n in TOPICS.items() if name != "out"})
    worker = await rig.worker()
    assert await worker.ended() == EXIT_REFUSED
    assert f"hidden from this user: {rig.prefix}out: run `decorum topics`" in worker.errors
    await rig.create({"out": PARTITIONS})
    await rig.delete("relay-state")
    await rig.create({"relay-state": PARTITIONS + 1})
    worker = await rig.worker()
    assert await worker.ended() == EXIT_REFUSED
    assert f"{rig.prefix}relay-state has {PARTITIONS + 1}" in worker.errors


async def test_a_group_that_divides_partitions_by_another_rule_is_not_joined(rig: Rig) -> None:
    await rig.create()
    async with rig.stranger("in"):
        worker = await rig.worker()
        assert await worker.ended() == EXIT_REFUSED
        assert "divide partitions by another rule" in worker.errors
