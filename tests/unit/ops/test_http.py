from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from streams.ops.http import Health, HttpServer, json_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HEALTH = {"live": Health(ok=True, detail={}), "ready": Health(ok=True, detail={"recovering": []})}


async def look_up(request: web.Request) -> web.Response:
    if request.match_info["customer"] == "broken":
        raise RuntimeError("a fault")
    return json_response({"customer": request.match_info["customer"]})


@asynccontextmanager
async def serving(**health: Health) -> AsyncIterator[aiohttp.ClientSession]:
    answers = {**HEALTH, **health}
    server = HttpServer(
        ("127.0.0.1", 0),
        metrics=lambda: b"decorum_up 1\n",
        live=lambda: answers["live"],
        ready=lambda: answers["ready"],
        routes=[web.get("/v1/customers/{customer}", look_up)],
    )
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            yield session
    finally:
        await server.stop()


async def get(session: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with session.get(path) as response:
        return response.status, await response.json()


async def test_a_well_worker_says_so() -> None:
    async with serving() as session:
        assert await get(session, "/livez") == (200, {"ok": True})
        assert await get(session, "/readyz") == (200, {"ok": True, "recovering": []})


async def test_a_worker_that_is_not_ready_explains() -> None:
    waiting = Health(ok=False, detail={"recovering": ["customer-3"]})
    async with serving(ready=waiting) as session:
        assert await get(session, "/readyz") == (503, {"ok": False, "recovering": ["customer-3"]})
        assert (await get(session, "/livez"))[0] == 200


async def test_metrics_are_prometheus_text() -> None:
    async with serving() as session, session.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert await response.text() == "decorum_up 1\n"


async def test_routes_of_others_are_served() -> None:
    async with serving() as session:
        assert await get(session, "/v1/customers/wm-1") == (200, {"customer": "wm-1"})


@pytest.mark.parametrize("path", ["/", "/metrics", "/livez", "/v1/customers/wm-1", "/nowhere"])
async def test_there_is_no_page_and_no_other_page_may_read_it(path: str) -> None:
    """A browser shows what it gets as text, and gives it to no script of another origin."""
    async with (
        serving() as session,
        session.get(path, headers={"Origin": "http://elsewhere.example"}) as response,
    ):
        assert response.content_type in {"text/plain", "application/json"}
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
async def test_nothing_can_be_changed(path: str) -> None:
    async with serving() as session:
        for method in ("POST", "PUT", "DELETE"):
            async with session.request(method, path) as response:
                assert response.status == 405


async def test_a_taken_address_is_an_error() -> None:
    async with serving() as session:
        assert session._base_url is not None
        port = session._base_url.port
        assert port is not None
        second = HttpServer(
            ("127.0.0.1", port),
            metrics=bytes,
            live=lambda: HEALTH["live"],
            ready=lambda: HEALTH["ready"],
        )
        with pytest.raises(OSError, match="address already in use"):
            await second.start()


async def test_a_request_of_broken_bytes_is_answered_and_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """aiohttp would log it as an error, with a traceback and the identifiers in its path."""
    async with serving() as session:
        assert session._base_url is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", session._base_url.port)
        writer.write(b"GET /v1/customers/acme/wm-1\xff HTTP/1.1\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert caplog.text == ""


async def test_a_fault_of_our_own_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as session, session.get("/v1/customers/broken") as response:
        assert response.status == 500
    assert "RuntimeError: a fault" in caplog.text
