"""What the types of an event cannot state: character sets, and fields that contradict each other.

Rules of this file: events that decoded, in; the first fault out, None where there is none. Most
events are right, so each check is one cheap pass; only a wrong event is searched for the place.
"""

from __future__ import annotations

import re
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

import msgspec

from streams.core.written import IDENTIFIER_CHARACTERS, time_of_day_ms
from streams.events.envelope import Rejected, rejected
from streams.events.intents import IntentData
from streams.events.interactions import ConsentWish, Interaction, QuietHours
from streams.policy.faults import show
from streams.policy.zones import zone_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from streams.events.envelope import Envelope
    from streams.events.intents import IntentEvent

RFC_3339: Final = (
    r"[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
"""An event's `time`: RFC 3339, section 5.6, in full. 29 February passes in every year and a leap
second in every minute, because the engine never computes with `time`. Instants that it computes
with have the stricter form of `core.written`."""

CONTROL: Final = "\x00-\x1f\x7f-\x9f"
"""The characters that CloudEvents forbids in its attributes; `identity` relies on their absence."""

_is_time = re.compile(RFC_3339).fullmatch
_find_control = re.compile(f"[{CONTROL}]").search


def intent_fault(event: IntentEvent) -> Rejected | None:
    """What is wrong with a decoded intent."""
    data = event.data
    identifiers = [
        data.enterprise_id,
        data.account_id,
        data.campaign_id or "",
        data.to_account_id or "",
        *data.customer_ids,
    ]
    return _text_fault(event, data, identifiers) or _contradiction(data)


def interaction_fault(event: Interaction) -> Rejected | None:
    """What is wrong with a decoded interaction."""
    data = event.data
    found = _text_fault(event, data, filter(None, _identifiers_of[type(data)](data)))
    if found is None and isinstance(data, ConsentWish):
        found = _hours_fault(data)
    return found


def control_fault(event: Envelope) -> Rejected | None:
    """What is wrong with a decoded control; its scope's characters are in the scope's pattern."""
    return _attribute_fault(event)


# ---- fields that contradict each other ---------------------------------------------------------


def _contradiction(data: IntentData) -> Rejected | None:
    if data.to_account_id is None and data.kind == "transfer":
        return rejected("invalid", "$.data.to_account_id: required where `kind` is `transfer`")
    early_ms, late_ms = data.not_before_ms, data.deadline_ms
    if early_ms is not None and late_ms is not None and late_ms < early_ms:
        sentence = "is before `not_before_ms`: no time is left to send"
        return rejected("invalid", f"$.data.deadline_ms: {sentence}")
    return None


def _hours_fault(data: ConsentWish) -> Rejected | None:
    """Quiet hours and a zone that cannot exist: refused, so that the earlier ones stay."""
    hours = data.quiet_hours
    if isinstance(hours, QuietHours) and time_of_day_ms(hours.start) == time_of_day_ms(hours.end):
        text = 'is the same as `from`: the whole day or none of it; write "off" for none'
        return rejected("invalid", f'$.data.quiet_hours.to: "{hours.end}" {text}')
    fault = None if data.time_zone is None else zone_fault(data.time_zone)
    return None if fault is None else rejected("invalid", f"$.data.time_zone: {fault}")


# ---- character sets ----------------------------------------------------------------------------


def _identifier_names(shape: type[msgspec.Struct]) -> list[str]:
    return [name for name in shape.__struct_fields__ if name.endswith("_id")]


_identifiers_of: Final[dict[type, Callable[[Any], tuple[str | None, ...]]]] = {
    shape: attrgetter(*_identifier_names(shape))
    for shape in (get_type_hints(event)["data"] for event in get_args(Interaction))
}


def _text_fault(
    event: Envelope, data: msgspec.Struct, identifiers: Iterable[str]
) -> Rejected | None:
    """All identifiers are checked in one pass."""
    if "".join(identifiers).encode().translate(None, IDENTIFIER_CHARACTERS):
        return _identifier_fault(data)
    return _attribute_fault(event)


def _attribute_fault(event: Envelope) -> Rejected | None:
    # `isprintable` is stricter than the rule, and so cheap that it spares most events the search.
    if not (event.id.isprintable() and event.source.isprintable()):
        for name in ("id", "source"):
            if _find_control(getattr(event, name)):
                return rejected("invalid", f"$.{name}: holds a control character")
    if event.time is not None and _is_time(event.time) is None:
        text = f"{show(event.time)} is not an RFC 3339 time such as 2026-11-22T02:00:00Z"
        return rejected("invalid", f"$.time: {text}")
    return None


def _identifier_fault(data: msgspec.Struct) -> Rejected | None:
    for path, identifier in _named_identifiers(data):
        if bad := identifier.encode().translate(None, IDENTIFIER_CHARACTERS):
            allowed = "allowed are letters, digits and _ - . : @ ="
            text = f"{path}: {show(identifier)} holds {bad.decode()[0]!a}; {allowed}"
            return rejected("invalid", text)
    return None


def _named_identifiers(data: msgspec.Struct) -> Iterator[tuple[str, str]]:
    for name in _identifier_names(type(data)):
        identifier = getattr(data, name)
        if identifier is not None:
            yield f"$.data.{name}", identifier
    if isinstance(data, IntentData):
        for index, identifier in enumerate(data.customer_ids):
            yield f"$.data.customer_ids[{index}]", identifier
