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

from streams.core.written import IDENTIFIER_CHARACTERS, time_of_day_ms
from streams.events.controls import CONTROL_TYPE, Control
from streams.events.envelope import Envelope, Rejected
from streams.events.faults import fault_in, placed
from streams.events.fields import MAX_RECORD_BYTES
from streams.events.intents import INTENT_TYPE, Intent, IntentData, IntentEvent
from streams.events.interactions import ConsentWish, Interaction, QuietHours
from streams.events.policies import POLICY_TYPE, PolicyEvent
from streams.policy.faults import show, spelt
from streams.policy.zones import zone_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

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

DECODE_FAULTS: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)


class _Typed(Envelope, frozen=True, kw_only=True):
    """The least that an event is."""

    type: str
    data: dict[str, Any]


_INTENT: Final[dict[str, type]] = {INTENT_TYPE: IntentEvent}
_CONTROL: Final[dict[str, type]] = {CONTROL_TYPE: Control}
_POLICY: Final[dict[str, type]] = {POLICY_TYPE: PolicyEvent}
_INTERACTION: Final[dict[str, type]] = {
    shape.__struct_config__.tag: shape for shape in get_args(Interaction)
}

_intents = msgspec.json.Decoder(IntentEvent)
_interactions = msgspec.json.Decoder(Interaction)
_controls = msgspec.json.Decoder(Control)
_policies = msgspec.json.Decoder(PolicyEvent)


def decode_intent(value: bytes | None) -> Intent | Rejected:
    """The intent in a record's value, or why it is none."""
    if not value or len(value) > MAX_RECORD_BYTES:
        return _not_read(value)
    try:
        if not value.isascii():
            value.decode()
        event = _intents.decode(value)
    except DECODE_FAULTS as fault:
        return _refused(value, fault, _INTENT)
    data = event.data
    wrong = _wrong(event, data, _intent_identifiers(data)) or _contradiction(data)
    if wrong is not None:
        return wrong
    return Intent(*msgspec.structs.astuple(data), id=event.id, source=event.source)


def decode_interaction(value: bytes | None) -> Interaction | Rejected:
    """The interaction in a record's value, or why it is none."""
    if not value or len(value) > MAX_RECORD_BYTES:
        return _not_read(value)
    try:
        if not value.isascii():
            value.decode()
        event: Interaction = _interactions.decode(value)
    except DECODE_FAULTS as fault:
        return _refused(value, fault, _INTERACTION)
    data = event.data
    wrong = _wrong(event, data, filter(None, _identifiers_of[type(data)](data)))
    if wrong is None and isinstance(data, ConsentWish):
        wrong = _wrong_hours(data)
    return event if wrong is None else wrong


def decode_control(value: bytes | None) -> Control | Rejected:
    """The control in a record's value, or why it is none."""
    if not value or len(value) > MAX_RECORD_BYTES:
        return _not_read(value)
    try:
        value.decode()
        event = _controls.decode(value)
    except DECODE_FAULTS as fault:
        return _refused(value, fault, _CONTROL)
    wrong = _wrong(event, event.data, ())
    return event if wrong is None else wrong


def decode_policy(value: bytes | None) -> PolicyEvent | Rejected:
    """The event around a policy's document, or why it is none."""
    if not value or len(value) > MAX_RECORD_BYTES:
        return _not_read(value)
    try:
        value.decode()
        return _policies.decode(value)
    except DECODE_FAULTS as fault:
        return _refused(value, fault, _POLICY)


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


def _contradiction(data: IntentData) -> Rejected | None:
    """What no field of an intent is wrong in by itself."""
    if data.to_account_id is None and data.kind == "transfer":
        return Rejected("invalid", "$.data.to_account_id: required where `kind` is `transfer`")
    early_ms, late_ms = data.not_before_ms, data.deadline_ms
    if early_ms is not None and late_ms is not None and late_ms < early_ms:
        sentence = "is before `not_before_ms`: no time is left to send"
        return Rejected("invalid", f"$.data.deadline_ms: {sentence}")
    return None


