from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from streams.admin.connection_check import find_refusal
from streams.local.kafka import free_port
from streams.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def guarded(servers: str) -> Settings:
    return Settings(
        kafka=servers,
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="decorum-engine",
        sasl_password=SecretStr("a password"),
        ssl_enabled=True,
    )


@pytest.fixture
async def plain_server() -> AsyncIterator[str]:
    """Somebody who answers, but not with TLS."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"good day\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"{host}:{port}"
    server.close()
    await server.wait_closed()


async def test_where_nobody_answers_nobody_refuses() -> None:
    assert await find_refusal(guarded(f"127.0.0.1:{free_port()}")) is None


async def test_without_a_login_there_is_nothing_to_refuse(plain_server: str) -> None:
    assert await find_refusal(Settings(kafka=plain_server)) is None


async def test_the_first_broker_that_answers_counts(plain_server: str) -> None:
    line = await find_refusal(guarded(f"127.0.0.1:{free_port()},{plain_server}"))
    assert line is not None
    assert line.startswith(f"{plain_server} does not speak TLS with us: ")
    assert "a password" not in line
