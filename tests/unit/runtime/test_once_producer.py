"""The contract with aiokafka's producer: what has no answer is not sent a second time."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import (
    InvalidTxnState,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    ProducerFenced,
    RequestTimedOutError,
)
from aiokafka.producer import sender
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import (
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    InitProducerIdRequest,
)

from streams.runtime.aiokafka_patches import ONCE, InDoubtError, OnceProducer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

END = EndTxnRequest("id", 1, 0, 1)
ADD = AddPartitionsToTxnRequest("id", 1, 0, [])
BEGIN = InitProducerIdRequest("id", 15_000)


class Way:
    """In the place of the client's connections."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.error: Exception | None = None
        self.reachable = True

    async def send(self, _: int, request: Any, *, group: Any = None) -> str:
        self.sent.append(request)
        if self.error:
            raise self.error
        return "answer"

    async def ready(self, _: int, *, group: Any = None) -> bool:
        return self.reachable


@asynccontextmanager
async def producing(way: Way) -> AsyncIterator[OnceProducer]:
    producer = OnceProducer(transactional_id="id")
    producer._send, producer.client.ready = way.send, way.ready
    try:
        yield producer
    finally:
        await producer.stop()


async def test_an_answer_is_passed_on() -> None:
    way = Way()
    async with producing(way) as producer:
        assert await producer.client.send(1, END, group=ConnectionGroup.COORDINATION) == "answer"


@pytest.mark.parametrize("error", [KafkaConnectionError("reset"), RequestTimedOutError()])
@pytest.mark.rule("R1.14")
async def test_after_a_request_without_an_answer_nothing_of_a_transaction_is_sent(
    error: KafkaError,
) -> None:
    way = Way()
    async with producing(way) as producer:
        way.error = error
        with pytest.raises(InDoubtError, match="EndTxnRequest was sent and not answered"):
            await producer.client.send(1, END)
        way.error = None
        for request in (END, ADD):
            with pytest.raises(InDoubtError):
                await producer.client.send(1, request)
        assert way.sent == [END]


async def test_a_node_that_cannot_be_reached_was_sent_nothing_and_is_asked_again() -> None:
    way = Way()
    async with producing(way) as producer:
        way.reachable = False
        with pytest.raises(NodeNotReadyError):
            await producer.client.send(1, END)
        way.reachable = True
        assert await producer.client.send(1, END) == "answer"


async def test_a_fence_may_be_asked_for_again() -> None:
    way = Way()
    async with producing(way) as producer:
        way.error = KafkaConnectionError("reset")
        with pytest.raises(KafkaConnectionError):
            await producer.client.send(1, BEGIN)


async def test_a_node_that_dies_while_asked_for_a_coordinator_is_not_the_end() -> None:
    """aiokafka tries again for these errors only, and the producer ends for all others."""
    source = inspect.getsource(sender.Sender._find_coordinator)
    assert "await self.client.coordinator_lookup(" in source
    again = source[source.index("except (") : source.index("force_metadata_update")]
    assert "Errors.NodeNotReadyError" in again
    assert "KafkaConnectionError" not in again

    async def dying(_kind: int, _key: str) -> int:
        raise KafkaConnectionError("closed")

    async with producing(Way()) as producer:
        producer._lookup = dying
        with pytest.raises(NodeNotReadyError):
            await producer.client.coordinator_lookup(0, "id")


def test_every_request_of_a_transaction_goes_through_the_client_we_guard() -> None:
    assert "self.client = AIOKafkaClient(" in inspect.getsource(AIOKafkaProducer)
    handlers = [
        handler
        for handler in vars(sender).values()
        if isinstance(handler, type) and issubclass(handler, sender.BaseHandler)
    ]
    sends = [one for one in handlers if "do" in vars(one)]
    assert {one.__name__ for one in sends} == {"BaseHandler", "SendProduceReqHandler"}
    assert "self._sender.client.send(node_id, req, " in inspect.getsource(sender.BaseHandler.do)
    assert "self._client.send(node_id, request)" in inspect.getsource(sender.SendProduceReqHandler)
    made = "".join(inspect.getsource(vars(one)["create_request"]) for one in handlers)
    requests = {request.__name__ for request in ONCE} | {"InitProducerIdRequest"}
    assert all(f"{name}(" in made for name in requests)
    assert made.count("Request(") == len(requests)


def test_aiokafka_sends_again_only_after_its_own_errors() -> None:
    """Ours is none of them: it ends the sender, which fails everything that waits for it."""
    assert not issubclass(InDoubtError, KafkaError)
    for handler in (sender.BaseHandler, sender.SendProduceReqHandler):
        source = inspect.getsource(handler.do)
        assert "except KafkaError as err:" in source
        assert "except Exception" not in source
    routine = inspect.getsource(sender.Sender._sender_routine)
    assert "task.result()" in routine
    assert 'raise KafkaError("Unexpected error during batch delivery") from exc' in routine
    failing = inspect.getsource(sender.Sender._fail_all)
    assert "self._message_accumulator.fail_all(task_exception)" in failing
    assert "self._txn_manager.fatal_error(task_exception)" in failing


def test_the_client_tells_what_was_never_sent_from_what_was_not_answered() -> None:
    source = inspect.getsource(AIOKafkaClient.send)
    assert source.count("raise NodeNotReadyError(") == 1
    assert source.index("raise NodeNotReadyError(") < source.index(".send(\n")


def test_the_protocol_that_is_spoken_has_one_epoch_for_many_transactions() -> None:
    """If this fails, aiokafka has learned more (KIP-360, KIP-890): read docs/lane.md against it."""
    for request in (*ONCE, InitProducerIdRequest):
        if request is not ProduceRequest:
            assert [one.API_VERSION for one in request._CLASSES] == [0]


async def test_the_cause_is_what_ended_the_sender() -> None:
    """And not what the transaction tripped over after that."""
    async with producing(Way()) as producer:

        async def ends(error: Exception) -> None:
            raise error

        assert isinstance(producer.cause_of(AssertionError()), AssertionError)
        for error in (InvalidTxnState(), ProducerFenced(), InDoubtError()):
            wrapped = KafkaError("Unexpected error during batch delivery")
            wrapped.__cause__ = error
            task = producer._sender._sender_task = asyncio.create_task(ends(wrapped))
            await asyncio.wait([task])
            assert producer.cause_of(AssertionError()) is error
