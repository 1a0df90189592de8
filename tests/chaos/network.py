"""A worker's way to the broker: a TCP proxy that can be slow, stand still, or break.

The broker has a listener for each worker (`listeners`) and advertises the proxy's port for it, so
that every connection of that worker, whatever aiokafka opens it for, goes through here and through
nothing else. Rules of this file: bytes are delayed, held back or never delivered, and never
changed, dropped from the middle or put in another order: that is what TCP promises, faults or not.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from streams.local.kafka import HOST, LocalKafka, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

CHUNK_BYTES: Final = 1 << 16
LAST_LOOK_S: Final = 0.01
IN_FLIGHT: Final = 64
"""Chunks on the way in one direction of a connection; then its sender is made to wait."""


class Weather(NamedTuple):
    """How slow a way is: each chunk takes `delay_s` and up to `jitter_s` more, and then its bytes
    as long as `bytes_per_s` makes them (0: no limit).
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0


FAIR: Final = Weather()


class Network:
    """One way; an async context manager. It lets through until told otherwise."""

    def __init__(self) -> None:
        """Takes its port at once, and knows the broker's for it."""
        self._socket = socket.create_server((HOST, 0))
        self.port: int = self._socket.getsockname()[1]
        self.broker_port = free_port()
        self.weather = FAIR
        self.carried = 0
        """Bytes, both ways together."""
        self._random = Random(self.port)
        self._moving = asyncio.Event()
        self._moving.set()
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def bootstrap(self) -> str:
        """Address for the worker, host:port."""
        return f"{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, sock=self._socket)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self.cut()
        self._moving.set()
        while self._writers:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(LAST_LOOK_S)

    def hold(self) -> None:
        """From now on nothing gets through, and nothing is lost."""
        self._moving.clear()

    def cut(self) -> None:
        """Break every connection, and every new one at once."""
        self._is_cut = True
        self._abort()

    def heal(self) -> None:
        """All is well again; what was held back arrives."""
        self.weather, self._is_cut = FAIR, False
        self._moving.set()

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours = {writer}
        self._writers.add(writer)
        with suppress(OSError):  # the broker is away: so is the connection
            if not self._is_cut:
                there, back = await asyncio.open_connection(HOST, self.broker_port)
                ours.add(back)
                self._writers.add(back)
                await self._carry([(reader, back), (there, writer)])
        self._writers -= ours
        for one in ours:
            one.transport.abort()

    async def _carry(self, ways: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        """Both directions, each to its end, or until one breaks."""
        try:
            async with asyncio.TaskGroup() as group:
                for reader, writer in ways:
                    flying = asyncio.Queue[tuple[float, bytes]](IN_FLIGHT)
                    group.create_task(self._take_off(reader, flying))
                    group.create_task(self._land(flying, writer))
        except* OSError:
            pass

    async def _take_off(
        self, reader: asyncio.StreamReader, flying: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        clock, due_s = asyncio.get_running_loop().time, 0.0
        chunk = b"more"
        while chunk:
            chunk = await reader.read(CHUNK_BYTES)
            due_s = max(due_s, clock() + self._way_s()) + self._width_s(chunk)
            await flying.put((due_s, chunk))

    async def _land(
        self, flying: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        """What is on its way arrives before its end does."""
        clock, chunk = asyncio.get_running_loop().time, b"more"
        while chunk:
            due_s, chunk = await flying.get()
            if due_s > clock():
                await asyncio.sleep(due_s - clock())
            await self._moving.wait()
            writer.write(chunk)
            self.carried += len(chunk)
            await writer.drain()
        writer.write_eof()

    def _way_s(self) -> float:
        return self.weather.delay_s + self._random.random() * self.weather.jitter_s

    def _width_s(self, chunk: bytes) -> float:
        width = self.weather.bytes_per_s
        return len(chunk) / width if width else 0.0


class Site(NamedTuple):
    """Where a run happens: a broker, not started yet, and each worker's way to it."""

    broker: LocalKafka
    ways: list[Network]


def site(directory: Path, workers: int) -> Site:
    """A broker with its data in `directory` and so many ways."""
    ways = [Network() for _ in range(workers)]
    return Site(LocalKafka(directory, properties=listeners(ways)), ways)


def listeners(ways: Sequence[Network]) -> dict[str, str]:
    """The broker's properties that put a listener behind each way."""
    names = [f"WAY{number}" for number in range(len(ways))]
    own = [f"{n}://{HOST}:{way.broker_port}" for n, way in zip(names, ways, strict=True)]
    told = [f"{n}://{way.bootstrap}" for n, way in zip(names, ways, strict=True)]
    usual = f"PLAINTEXT://{HOST}:$port"
    protocols = [f"{name}:PLAINTEXT" for name in ["PLAINTEXT", "CONTROLLER", *names]]
    return {
        "listeners": ",".join([usual, f"CONTROLLER://{HOST}:$controller_port", *own]),
        "advertised.listeners": ",".join([usual, *told]),
        "listener.security.protocol.map": ",".join(protocols),
    }
