"""Publishes an operator's control to the topic `controls`.

`core.controls` decides what a control means. Rules of this file: it sends only what a worker would
accept.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka import AIOKafkaProducer

from streams.core.written import rfc3339
from streams.events.controls import CONTROL_TYPE
from streams.events.decode import decode_control
from streams.events.envelope import Rejected
from streams.topics import Topics

if TYPE_CHECKING:
    from streams.settings import Settings

SOURCE = "decorum/cli"

_ARGUMENTS = {"scope": "SCOPE", "by": "--by", "why": "--why", "until_ms": "--for"}


def control_event(  # noqa: PLR0913 (one argument for each field)
    *, action: str, scope: str, by: str, why: str, for_ms: int | None, now_ms: int
) -> bytes:
    """A `decorum.control.v1` as JSON; `for_ms`: how long it holds, None: until `resume`.

    Raises ValueError when a worker would refuse it; the message names the command's argument.
    """
    data: dict[str, Any] = {"action": action, "scope": scope, "by": by, "why": why}
    if for_ms is not None:
        data["until_ms"] = now_ms + for_ms
    value = msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": SOURCE,
            "type": CONTROL_TYPE,
            "time": rfc3339(now_ms),
            "data": data,
        }
    )
    refused = decode_control(value)
    if isinstance(refused, Rejected):
        raise ValueError(_as_argument(refused.error))  # noqa: TRY004 (its value is wrong)
    return value


def _as_argument(error: str) -> str:
    """The refusal with the command's argument in place of the field's path."""
    place, _, sentence = error.partition(": ")
    field = place.removeprefix("$.data.")
    return f"{_ARGUMENTS.get(field, field)}: {sentence}"


async def publish(settings: Settings, scope: str, event: bytes) -> None:
    """Send it, keyed by its scope, and wait for all in-sync replicas. Raises KafkaError."""
    producer = AIOKafkaProducer(**settings.client_options(), enable_idempotence=True, acks="all")
    try:
        await producer.start()
        topic = Topics(settings.prefix).controls
        await producer.send_and_wait(topic, event, key=scope.encode())
    finally:
        await producer.stop()
