"""A request becomes a ghost once, arrives as it was sent, and nobody but the record hears of it."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.protocol.api import RequestHeader_v1
from aiokafka.protocol.produce import ProduceRequest_v8
from aiokafka.protocol.transaction import (
    AddPartitionsToTxnRequest_v0,
    EndTxnRequest_v0,
    InitProducerIdRequest_v0,
)

from streams.local.kafka import HOST
from tests.system.chaos.ghosts import UNHEARD, Haunting, _in_short
from tests.system.chaos.network import Network
from tests.system.chaos.wire import LENGTH, read_answer, read_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

END = EndTxnRequest_v0("unit", 7, 3, True)  # noqa: FBT003 - as it stands on the wire
OK, FENCED = 0, 47
PATIENCE_S = 10.0


def frame(request: Any, correlation: int = 5) -> bytes:
    body: bytes = RequestHeader_v1(request, correlation, "client").encode() + request.encode()
    return bytes(LENGTH.pack(len(body)) + body)


def answer(correlation: int, code: int) -> bytes:
    return struct.pack(">iih", correlation, 0, code)


class Broker:
    """Keeps what it gets, and says the same to everything."""

    def __init__(self, code: int) -> None:
        self.got: list[bytes] = []
        self._code = code

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = await reader.readexactly(LENGTH.size)
                body = await reader.readexactly(LENGTH.unpack(length)[0])
                self.got.append(length + body)
                said = answer(int.from_bytes(body[4:8], "big"), self._code)
                writer.write(LENGTH.pack(len(said)) + said)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


@asynccontextmanager
async def haunted(code: int = OK) -> AsyncIterator[tuple[Network, Haunting, Broker]]:
    """A way to a broker, and who decides what becomes a ghost on it."""
    haunting, broker = Haunting(Random(1)), Broker(code)
    network = Network(haunting=haunting)
    server = await asyncio.start_server(broker.serve, HOST, network.doors[0].port)
    async with asyncio.timeout(PATIENCE_S), network, server:
        yield network, haunting, broker


async def ask(network: Network, request: bytes) -> bytes:
    """The answer to a request; OSError or IncompleteReadError where there is none."""
    reader, writer = await asyncio.open_connection(*network.bootstrap.split(":"))
    try:
        writer.write(request)
        length = await reader.readexactly(LENGTH.size)
        return await reader.readexactly(LENGTH.unpack(length)[0])
    finally:
        writer.transport.abort()
        await asyncio.sleep(0.01)  # it is closed in the loop's next turn


@pytest.mark.parametrize(("code", "said"), [(OK, "ok"), (FENCED, "InvalidProducerEpoch")])
async def test_its_sender_hears_nothing_and_it_arrives_once_all_the_same(
    code: int, said: str
) -> None:
    async with haunted(code) as (network, haunting, broker):
        laying = asyncio.create_task(haunting.run(wanted=1, every_s=0.01))
        await asyncio.sleep(0.2)  # every kind has had its turn
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await ask(network, frame(END))
        await laying
        assert broker.got == [frame(END)]
        assert haunting.tally()["EndTxn"] == {said: 1}


async def test_what_is_no_ghost_is_asked_and_answered_as_ever() -> None:
    async with haunted() as (network, haunting, broker):
        assert await ask(network, frame(END)) == answer(5, OK)
        assert broker.got == [frame(END)]
        assert not haunting.ghosts


async def test_one_that_finds_no_broker_is_not_taken_for_delivered() -> None:
    async with haunted() as (network, haunting, _):
        laying = asyncio.create_task(haunting.run(wanted=1, every_s=0.01))
        await asyncio.sleep(0.2)
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await ask(network, frame(END))
        network.doors[0] = network.doors[0]._replace(port=1)
        (ghost,) = haunting.ghosts
        await network._appear(network.doors[0], ghost, None)
        assert ghost.answer == UNHEARD
        laying.cancel()


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (END, "EndTxn"),
        (InitProducerIdRequest_v0("unit", 15_000), "InitProducerId"),
        (AddPartitionsToTxnRequest_v0("unit", 7, 3, [("topic", [0, 1])]), "AddPartitionsToTxn"),
        (ProduceRequest_v8("unit", -1, 100, [("topic", [(0, b"batch")])]), "Produce"),
    ],
)
def test_a_request_of_a_transaction_is_known(request_: Any, kind: str) -> None:
    found = read_request(frame(request_))
    assert found is not None
    assert (found.kind, found.correlation, found.transactional_id) == (kind, 5, "unit")


def test_a_produce_request_of_no_transaction_is_none() -> None:
    assert read_request(frame(ProduceRequest_v8(None, -1, 100, []))) is None


def test_an_error_of_any_partition_is_an_error() -> None:
    asked = AddPartitionsToTxnRequest_v0("unit", 7, 3, [("topic", [0, 1])])
    request = read_request(frame(asked))
    assert request is not None
    said = asked.RESPONSE_TYPE(0, [("topic", [(0, OK), (1, FENCED)])])
    answer = read_answer(request, bytes(LENGTH.size) + struct.pack(">i", 5) + said.encode())
    assert _in_short(answer) == "InvalidProducerEpoch"
