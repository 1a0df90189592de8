"""`decorum kafka`: the local broker in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Final

from streams.local.kafka import LocalKafka, LocalKafkaError

if TYPE_CHECKING:
    from pathlib import Path

CHECK_S: Final = 0.5


def serve(directory: Path, port: int) -> None:
    """Run the broker with its data in `directory` until we are told to stop.

    Raises LocalKafkaError when it does not start or ends by itself.
    """
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with LocalKafka(directory, port) as broker:
        print(
            f"Kafka listens on {broker.bootstrap}; export DECORUM_KAFKA={broker.bootstrap}\n"
            f"Its data are kept in {directory}. Stop it with Ctrl-C.",
            flush=True,
        )
        while not stopped.wait(CHECK_S):
            status = broker.wait(0)
            if status is not None:
                raise LocalKafkaError(f"Kafka ended with status {status}; see {broker.log}")
