"""The no in a consent that is refused: it is heard all the same.

Rules of this file: nothing is guessed. What stands beside a no and is wrong is left out, and told
in the refusal; what the no is about, of whom and when must be right.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streams.events.decode import decode_interaction
from streams.events.envelope import Refused
from streams.events.interactions import Consent, Interaction

BESIDE: Final = ("account_id", "decision_id", "quiet_hours", "time_zone")
"""What a consent may say besides: none of it is needed to know who wants no more of what."""

HEARD: Final = "; the no in it is heard"
"""The end of such a refusal."""

_FAULTS: Final = (msgspec.MsgspecError, ValueError, RecursionError)


def hear(value: bytes | None) -> tuple[Interaction | None, Refused | None]:
    """The interaction in a record's value, and what is refused of it: all, or what stands beside
    its no.
    """
    event = decode_interaction(value)
    if not isinstance(event, Refused):
        return event, None
    no = _no_in(value)
    return no, event if no is None else Refused(event.reason, event.error + HEARD)


def _no_in(value: bytes | None) -> Interaction | None:
    """What is left of a refused consent without what is wrong beside its no; None for no no."""
    try:
        plain = msgspec.json.decode(value or b"")
    except _FAULTS:
        return None
    data = _data_of(plain)
    if data is None or data.get("allowed") is not False:
        return None
    for _ in BESIDE:
        event = decode_interaction(msgspec.json.encode(plain))
        if not isinstance(event, Refused):
            return event
        data.pop(_field_of(event), None)
    event = decode_interaction(msgspec.json.encode(plain))
    return None if isinstance(event, Refused) else event


def _data_of(plain: Any) -> dict[str, Any] | None:  # noqa: ANN401 (any JSON)
    consent = isinstance(plain, dict) and plain.get("type") == Consent.__struct_config__.tag
    data = plain.get("data") if consent else None
    return data if isinstance(data, dict) else None


def _field_of(refused: Refused) -> str:
    """Which of these a refusal is about."""
    place = refused.error.partition(": ")[0].removeprefix("$.data.")
    field = place.partition(".")[0].partition("[")[0]
    return field if field in BESIDE else ""
