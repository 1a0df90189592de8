"""Metrics and health over HTTP, read-only.

`/livez` answers whether the process should keep running, `/readyz` whether it has its state. Rules
of this file: no request changes anything, and no answer waits for Kafka.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SHUTDOWN_S: Final = 2.0
SERVICE_UNAVAILABLE: Final = 503


log = logging.getLogger("decorum.http")


class Health(NamedTuple):
    """Whether all is well, and why; `detail` becomes the body as JSON."""

    ok: bool
    detail: Mapping[str, Any]


class HttpServer:
    """Serves `/metrics`, `/livez`, `/readyz` and the given routes, until `stop`."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        metrics: Callable[[], bytes],
        live: Callable[[], Health],
        ready: Callable[[], Health],
        routes: Iterable[web.RouteDef] = (),
    ) -> None:
        self._address = address
        self._metrics = metrics
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._serve_metrics),
                web.get("/livez", _health_handler(live)),
                web.get("/readyz", _health_handler(ready)),
                *routes,
            ]
        )
        log.addFilter(_is_ours)
        # Access logs of probes every few seconds would bury everything else.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S, logger=log)

    async def start(self) -> None:
        """Listen. Raises OSError when the address is in use or belongs to another machine."""
        await self._runner.setup()
        host, port = self._address
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self._runner.cleanup()
            raise

    async def stop(self) -> None:
        """Answer the open requests, then close."""
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port in use, also where the settings have 0 (any); only after `start`."""
        port: int = self._runner.addresses[0][1]
        return port

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=self._metrics(), headers=headers)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a fault is the program's. A malformed request was answered with 400; aiohttp would
    log it with a traceback and the request, identifiers included.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


def json_response(body: Any, status: int = 200) -> web.Response:  # noqa: ANN401 (any JSON)
    """A JSON answer."""
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )


def _health_handler(request: Callable[[], Health]) -> Any:  # noqa: ANN401 (aiohttp's own handler type)
    async def answer(_: web.Request) -> web.Response:
        health = request()
        body = {"ok": health.ok, **health.detail}
        return json_response(body, 200 if health.ok else SERVICE_UNAVAILABLE)

    return answer
