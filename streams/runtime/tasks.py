"""Tasks of the lane: their failures end the process, and what is called off ends for certain."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from streams.runtime.failure import end_process

if TYPE_CHECKING:
    from collections.abc import Coroutine

CANCEL_AGAIN_S: Final = 0.1


async def run_or_exit(where: str, work: Coroutine[Any, Any, Any]) -> None:
    """Do the work; any failure but a cancellation ends the process."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except BaseException as exc:  # noqa: BLE001
        end_process(where, exc)


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended: aiokafka swallows a cancellation now and then."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_S)
