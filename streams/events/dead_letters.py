"""Dead letters: a refused record, whole, with the reason.

Rules of this file: nothing is shortened and nothing is decoded. A dead letter is about 4/3 as long
as its record (base64), so its topic must allow larger records than the input topics.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

import msgspec

from streams.core.written import rfc3339
from streams.events.envelope import SOURCE

DEAD_LETTER_TYPE: Final = "decorum.dead_letter.v1"

_encode = msgspec.json.Encoder().encode


def encode_dead_letter(  # noqa: PLR0913 - one argument for each field of the contract
    *,
    topic: str,
    partition: int,
    offset: int,
    timestamp_ms: int,
    reason: str,
    error: str,
    key: bytes | None,
    value: bytes | None,
    refused_at_ms: int,
) -> bytes:
    """The dead letter of one record: `decorum.dead_letter.v1`.

    `topic` is the logical name, without prefix. The event's `id`, `<topic>-<partition>-<offset>`,
    names the record for good. A record without key or value has no `key_base64` or `value_base64`;
    an empty key or value gives an empty string.
    """
    data: dict[str, Any] = {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "timestamp_ms": timestamp_ms,
        "reason": reason,
        "error": error,
    }
    if key is not None:
        data["key_base64"] = b64encode(key).decode()
    if value is not None:
        data["value_base64"] = b64encode(value).decode()
    return _encode(
        {
            "specversion": "1.0",
            "id": f"{topic}-{partition}-{offset}",
            "source": SOURCE,
            "type": DEAD_LETTER_TYPE,
            "time": rfc3339(refused_at_ms),
            "data": data,
        }
    )
