"""How a process logs: one JSON object a line on stderr, or readable lines on a terminal.

Libraries log in the same form, and the level of each is set explicitly: even debug calls that
nobody sees cost time (those of Faust and mode took 9 % of the engine's). While a broker is down,
aiokafka would write 80,000 lines a minute, so floods are limited.

Rules of this file: no log line carries a secret or the content of a message.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from structlog.typing import EventDict, Processor, WrappedLogger

LEVELS: Final = {
    **dict.fromkeys(("aiohttp", "aiokafka", "asyncio", "faust", "kafka", "mode"), logging.WARNING),
    # mode logs the start and stop of a service under the module of its class; of ours, these.
    "streams.runtime.faust_adapter": logging.WARNING,
    "streams.runtime.faust_group": logging.WARNING,
    # The first write of a transaction often gets NOT_ENOUGH_REPLICAS, which only means "try again".
    # What a retry does not solve is raised, and logged once where it is handled.
    "aiokafka.producer.sender": logging.CRITICAL,
}
REPEATING: Final = frozenset({"aiokafka", "faust", "kafka", "mode"})
"""Libraries that log every failed attempt: of them, each message passes once a window."""
# With the package `rich` installed the default would print the local variables of every frame:
# passwords, and what customers are called.
PLAIN: Final = structlog.dev.plain_traceback
FLOOD_LINES: Final = 20
FLOOD_WINDOW_S: Final = 10.0


def logger_of(record: logging.LogRecord) -> Hashable:
    """Counts all lines of a logger together."""
    return record.name


def library_message_of(record: logging.LogRecord) -> Hashable | None:
    """Counts each message of a repeating library by itself, whatever its arguments."""
    library = record.name.partition(".")[0]
    return (record.name, str(record.msg)) if library in REPEATING else None


class FloodLimit(logging.Filter):
    """Lets so many lines of one sort pass in a window, and counts the rest.

    The first line of the next window says how many were left out. Critical lines always pass: they
    say why a process ends.
    """

    def __init__(
        self,
        lines: int = FLOOD_LINES,
        window_s: float = FLOOD_WINDOW_S,
        sort_of: Callable[[logging.LogRecord], Hashable | None] = logger_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sort_of`: which lines count together; lines of the sort None are not limited."""
        super().__init__()
        self._lines, self._window_s, self._sort_of = lines, window_s, sort_of
        self._clock = clock
        self._began: dict[Hashable, float] = {}
        self._seen: dict[Hashable, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        sort = self._sort_of(record)
        if sort is None or record.levelno >= logging.CRITICAL:
            return True
        if self._clock() - self._began.get(sort, -self._window_s) >= self._window_s:
            self._begin_window(sort, record)
        self._seen[sort] += 1
        return self._seen[sort] <= self._lines

    def _begin_window(self, sort: Hashable, record: logging.LogRecord) -> None:
        left_out = self._seen.get(sort, 0) - self._lines
        self._began[sort], self._seen[sort] = self._clock(), 0
        if left_out > 0:
            record.msg = f"{record.getMessage()} ({left_out} more left out)"
            record.args = ()


def configure_logs(level: int = logging.INFO, *, terminal: bool | None = None) -> None:
    """Route structlog and the standard library's logging to stderr, one line an event.

    `terminal` None: readable lines if stderr is a terminal, JSON otherwise.
    """
    readable = sys.stderr.isatty() if terminal is None else terminal
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(readable=readable))
    handler.addFilter(FloodLimit(lines=1, sort_of=library_message_of))
    handler.addFilter(FloodLimit())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, library_level in LEVELS.items():
        logging.getLogger(name).setLevel(library_level)
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _shared() -> list[Processor]:
    """The processors of every event, ours or a library's."""
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
    """Drop the attributes that libraries add for their own formatters."""
    for name in ("color_message", "extra_context", "taskName"):
        event.pop(name, None)
    return event
