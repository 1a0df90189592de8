"""How the process logs: one JSON object a line on stderr, or readable lines on a terminal.

The loggers of the libraries come out the same way as ours, with their levels set explicitly: even
a silent debug call of theirs costs time, and an outage of the broker would write 80,000 lines a
minute. No log line may carry a secret or the content of a message.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor, WrappedLogger

LIBRARIES: Final = ("faust", "aiokafka", "mode", "kafka", "aiohttp", "asyncio")
# With the package `rich` installed the default would print the local variables of every frame:
# passwords, and what customers are called.
PLAIN: Final = structlog.dev.plain_traceback
# A logger may write this many lines a window; the next window says how many were left out.
FLOOD_LINES: Final = 20
FLOOD_WINDOW_S: Final = 10.0


class FloodLimit(logging.Filter):
    """Lets each logger write so many lines in a window and counts the rest.

    Critical lines always pass: they say why a process ended.
    """

    def __init__(
        self,
        lines: int = FLOOD_LINES,
        window_s: float = FLOOD_WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._lines, self._window_s, self._clock = lines, window_s, clock
        self._began: dict[str, float] = {}
        self._written: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.levelno >= logging.CRITICAL:
            return True
        name, now = record.name, self._clock()
        if now - self._began.get(name, -self._window_s) >= self._window_s:
            self._begin(record, now)
        self._written[name] += 1
        return self._written[name] <= self._lines

    def _begin(self, record: logging.LogRecord, now: float) -> None:
        left_out = self._written.get(record.name, 0) - self._lines
        self._began[record.name], self._written[record.name] = now, 0
        if left_out > 0:
            record.msg = f"{record.getMessage()} ({left_out} lines before it left out)"
            record.args = ()


def configure_logs(level: int = logging.INFO, *, terminal: bool | None = None) -> None:
    """Route structlog and the standard library's logging to stderr, one line an event.

    `terminal` None: readable lines if stderr is a terminal, JSON otherwise.
    """
    readable = sys.stderr.isatty() if terminal is None else terminal
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(readable=readable))
    handler.addFilter(FloodLimit())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _shared() -> list[Processor]:
    """What every event gets, whoever logs it."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(*, readable: bool) -> structlog.stdlib.ProcessorFormatter:
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=PLAIN)]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    )
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), _stdlib_source], processors=[remove, *last]
    )


def _stdlib_source(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Attributes that libraries put on their records, for their own formatters, are noise here."""
    for name in ("color_message", "extra_context", "taskName"):
        event.pop(name, None)
    return event
