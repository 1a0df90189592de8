"""Requests of a transaction that arrive late, or whose answer is lost, on a real Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.protocol.transaction import EndTxnRequest, InitProducerIdRequest

from streams.runtime import commits
from streams.runtime.aiokafka_patches import ONCE
from tests.integration.kafka.late_rig import Way, committed, deliver, writing

if TYPE_CHECKING:
    from tests.integration.kafka.runtime_rig import Rig

FENCED_CODE = 47  # INVALID_PRODUCER_EPOCH


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Way:
    """Each transaction of a test tells the group its offsets."""
    monkeypatch.setattr(commits, "OFFSETS_EVERY_S", 0.0)
    return Way(monkeypatch)


@pytest.mark.parametrize("kind", ONCE)
async def test_what_was_not_answered_is_not_sent_again_and_refused_when_it_comes_late(
    rig: Rig, way: Way, kind: type
) -> None:
    """In the midst of the next transaction, which it would end or enter in part."""
    async with writing(rig) as writer:
        way.loses = kind
        await writer.write(b"1")
        assert writer.members.doubts == [False]
        way.before_end = list(way.ghosts)
        await writer.write(b"2")
        assert way.answers == [FENCED_CODE]
        await writer.write(b"3")
        assert await committed(rig) == [b"0", b"1", b"2", b"3"]
        assert writer.members.doubts == [False]


async def test_what_was_committed_without_an_answer_is_not_written_again(
    rig: Rig, way: Way
) -> None:
    async with writing(rig) as writer:
        way.loses, way.arrives = EndTxnRequest, True
        await writer.write(b"1")
        await writer.write(b"2")
        assert writer.members.doubts == [True]
        assert await committed(rig) == [b"0", b"1", b"2"]


async def test_a_fence_that_comes_late_costs_a_fence_and_nothing_else(rig: Rig, way: Way) -> None:
    """It aborts the open transaction, and locks out who is nobody's predecessor."""
    async with writing(rig) as writer:
        way.loses = InitProducerIdRequest
        await writer.commits.close()
        await writer.commits.fence()
        way.before_end = list(way.ghosts)
        await writer.write(b"1")
        await writer.write(b"2")
        assert writer.members.doubts == [False]
        assert await committed(rig) == [b"0", b"1", b"2"]


async def test_without_a_new_epoch_a_late_end_commits_what_was_never_ended(
    rig: Rig, way: Way
) -> None:
    """What aiokafka's own producer does; if this fails, it is mended, and ours may be less."""
    await rig.create({"out": 1})
    out = TopicPartition(rig.prefix + "out", 0)
    async with rig.producer(rig.prefix) as producer:
        way.loses = EndTxnRequest
        async with producer.transaction():
            await producer.send_and_wait(out.topic, b"1", partition=0)
        assert way.sent[EndTxnRequest] == 2
        await producer.begin_transaction()
        await producer.send_and_wait(out.topic, b"2", partition=0)
        assert await deliver(producer.client, *way.ghosts.pop()) == 0
        assert await committed(rig) == [b"1", b"2"]
        with pytest.raises(KafkaError):
            await producer.abort_transaction()
