"""The way to the broker keeps what it carries, and fails only as it is told to."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from streams.local.kafka import HOST
from tests.system.chaos.network import Network, Weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_S = 10.0
BROKEN = (OSError, asyncio.IncompleteReadError)
LONG = bytes(range(256)) * 4_096


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(1 << 16):
        writer.write(chunk)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def way() -> AsyncIterator[Network]:
    """A way to one who echoes."""
    network = Network()
    server = await asyncio.start_server(echo, HOST, network.doors[0].port)
    async with asyncio.timeout(PATIENCE_S), network, server:
        yield network


@asynccontextmanager
async def connection(
    network: Network,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*network.bootstrap.split(":"))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def sent(network: Network, what: bytes) -> bytes:
    """What comes back of what was sent."""
    async with connection(network) as (reader, writer):
        writer.write(what)
        return await reader.readexactly(len(what))


async def test_bytes_arrive_as_they_are() -> None:
    async with way() as network:
        assert await sent(network, LONG) == LONG
        assert network.carried == 2 * len(LONG)


async def test_delay_and_width_make_it_slow_and_change_nothing() -> None:
    async with way() as network:
        network.weather = Weather(delay_s=0.1, jitter_s=0.05, bytes_per_s=4_000_000)
        began = time.monotonic()
        assert await sent(network, LONG) == LONG
        assert time.monotonic() - began > 0.2 + len(LONG) / 4_000_000


async def test_what_is_held_arrives_when_it_is_let_go() -> None:
    async with way() as network, connection(network) as (reader, writer):
        network.hold()
        writer.write(b"late")
        coming = asyncio.create_task(reader.readexactly(4))
        assert not (await asyncio.wait([coming], timeout=0.2))[0]
        network.heal()
        assert await coming == b"late"


async def test_what_was_on_its_way_arrives_before_the_end_does() -> None:
    async with way() as network, connection(network) as (reader, writer):
        network.weather = Weather(delay_s=0.1)
        writer.write(b"last words")
        writer.write_eof()
        assert await reader.read() == b"last words"


async def test_a_cut_breaks_what_is_there_and_what_comes_until_it_is_mended() -> None:
    async with way() as network, connection(network) as (reader, writer):
        writer.write(b"x")
        await reader.readexactly(1)
        network.cut()
        with pytest.raises(BROKEN):
            await reader.readexactly(1)
        with pytest.raises(BROKEN):
            await sent(network, b"y")
        network.heal()
        assert await sent(network, b"z") == b"z"
