"""Processes of ours: the environment they run in, and what they answer.

Rules of this file: no setting of whoever runs the tests reaches a process that they start.
"""

from __future__ import annotations

import http.client
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from streams.local.kafka import HOST, free_port
from streams.settings import PREFIX

if TYPE_CHECKING:
    from streams.settings import Settings

"""Where a process finds both `streams` and `tests`."""
DECORUM: Final = (sys.executable, "-m", "streams")
"""The command `decorum`, as it stands in this checkout."""
ANSWER_S: Final = 30.0


def inherited() -> dict[str, str]:
    """The environment of this process, without a setting of ours."""
    return {name: value for name, value in os.environ.items() if not _is_setting(name)}


def _is_setting(name: str) -> bool:
    return name.upper().startswith(PREFIX)


def corner(settings: Settings) -> dict[str, str]:
    """The settings that tell which cluster, and whose topics on it, as variables."""
    return {
        "DECORUM_KAFKA": settings.kafka,
        "DECORUM_PREFIX": settings.prefix,
        "DECORUM_PARTITIONS": str(settings.partitions),
    }


def environment(settings: Settings, **others: str) -> dict[str, str]:
    """Of a worker in that corner of a cluster, on a port of its own (DECORUM_HTTP)."""
    return inherited() | corner(settings) | {"DECORUM_HTTP": free_address()} | others


def free_address() -> str:
    """Host and port for something to listen on that nobody listens on now."""
    return f"{HOST}:{free_port()}"


def get(address: str, path: str) -> tuple[int, str]:
    """Status and text of what a worker answers; OSError or HTTPException where none does."""
    connection = http.client.HTTPConnection(address, timeout=ANSWER_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def is_ready(address: str) -> bool:
    """Whether a worker listens there and has all of its state."""
    with suppress(OSError, http.client.HTTPException):
        return get(address, "/readyz")[0] == http.client.OK
    return False
