"""Bytes in, events or refusals out.

Rules of this file: no exception leaves it, whatever the bytes; a good record is read in one pass,
and only a bad one is looked at again to say what is wrong. Where a JSON object names a key twice,
the last one counts, as in most parsers; an interaction that names two different `type`s is refused.
"""

from __future__ import annotations

import re
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

import msgspec

from streams.events.controls import CONTROL_TYPE, Control
from streams.events.envelope import Envelope, Refused, RefusedReason
from streams.events.fields import IDENTIFIER_CHARACTERS, MAX_RECORD_BYTES
from streams.events.intents import INTENT_TYPE, Intent, IntentData, IntentEvent
from streams.events.interactions import INTERACTION_TYPES, Interaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_ERROR: Final = 500
"""Characters of a refusal's `error`: enough for a path and a sentence."""

RFC_3339: Final = (
    r"[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
"""RFC 3339, section 5.6, months' lengths included. 29 February passes in every year, and a leap
second in every minute: the engine never computes with `time`."""

CONTROL: Final = "\x00-\x1f\x7f-\x9f"
"""The characters that CloudEvents forbids in its attributes; identity relies on their absence."""

_is_time = re.compile(RFC_3339).fullmatch
_find_control = re.compile(f"[{CONTROL}]").search

_FAULTS: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)

_intents = msgspec.json.Decoder(IntentEvent)
_interactions = msgspec.json.Decoder(Interaction)
_controls = msgspec.json.Decoder(Control)


def decode_intent(value: bytes | None) -> Intent | Refused:
    """The intent in a record's value, or why it is none."""
    if not value or len(value) > MAX_RECORD_BYTES:
        return _not_read(value)
    try:
        if not value.isascii():
            value.decode()
        event = _intents.decode(value)
    except _FAULTS as fault:
        return _refused(value, fault, {INTENT_TYPE})
    data = event.data
    wrong = _wrong(event, data, _intent_identifiers(data))
    if wrong is None and data.to_account_id is None and data.kind == "transfer":
        wrong = Refused("invalid", "$.data.to_account_id: required where `kind` is `transfer`")
    if wrong is not None:
        return wrong
    return Intent(*msgspec.structs.astuple(data), id=event.id, source=event.source)


def decode_interaction(value: bytes | None) -> Interaction | Refused:
    """The interaction in a record's value, or why it is none."""
    if not value or len(value) > MAX_RECORD_BYTES:
        return _not_read(value)
    try:
        if not value.isascii():
            value.decode()
        event: Interaction = _interactions.decode(value)
    except _FAULTS as fault:
        return _refused(value, fault, INTERACTION_TYPES)
    data = event.data
    wrong = _wrong(event, data, filter(None, _identifiers_of[type(data)](data)))
    return event if wrong is None else wrong


def decode_control(value: bytes | None) -> Control | Refused:
    """The control in a record's value, or why it is none."""
    if not value or len(value) > MAX_RECORD_BYTES:
        return _not_read(value)
    try:
        value.decode()
        event = _controls.decode(value)
    except _FAULTS as fault:
        return _refused(value, fault, {CONTROL_TYPE})
    wrong = _wrong(event, event.data, ())
    return event if wrong is None else wrong


# ---- what types alone do not say ---------------------------------------------------------------


def _intent_identifiers(data: IntentData) -> list[str]:
    return [
        data.enterprise_id,
        data.account_id,
        data.campaign_id or "",
        data.to_account_id or "",
        *data.customer_ids,
    ]


def _identifier_names(shape: type[msgspec.Struct]) -> list[str]:
    return [name for name in shape.__struct_fields__ if name.endswith("_id")]


_identifiers_of: Final[dict[type, Callable[[Any], tuple[str | None, ...]]]] = {
    shape: attrgetter(*_identifier_names(shape))
    for shape in (get_type_hints(event)["data"] for event in get_args(Interaction))
}


def _wrong(event: Envelope, data: msgspec.Struct, identifiers: Iterable[str]) -> Refused | None:
    """What is wrong with a decoded event's texts. All its identifiers are checked in one go."""
    if "".join(identifiers).encode().translate(None, IDENTIFIER_CHARACTERS):
        return _first_bad_identifier(data)
    # `isprintable` is stricter than the rule, and so cheap that it spares most events the search.
    if not (event.id.isprintable() and event.source.isprintable()):
        for name in ("id", "source"):
            if _find_control(getattr(event, name)):
                return Refused("invalid", f"$.{name}: holds a control character")
    if event.time is not None and _is_time(event.time) is None:
        return Refused("invalid", "$.time: is not an RFC 3339 time")
    return None


def _first_bad_identifier(data: msgspec.Struct) -> Refused | None:
    for path, identifier in _named_identifiers(data):
        if identifier.encode().translate(None, IDENTIFIER_CHARACTERS):
            return Refused("invalid", f"{path}: holds a character other than A-Z a-z 0-9 _-.:@=")
    return None


def _named_identifiers(data: msgspec.Struct) -> Iterator[tuple[str, str]]:
    for name in _identifier_names(type(data)):
        identifier = getattr(data, name)
        if identifier is not None:
            yield f"$.data.{name}", identifier
    if isinstance(data, IntentData):
        for index, identifier in enumerate(data.customer_ids):
            yield f"$.data.customer_ids[{index}]", identifier


# ---- what to say of a record that does not decode ----------------------------------------------


class _TypeOnly(msgspec.Struct):
    """The least that an event is: enough to tell an unknown type from a broken record."""

    type: str = ""


_type_only = msgspec.json.Decoder(_TypeOnly)


def _not_read(value: bytes | None) -> Refused:
    if value is None:
        return Refused("not_json", "$: the record has no value")
    if not value:
        return Refused("not_json", "$: the value is empty")
    error = f"$: {len(value)} bytes are more than the limit of {MAX_RECORD_BYTES}"
    return Refused("too_large", error)


def _refused(value: bytes, fault: Exception, known: Iterable[str]) -> Refused:
    """Why `value` did not decode; `fault` is what the one pass over it met first."""
    try:
        value.decode()
        named = _type_only.decode(value).type
    except UnicodeDecodeError as not_utf8:
        return Refused("not_utf8", f"$: byte {not_utf8.start} is not UTF-8")
    except RecursionError:
        return Refused("invalid", "$: nested too deeply")
    except _FAULTS as broken:
        return _invalid(broken)
    if named and named not in known:
        return Refused("unknown_type", _printable(f"$.type: {named[:200]!r} is not read here"))
    return _invalid(fault)


def _invalid(fault: Exception) -> Refused:
    """What msgspec says, with the path of the fault brought to the front."""
    # From the right: the sentence may quote the producer's text, the path never does.
    sentence, separator, path = str(fault).rpartition(" - at `")
    reason: RefusedReason = "invalid"
    if isinstance(fault, msgspec.DecodeError) and not isinstance(fault, msgspec.ValidationError):
        reason = "not_json"
    place = path.removeprefix("key` in `").removesuffix("`")
    located = f"{place}: {sentence}" if separator else f"$: {path}"
    return Refused(reason, _printable(located))


def _printable(error: str) -> str:
    """`error` bounded, and with anything that could disturb a log or a terminal escaped."""
    return (error if error.isprintable() else ascii(error)[1:-1])[:MAX_ERROR]