def _wrong(event: Envelope, data: msgspec.Struct, identifiers: Iterable[str]) -> Rejected | None:
    """What is wrong with a decoded event's texts. All its identifiers are checked in one go."""
    if "".join(identifiers).encode().translate(None, IDENTIFIER_CHARACTERS):
        return _first_bad_identifier(data)
    # `isprintable` is stricter than the rule, and so cheap that it spares most events the search.
    if not (event.id.isprintable() and event.source.isprintable()):
        for name in ("id", "source"):
            if _find_control(getattr(event, name)):
                return Rejected("invalid", f"$.{name}: holds a control character")
    if event.time is not None and _is_time(event.time) is None:
        text = f"$.time: {show(event.time)} is not an RFC 3339 time such as 2026-11-22T02:00:00Z"
        return Rejected("invalid", _printable(text))
    return None


def _wrong_hours(data: ConsentWish) -> Rejected | None:
    """Hours and a zone that cannot be: refused, so that the ones told before stay."""
    hours = data.quiet_hours
    if isinstance(hours, QuietHours) and time_of_day_ms(hours.start) == time_of_day_ms(hours.end):
        text = 'is the same as `from`: the whole day or none of it; write "off" for none'
        return Rejected("invalid", f'$.data.quiet_hours.to: "{hours.end}" {text}')
    wrong = None if data.time_zone is None else zone_fault(data.time_zone)
    return None if wrong is None else Rejected("invalid", f"$.data.time_zone: {wrong}")


def _first_bad_identifier(data: msgspec.Struct) -> Rejected | None:
    for path, identifier in _named_identifiers(data):
        if identifier.encode().translate(None, IDENTIFIER_CHARACTERS):
            return Rejected("invalid", _printable(f"{path}: {_bad_letter(identifier)}"))
    return None


def _bad_letter(identifier: str) -> str:
    bad = identifier.encode().translate(None, IDENTIFIER_CHARACTERS).decode()[0]
    return f"{show(identifier)} holds {bad!a}; allowed are letters, digits and _ - . : @ ="


def _named_identifiers(data: msgspec.Struct) -> Iterator[tuple[str, str]]:
    for name in _identifier_names(type(data)):
        identifier = getattr(data, name)
        if identifier is not None:
            yield f"$.data.{name}", identifier
    if isinstance(data, IntentData):
        for index, identifier in enumerate(data.customer_ids):
            yield f"$.data.customer_ids[{index}]", identifier


# ---- what to say of a record that does not decode ----------------------------------------------


def _not_read(value: bytes | None) -> Rejected:
    if value is None:
        return Rejected("not_json", "$: the record has no value")
    if not value:
        return Rejected("not_json", "$: the value is empty")
    error = f"$: {len(value):,} bytes are more than {MAX_RECORD_BYTES:,}, the most"
    return Rejected("too_large", error)


def _refused(value: bytes, fault: Exception, shapes: Mapping[str, type]) -> Rejected:
    """Why `value` did not decode; `fault` is what the one pass over it met first.

    `shapes`: what each `type` that is read here must look like.
    """
    try:
        value.decode()
        plain = msgspec.json.decode(value)
    except UnicodeDecodeError as not_utf8:
        return Rejected("not_utf8", f"$: byte {not_utf8.start} is not UTF-8")
    except RecursionError:
        return Rejected("invalid", "$: nested too deeply")
    except msgspec.ValidationError:
        return Rejected("invalid", "$: holds a number that is too large to read")
    except DECODE_FAULTS as broken:
        return Rejected("not_json", _printable(f"$: {broken}"))
    event_type = plain.get("type", "") if isinstance(plain, dict) else ""
    if isinstance(event_type, str) and event_type and event_type not in shapes:
        return Rejected("unknown_type", _printable(f"$.type: {_not_read_here(event_type, shapes)}"))
    return _invalid(plain, fault, shapes.get(str(event_type), _Typed))


def _not_read_here(event_type: str, shapes: Iterable[str]) -> str:
    known = ", ".join(sorted(shapes))
    return f"{show(event_type)} is not read here{spelt(event_type, shapes)}; read are {known}"


def _invalid(plain: object, fault: Exception, shape: type) -> Rejected:
    """The sentence about a value that is JSON, and of a type that is read here."""
    found = fault_in(plain, shape)
    if found is None:
        # Of two equal keys the last one counts, but the one before it must be right as well.
        place = str(fault).rpartition(" - at `")[2].removeprefix("key` in `").removesuffix("`")
        return Rejected("invalid", _printable(f"{place}: is named twice, and once wrongly"))
    return Rejected("invalid", _printable(placed(found)))


def _printable(error: str) -> str:
    """`error` bounded, and with anything that could disturb a log or a terminal escaped."""
    return (error if error.isprintable() else ascii(error)[1:-1])[:MAX_ERROR]
