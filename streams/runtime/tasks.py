"""Tasks whose failure ends the process, and tasks that end for certain when they are cancelled."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import ProducerFenced

from streams.runtime.aiokafka_patches import InDoubtError
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
    """Cancel a task until it has ended: aiokafka sometimes swallows a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_S)


class SettledErrors(logging.Filter):
    """Drops what asyncio logs about tasks and futures of a producer that was given up.

    A doubt or a fence ends the producer, and asyncio would log a traceback for each of its tasks
    and futures that nobody awaits any more. `commits` handles the error and logs it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error and (error.__cause__ or error), InDoubtError | ProducerFenced)


def silence_settled_errors() -> None:
    """Install the filter; call once in a process."""
    logging.getLogger("asyncio").addFilter(SettledErrors())
