from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams.settings import Settings
from streams.topics import CUSTOMER_STATE, RULES_STATE
from tests.support.topics import partition_counts
from tests.support.waiting import until, wait_until
from tests.support.workers import environment, inherited, is_ready

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


async def test_what_never_comes_true_is_a_failure_and_no_end_of_waiting() -> None:
    async def never() -> bool:
        return False

    conditions: list[Callable[[], bool | Awaitable[bool]]] = [lambda: False, never]
    for condition in conditions:
        with pytest.raises(AssertionError, match="still not true after 0"):
            await until(condition, 0.01, pause_s=0)
    with pytest.raises(AssertionError, match="still not true after 0"):
        wait_until(lambda: False, 0.01)


async def test_waiting_ends_when_the_condition_holds_and_others_go_on_meanwhile() -> None:
    seen: list[int] = []

    async def work() -> None:
        for number in range(5):
            seen.append(number)
            await asyncio.sleep(0)

    task = asyncio.create_task(work())
    await until(lambda: len(seen) == 3, 1.0, pause_s=0)
    assert len(seen) == 3
    await task


async def test_what_a_condition_raises_is_not_taken_for_false() -> None:
    with pytest.raises(ZeroDivisionError):
        await until(lambda: bool(1 / 0), 1.0)


def test_no_setting_of_whoever_runs_the_tests_reaches_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DECORUM_SUPPRESSION_KEY", "theirs")
    monkeypatch.setenv("decorum_instance", "theirs")
    monkeypatch.setenv("UNTOUCHED", "ours")
    assert "theirs" not in inherited().values()
    settings = Settings.model_construct(kafka="there:1", prefix="p-", partitions=3)
    given = environment(settings, DECORUM_INSTANCE="i")
    ours = {name: value for name, value in given.items() if name.startswith("DECORUM_")}
    assert ours.pop("DECORUM_HTTP").startswith("127.0.0.1:")
    assert ours == {
        "DECORUM_KAFKA": "there:1",
        "DECORUM_PREFIX": "p-",
        "DECORUM_PARTITIONS": "3",
        "DECORUM_INSTANCE": "i",
    }
    assert given["UNTOUCHED"] == "ours"


def test_partitions_are_as_many_as_asked_for_but_the_rules_have_one() -> None:
    counts = partition_counts(7)
    assert (counts[CUSTOMER_STATE], counts[RULES_STATE]) == (7, 1)


@pytest.fixture
async def answering() -> AsyncIterator[Callable[[bytes], Awaitable[str]]]:
    """Starts a server that says one thing to everybody; its address."""
    servers: list[asyncio.Server] = []

    async def serve(said: bytes) -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            writer.close()

        servers.append(await asyncio.start_server(answer, "127.0.0.1", 0))
        host, port = servers[-1].sockets[0].getsockname()
        return f"{host}:{port}"

    yield serve
    for server in servers:
        server.close()


async def test_only_a_worker_that_says_so_is_ready(
    answering: Callable[[bytes], Awaitable[str]],
) -> None:
    ready = await answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    waits = await answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    broken = await answering(b"no HTTP at all\r\n\r\n")
    found = [await asyncio.to_thread(is_ready, address) for address in (ready, waits, broken)]
    assert found == [True, False, False]
    assert not await asyncio.to_thread(is_ready, "127.0.0.1:1")
