"""A customer's no in an event that is refused: it is heard all the same.

Rules of this file: nothing is guessed. What stands beside a no and is wrong is left out, and told
in the refusal; what the no is about, of whom and when must be right.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streams.events.decode import decode_interaction
from streams.events.envelope import Rejected
from streams.events.interactions import Blocked, Complained, Consent, Erase, Interaction

_BESIDE: Final = frozenset({"account_id", "decision_id", "quiet_hours", "time_zone"})
"""What such an event may say besides. Where one of these is required, it is missed when left out,
and then the event is refused whole."""

_AROUND: Final = frozenset({"subject", "time"})
"""The same, of the envelope."""

_NOES: Final = frozenset(shape.__struct_config__.tag for shape in (Blocked, Complained, Erase))
_CONSENT: Final = Consent.__struct_config__.tag

_HEARD: Final = "; the no in it is heard"
"""The end of such a refusal."""

_FAULTS: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)


def decode_or_salvage(value: bytes | None) -> tuple[Interaction | None, Rejected | None]:
    """The interaction in a record's value, and what is refused of it: all, or what stands beside
    its no.
    """
    event = decode_interaction(value)
    if not isinstance(event, Rejected):
        return event, None
    try:
        no = _opt_out_in(msgspec.json.decode(value or b""))
    except _FAULTS:
        no = None
    return no, event if no is None else Rejected(event.reason, event.error + _HEARD)


def _opt_out_in(plain: Any) -> Interaction | None:  # noqa: ANN401 (any JSON)
    """A refused event without what is wrong beside its no; None where there is none."""
    if not _is_opt_out(plain):
        return None
    event, left_out = decode_interaction(msgspec.json.encode(plain)), False
    while isinstance(event, Rejected):
        if not _leave_out(plain, event.error.partition(": ")[0]):
            return None
        event, left_out = decode_interaction(msgspec.json.encode(plain)), True
    # What is right when read by itself named a thing twice, and said two things.
    return event if left_out and not _is_empty(event) else None


def _is_opt_out(plain: Any) -> bool:  # noqa: ANN401 (any JSON)
    data = plain.get("data") if isinstance(plain, dict) else None
    if not isinstance(data, dict):
        return False
    what = str(plain.get("type"))
    return data.get("allowed") is False if what == _CONSENT else what in _NOES


def _is_empty(event: Interaction) -> bool:
    """A no to no kind, or to none that there is."""
    return isinstance(event, Consent) and event.data.kinds == []


def _leave_out(plain: dict[str, Any], place: str) -> bool:
    """Take out what a refusal names, if it is something beside; whether it was."""
    holder, names = plain, _AROUND
    step = place.removeprefix("$.")
    if step.startswith("data."):
        holder, names, step = plain["data"], _BESIDE, step.removeprefix("data.")
    name, _, index = step.partition(".")[0].partition("[")
    if holder is plain["data"] and name == "kinds" and index:
        del holder["kinds"][int(index.removesuffix("]"))]
        return True
    if holder is plain["data"] and name == "kinds" and holder.get(name, 0) is None:
        del holder[name]  # null is how some write what they leave out: of every kind
        return True
    return name in names and holder.pop(name, holder) is not holder
