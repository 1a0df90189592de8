"""Keeps the log readable while a broker is down.

aiokafka tells of every failed attempt: 80,000 lines a minute in an outage. The same message of the
same logger passes once in ten seconds, and the next one says how many were held back. Debug calls
of Faust's libraries cost 9 % of the engine even when nobody listens, so levels are set explicitly.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from aiokafka.errors import ProducerFenced

from streams.runtime.aiokafka_patches import InDoubtError

if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARIES: Final = ("aiokafka", "faust", "kafka", "mode")
ALSO: Final = {
    # mode logs a service's comings and goings under the module of its class: for ours, this one.
    "streams.runtime.faust_adapter": logging.WARNING,
    # A transaction's first write is often answered NOT_ENOUGH_REPLICAS, which here means "again".
    # What is not mended by trying again is raised, and told once where it is mended or ends.
    "aiokafka.producer.sender": logging.CRITICAL,
}
SILENCE_S: Final = 10.0


class RateLimit(logging.Filter):
    """Lets one message of each format pass within SILENCE_S, and counts the others."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` in seconds, for tests."""
        super().__init__()
        self._now = now
        self._passed_at: dict[tuple[str, str], float] = {}
        self._held: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass."""
        about = (record.name, str(record.msg))
        now = self._now()
        if now - self._passed_at.get(about, -SILENCE_S) < SILENCE_S:
            self._held[about] += 1
            return False
        self._passed_at[about] = now
        held = self._held.pop(about, 0)
        if held:
            record.msg = f"{record.msg} ({held} more like this were held back)"
        return True


class OncePerMessage(logging.Filter):
    """A transaction in doubt or fenced off ends its producer, and each task and future of it that
    nobody waits for any more would tell so with a traceback. It is told where it is settled.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error and (error.__cause__ or error), InDoubtError | ProducerFenced)


def quieten_libraries() -> None:
    """Warnings and worse only, rate-limited; call once, when all libraries are imported."""
    limit = RateLimit()
    logging.getLogger("asyncio").addFilter(OncePerMessage())
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name, level in ALSO.items():
        logging.getLogger(name).setLevel(level)
    for name in (*LIBRARIES, *logging.root.manager.loggerDict):
        if name.split(".")[0] in LIBRARIES:
            logging.getLogger(name).addFilter(limit)
