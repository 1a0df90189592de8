"""The opt-out in an event that is otherwise refused: it counts all the same.

An opt-out is a complaint, a block, an erasure, or a consent with `allowed: false`. Rules of this
file: nothing is guessed. A wrong field beside the opt-out is dropped and named in the refusal; what
the opt-out is about, whose it is and when it happened must be right.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streams.events.decode import DECODE_FAULTS, decode_interaction
from streams.events.envelope import Rejected
from streams.events.interactions import Blocked, Complained, Consent, Erase, Interaction

_OPTIONAL_DATA: Final = frozenset({"account_id", "decision_id", "quiet_hours", "time_zone"})
"""Fields of `data` that may be dropped. Where an event requires one of them, the event is refused
for its absence."""

_OPTIONAL_ATTRIBUTES: Final = frozenset({"subject", "time"})
"""The same of the envelope."""

_OPT_OUTS: Final = frozenset(shape.__struct_config__.tag for shape in (Blocked, Complained, Erase))
_CONSENT: Final = Consent.__struct_config__.tag

_HEARD: Final = "; the no in it is heard"
"""The end of the refusal of an event whose opt-out counts."""


def decode_or_salvage(value: bytes | None) -> tuple[Interaction | None, Rejected | None]:
    """The interaction in a record's value, and the refusal; both where an opt-out is salvaged."""
    event = decode_interaction(value)
    if not isinstance(event, Rejected):
        return event, None
    try:
        opt_out = _opt_out_in(msgspec.json.decode(value or b""))
    except DECODE_FAULTS:
        opt_out = None
    return opt_out, event if opt_out is None else Rejected(event.reason, event.error + _HEARD)


def _opt_out_in(plain: Any) -> Interaction | None:  # noqa: ANN401 (any JSON)
    """A refused event without the wrong fields beside its opt-out; None where there is none."""
    if not _is_opt_out(plain):
        return None
    event, dropped = decode_interaction(msgspec.json.encode(plain)), False
    while isinstance(event, Rejected):
        if not _drop(plain, event.error.partition(": ")[0]):
            return None
        event, dropped = decode_interaction(msgspec.json.encode(plain)), True
    # Right without dropping anything: a name stood twice in the record, with two meanings.
    return event if dropped and not _names_no_kind(event) else None


def _is_opt_out(plain: Any) -> bool:  # noqa: ANN401 (any JSON)
    data = plain.get("data") if isinstance(plain, dict) else None
    if not isinstance(data, dict):
        return False
    what = str(plain.get("type"))
    return data.get("allowed") is False if what == _CONSENT else what in _OPT_OUTS


def _names_no_kind(event: Interaction) -> bool:
    """A consent about no kind, or only about kinds that do not exist."""
    return isinstance(event, Consent) and event.data.kinds == []


def _drop(plain: dict[str, Any], place: str) -> bool:
    """Remove the field that a refusal names, if it may be dropped; whether it was removed."""
    holder, names = plain, _OPTIONAL_ATTRIBUTES
    step = place.removeprefix("$.")
    if step.startswith("data."):
        holder, names, step = plain["data"], _OPTIONAL_DATA, step.removeprefix("data.")
    name, _, index = step.partition(".")[0].partition("[")
    if holder is plain["data"] and name == "kinds" and index:
        del holder["kinds"][int(index.removesuffix("]"))]
        return True
    if holder is plain["data"] and name == "kinds" and holder.get(name, 0) is None:
        del holder[name]  # some producers write null for an absent field: every kind
        return True
    return name in names and holder.pop(name, holder) is not holder
