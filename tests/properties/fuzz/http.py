"""A worker's HTTP side under any request: no answer is a 5xx but the documented 503.

The server runs in a thread of its own over real ledgers; requests go through a real socket, byte
for byte, so that also what no HTTP library would send is sent.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from hypothesis import strategies as st

from streams.ops.http import Health, HttpServer
from streams.ops.lookups import Lookups
from streams.ops.views import accounts, campaigns, customers
from streams.runtime.snapshot import StageSnapshot
from streams.stages.customer.erasure import Erasure
from tests.flows.scene import Scene
from tests.flows.world import SECRET, DriverWorld
from tests.properties.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.runtime.state import State

PARTITIONS: Final = 4
HERE, THERE = "127.0.0.1:6066", "10.0.0.7:6066"
PATIENCE_S: Final = 10.0
READ: Final = 65_536

_status: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")
_location: Final = re.compile(rb"\r\nLocation: http://10\.0\.0\.7:6066/v1/[!-~]+\r\n")


class Request(NamedTuple):
    """A request's bytes; `whole`: one that has to be answered."""

    sent: bytes
    whole: bool


class Told:
    """One partition here, one recovering, one elsewhere, one of which nobody knows."""

    def __init__(self, world: DriverWorld) -> None:
        self.world = world

    def snapshot(self) -> dict[str, StageSnapshot]:
        rest = dict.fromkeys(StageSnapshot._fields, 0)
        known = {"assigned": (0, 1), "accepting": (0,)}
        stage = StageSnapshot(**(rest | known))  # type: ignore[arg-type]
        return dict.fromkeys(("account", "customer"), stage)

    def state(self, stage: str, partition: int) -> State | None:
        return self.world.driver.state(stage, partition) if partition == 0 else None

    def owner(self, stage: str, partition: int) -> str | None:
        return {2: THERE}.get(partition)


def _world() -> DriverWorld:
    world = DriverWorld(PARTITIONS)
    scene = Scene(world, "acme")
    for number in range(40):
        customer = f"c{number}"
        scene.hear("friend_added", customer, initiated_by="customer")
        scene.ask(f"{number}", customer, kind="broadcast", campaign_id="spring")
        scene.ask(f"{number}-2", customer)
        scene.hear("complained" if number % 5 == 0 else "message_received", customer)
    scene.control("acme/campaign/spring", action="pause")
    return world


# --- what is sent ---------------------------------------------------------------------------------

known: Final = st.sampled_from(
    [f"c{number}" for number in range(40)] + ["acme", "xiaoer", "spring"]
)
odd: Final = st.text(max_size=12) | st.sampled_from(["..", ".", "x" * 129, "x" * 3_000, "a/b", ""])
words: Final = known | odd.map(lambda text: quote(text.encode(errors="surrogatepass"), safe=""))
loose: Final = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
names: Final = st.sampled_from(["account", "campaign", "priority", "redirected", "x", ""])
queries: Final = st.lists(st.tuples(names, words | loose | st.integers().map(str)), max_size=4).map(
    lambda pairs: "&".join(f"{name}={text}" for name, text in pairs)
)
places: Final = st.sampled_from(["customers", "accounts", "campaigns", "metrics", "livez", ""])
lookups: Final = st.builds(
    "/v1/{}/{}/{}?{}".format,
    places | loose,
    st.just("acme") | words | loose,
    words | loose,
    queries,
)
others: Final = st.sampled_from(["/metrics", "/livez", "/readyz", "/", "*", "//x", "/../.."])
methods: Final = st.sampled_from(["GET"] * 5 + ["HEAD", "POST", "DELETE", "OPTIONS", "TRACE"])


def _request(method: str, path: str) -> Request:
    head = f"{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    return Request(head.encode(), whole="#" not in path)


requests: Final = st.one_of(
    st.builds(_request, methods, lookups),
    st.builds(_request, methods, lookups),
    st.builds(_request, methods, others | loose.map("/{}".format)),
    st.binary(max_size=300).map(lambda noise: Request(noise + b"\r\n\r\n", whole=False)),
    st.builds(
        lambda method, noise: Request(
            method.encode() + b" /v1/customers/acme/" + noise + b" HTTP/1.1\r\n\r\n", whole=False
        ),
        methods,
        st.binary(max_size=60),
    ),
)


# --- what must hold -------------------------------------------------------------------------------


class _Complaints(logging.Handler):
    """Every error that the server logs: whatever a stranger sends, it is not worth a line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def _answer(port: int, request: Request) -> bytes:
    """All that comes back. Noise may be the start of a request: our end says that no more comes."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.sendall(request.sent)
        if not request.whole:
            connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(READ):
            received += piece
    return received


def _checked(port: int, complaints: _Complaints) -> Callable[[Request], None]:
    def check(request: Request) -> None:
        answer = _answer(port, request)
        status = _status.match(answer)
        assert status or not request.whole, answer
        if status:
            code = int(status[1])
            assert code < 500 or (code == 503 and b"\r\nRetry-After: 1\r\n" in answer), answer
            assert code != 307 or _location.search(answer), answer
        assert b"Traceback" not in answer
        assert not complaints.lines, complaints.lines

    return check


@contextmanager
def serving() -> Iterator[Target]:
    """The target, while its server runs."""
    world = _world()
    rules = world._rules
    subjects = [customers(rules, Erasure(SECRET)), accounts(rules), campaigns(rules)]
    routes = Lookups(Told(world), PARTITIONS, HERE, lambda: world.now_ms).routes(subjects)
    well = Health(ok=True, detail={})
    server = HttpServer(
        ("127.0.0.1", 0), metrics=bytes, live=lambda: well, ready=lambda: well, routes=routes
    )
    complaints = _Complaints()
    logging.getLogger().addHandler(complaints)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(PATIENCE_S)
        yield Target("http", requests, _checked(server.port, complaints))
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        logging.getLogger().removeHandler(complaints)
