"""Waiting for a condition instead of for a time, with an end to all patience.

Rules of this file: a condition that never comes true is a failed test that says so, and nothing is
waited for after the condition holds.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PAUSE_S: Final = 0.02
"""Between two looks; 0 where looking costs nothing and everything happens in one event loop."""


async def until(
    condition: Callable[[], bool | Awaitable[bool]], patience_s: float, pause_s: float = PAUSE_S
) -> None:
    """Return when it holds; a condition may be a coroutine function.

    Raises AssertionError when it still does not after `patience_s` seconds.
    """
    try:
        async with asyncio.timeout(patience_s):
            while not await _holds(condition):  # noqa: ASYNC110 (nobody tells when it does)
                await asyncio.sleep(pause_s)
    except TimeoutError as error:
        raise AssertionError(f"still not true after {patience_s} s: {condition}") from error


async def _holds(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    found = condition()
    return await found if inspect.isawaitable(found) else found


def wait_until(condition: Callable[[], bool], patience_s: float) -> None:
    """As `until`, where there is no event loop."""
    give_up_at = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < give_up_at, f"still not true after {patience_s} s: {condition}"
        time.sleep(PAUSE_S)
