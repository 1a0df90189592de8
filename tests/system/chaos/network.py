"""A worker's way to the brokers: a TCP proxy that can be slow, stand still, break, or be haunted.

Each broker has a door for each worker and advertises the proxy's port for it, so that every
connection of that worker, whatever aiokafka opens it for, goes through here and through nothing
else. Rules of this file: bytes are delayed, held back or never delivered, and never changed,
dropped from the middle or put in another order: that is what TCP promises, faults or not. A ghost
(`ghosts`) is the end of what a broken connection carried, which arrives when its sender has long
gone on: on a connection of its own, for brokers care no more than TCP does.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from streams.local.kafka import HOST, free_port
from tests.support.cluster import Door
from tests.system.chaos.wire import Wire, answers, read_answer, read_frame, read_request, written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from tests.system.chaos.ghosts import Ghost, Haunting
    from tests.system.chaos.wire import Request, Transaction

CHUNK_BYTES: Final = 1 << 16
LAST_LOOK_S: Final = 0.01
IN_FLIGHT: Final = 64
"""Chunks on the way in one direction of a connection; then its sender is made to wait."""
AT_ONCE: Final = struct.pack("ii", 1, 0)
"""Linger for no time: closing is a reset."""


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

    def __init__(self, brokers: int = 1, haunting: Haunting | None = None) -> None:
        """Takes its ports at once, and knows for each the broker's; `haunting`: makes ghosts."""
        self._sockets = [socket.create_server((HOST, 0)) for _ in range(brokers)]
        ports = [one.getsockname()[1] for one in self._sockets]
        self.doors = [Door(free_port(), f"{HOST}:{port}") for port in ports]
        self.weather = FAIR
        self.carried = 0
        """Bytes, both ways together."""
        self.wire = Wire()
        self._haunting = haunting
        self._random = Random(ports[0])
        self._moving = asyncio.Event()
        self._moving.set()
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._ghosts: set[asyncio.Task[None]] = set()

    @property
    def bootstrap(self) -> str:
        """Addresses for the worker, host:port."""
        return ",".join(door.told for door in self.doors)

    async def __aenter__(self) -> Self:
        self._servers = [
            await asyncio.start_server(partial(self._connected, door), sock=one)
            for one, door in zip(self._sockets, self.doors, strict=True)
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.close()
        for ghost in self._ghosts:
            ghost.cancel()
        self.cut()
        self._moving.set()
        while self._writers:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(LAST_LOOK_S)
        await asyncio.gather(*self._ghosts, return_exceptions=True)
        await asyncio.sleep(LAST_LOOK_S)  # what is aborted is closed in the loop's next turn

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

    async def _connected(
        self, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        ours = {writer}
        self._writers.add(writer)
        with suppress(OSError):  # the broker is away: so is the connection
            if not self._is_cut:
                there, back = await asyncio.open_connection(HOST, door.port)
                ours.add(back)
                self._writers.add(back)
                await self._carry(door, [(reader, back), (there, writer)])
        self._writers -= ours
        for one in ours:
            _reset(one)

    async def _carry(
        self, door: Door, ways: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    ) -> None:
        """Both directions, each to its end, or until one breaks."""
        (asking, _), (telling, _) = ways
        if self._haunting is None:
            chunks = [_chunks(asking), _chunks(telling)]
        else:
            open_writes: dict[int, tuple[Request, Transaction]] = {}
            chunks = [self._requests(door, asking, open_writes), answers(telling, open_writes)]
        try:
            async with asyncio.TaskGroup() as group:
                for taken, (_, writer) in zip(chunks, ways, strict=True):
                    flying = asyncio.Queue[tuple[float, bytes]](IN_FLIGHT)
                    group.create_task(self._take_off(taken, flying))
                    group.create_task(self._land(flying, writer))
        except* OSError:
            pass

    async def _take_off(
        self, chunks: AsyncIterator[bytes], flying: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        clock, due_s = asyncio.get_running_loop().time, 0.0
        async for chunk in chunks:
            due_s = max(due_s, clock() + self._way_s()) + self._width_s(chunk)
            await flying.put((due_s, chunk))
        await flying.put((due_s, b""))

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

    async def _requests(
        self,
        door: Door,
        reader: asyncio.StreamReader,
        open_writes: dict[int, tuple[Request, Transaction]],
    ) -> AsyncIterator[bytes]:
        """One after the other; breaks off with one that becomes a ghost. None does while others
        are held up, for those would be lost before it.
        """
        assert self._haunting is not None
        while frame := await read_frame(reader):
            if request := read_request(frame):
                target = self.wire.asked(request)
                fair = self.weather is FAIR and self._moving.is_set()
                if fair and (ghost := self._haunting.take(request)):
                    task = asyncio.create_task(self._appear(door, ghost, target))
                    self._ghosts.add(task)
                    task.add_done_callback(self._ghosts.discard)
                    raise ConnectionResetError
                if target is not None:
                    open_writes[request.correlation] = request, target
            yield frame

    async def _appear(self, door: Door, ghost: Ghost, target: Transaction | None) -> None:
        """Deliver it, and hear alone what is said to it."""
        assert self._haunting is not None
        await asyncio.sleep(ghost.late_s)
        answer = None
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, door.port)
            try:
                writer.write(ghost.request.frame)
                if said := await read_frame(reader):
                    answer = read_answer(ghost.request, said)
            finally:
                writer.transport.abort()
        if answer is not None and target is not None:
            target.update(written(answer))
        self._haunting.answered(ghost, answer)

    def _way_s(self) -> float:
        return self.weather.delay_s + self._random.random() * self.weather.jitter_s

    def _width_s(self, chunk: bytes) -> float:
        width = self.weather.bytes_per_s
        return len(chunk) / width if width else 0.0


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # it is closed already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    writer.transport.abort()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while chunk := await reader.read(CHUNK_BYTES):
        yield chunk
