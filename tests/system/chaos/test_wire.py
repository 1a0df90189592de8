"""What a producer writes between two borders is one transaction, and half of one is torn."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from aiokafka.protocol.api import RequestHeader_v1
from aiokafka.protocol.produce import ProduceRequest_v8
from aiokafka.protocol.transaction import EndTxnRequest_v0, InitProducerIdRequest_v0

from tests.system.chaos.wire import LENGTH, Place, Wire, answers, read_request, torn

FULL = 19
DECISION, STATE, MESSAGE = Place("decisions", 0, 7), Place("state", 2, 9), Place("approved", 0, 3)


def request(asked: Any, correlation: int = 5) -> Any:
    body = RequestHeader_v1(asked, correlation, "client").encode() + asked.encode()
    found = read_request(LENGTH.pack(len(body)) + body)
    assert found is not None
    return found


def write(unit: str) -> Any:
    return request(ProduceRequest_v8(unit, -1, 100, []))


def told(*parts: tuple[Place, int]) -> bytes:
    """The broker's answer to a write, with its length."""
    topics: list[Any] = [
        (place.topic, [(place.partition, code, place.offset, -1, 0, [], None)])
        for place, code in parts
    ]
    body = struct.pack(">i", 5) + ProduceRequest_v8.RESPONSE_TYPE(topics, 0).encode()
    return bytes(LENGTH.pack(len(body)) + body)


def test_what_stands_between_two_ends_is_one() -> None:
    wire = Wire()
    first = wire.asked(write("a"))
    assert wire.asked(write("a")) is first
    assert wire.asked(write("b")) is not first
    assert wire.asked(request(EndTxnRequest_v0("a", 7, 3, True))) is None  # noqa: FBT003
    assert wire.asked(write("a")) is not first
    assert len(wire.transactions) == 3


def test_a_producer_that_begins_anew_writes_in_another() -> None:
    wire = Wire()
    first = wire.asked(write("a"))
    wire.asked(request(InitProducerIdRequest_v0("a", 15_000)))
    assert wire.asked(write("a")) is not first


async def test_answers_tell_where_it_stands_and_what_was_refused_stands_nowhere() -> None:
    wire, reader = Wire(), asyncio.StreamReader()
    target = wire.asked(write("a"))
    assert target is not None
    reader.feed_data(told((DECISION, 0), (STATE, FULL)))
    reader.feed_eof()
    assert [frame async for frame in answers(reader, {5: (write("a"), target)})]
    assert wire.transactions == [{DECISION}]


def test_a_part_that_is_missing_tears_it_and_nothing_of_it_does_not() -> None:
    whole = {DECISION, STATE, MESSAGE}
    assert not list(torn([whole], whole))
    assert not list(torn([whole], set()))
    assert len(list(torn([whole], whole - {MESSAGE}))) == 1
