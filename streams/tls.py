"""TLS for every Kafka client: host names verified, and no wait for the peer's close_notify.

Python's event loops wait up to half a minute for the peer's close_notify before a connection counts
as closed, and a broker that holds a fetch does not answer. A partition closes a reader before it
takes its first record, so every takeover would wait that long.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from aiokafka.helpers import create_ssl_context

if TYPE_CHECKING:
    from pathlib import Path


class _NoWaitOnClose(ssl.SSLObject):
    """Sends close_notify without waiting for the peer's (RFC 8446, 6.1 allows it)."""

    def unwrap(self) -> None:
        """Send close_notify; data that the peer may still send is not read."""
        with suppress(ssl.SSLWantReadError):
            super().unwrap()


def client_context(
    authorities: Path | None, certificate: Path | None, key: Path | None, password: str | None
) -> ssl.SSLContext:
    """The context of a client that trusts `authorities` (None: the system's).

    Raises ssl.SSLError or OSError when a file cannot be used.
    """
    context: ssl.SSLContext = create_ssl_context(
        cafile=_text(authorities),
        certfile=_text(certificate),
        keyfile=_text(key),
        password=password,
    )
    context.sslobject_class = _NoWaitOnClose
    return context


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
