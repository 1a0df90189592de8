"""`decorum kafka`: the local broker in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from streams.local.jars import LocalKafkaError
from streams.local.kafka import LocalKafka

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECK_S: Final = 0.5


def serve(directory: Path, port: int) -> None:
    """Run the broker with its data in `directory` until Ctrl-C or SIGTERM.

    Raises LocalKafkaError if it does not start, or ends by itself.
    """
    with _stop_signal() as stop, LocalKafka(directory, port) as broker:
        print(
            f"Kafka listens on {broker.bootstrap}; export DECORUM_KAFKA={broker.bootstrap}\n"
            f"Its data are kept in {directory}. Stop it with Ctrl-C.",
            flush=True,
        )
        while not stop.wait(CHECK_S):
            status = broker.wait(0)
            if status is not None:
                raise LocalKafkaError(f"Kafka ended with status {status}; see {broker.log}")


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that the broker is always stopped cleanly."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
