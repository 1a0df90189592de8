"""Bytes in, events or refusals out.

Rules of this file: no exception leaves it, whatever the bytes; a good record is read in one pass,
and only a bad one is read again to find the fault. Where a JSON object names a key twice, the last
one counts, as in most parsers; an interaction that names two different `type`s is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, get_args

import msgspec

from streams.events.checks import control_fault, intent_fault, interaction_fault
from streams.events.controls import CONTROL_TYPE, Control
from streams.events.envelope import Envelope, Rejected, rejected
from streams.events.faults import fault_in, sentence_of
from streams.events.fields import MAX_RECORD_BYTES
from streams.events.intents import INTENT_TYPE, Intent, IntentEvent
from streams.events.interactions import Interaction
from streams.events.policies import POLICY_TYPE, PolicyEvent
from streams.policy.faults import show, spelt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Event = TypeVar("Event")

DECODE_FAULTS: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""What decoding may raise: wrong JSON, wrong text, numbers too large, nesting too deep."""


def decode_intent(value: bytes | None) -> Intent | Rejected:
    """The intent in a record's value, or the refusal."""
    event = _intents.read(value)
    if isinstance(event, Rejected):
        return event
    fault = intent_fault(event)
    if fault is not None:
        return fault
    return Intent(*msgspec.structs.astuple(event.data), id=event.id, source=event.source)


def decode_interaction(value: bytes | None) -> Interaction | Rejected:
    """The interaction in a record's value, or the refusal."""
    event = _interactions.read(value)
    return event if isinstance(event, Rejected) else interaction_fault(event) or event


def decode_control(value: bytes | None) -> Control | Rejected:
    """The control in a record's value, or the refusal."""
    event = _controls.read(value)
    return event if isinstance(event, Rejected) else control_fault(event) or event


def decode_policy(value: bytes | None) -> PolicyEvent | Rejected:
    """The event around a policy's document, or the refusal. The document is not read here."""
    return _policies.read(value)


class _Reader(Generic[Event]):
    """Reads the events of one topic."""

    def __init__(self, shape: Any, shapes: Mapping[str, type]) -> None:  # noqa: ANN401 (a union)
        """`shape`: the event's type; `shapes`: for each `type` attribute read, the struct."""
        self._decode = msgspec.json.Decoder(shape).decode
        self._shapes = shapes

    def read(self, value: bytes | None) -> Event | Rejected:
        """The event by its types alone, or the refusal."""
        if not value or len(value) > MAX_RECORD_BYTES:
            return _size_fault(value)
        try:
            if not value.isascii():
                value.decode()  # msgspec lets wrong UTF-8 pass in fields that it skips
            event: Event = self._decode(value)
        except DECODE_FAULTS as fault:
            return _fault(value, fault, self._shapes)
        return event


_intents = _Reader[IntentEvent](IntentEvent, {INTENT_TYPE: IntentEvent})
_interactions = _Reader[Interaction](
    Interaction, {shape.__struct_config__.tag: shape for shape in get_args(Interaction)}
)
_controls = _Reader[Control](Control, {CONTROL_TYPE: Control})
_policies = _Reader[PolicyEvent](PolicyEvent, {POLICY_TYPE: PolicyEvent})

# ---- the refusal of a record that does not decode ----------------------------------------------


class _AnyEvent(Envelope, frozen=True, kw_only=True):
    """What every event must have."""

    type: str
    data: dict[str, Any]


def _size_fault(value: bytes | None) -> Rejected:
    if value is None:
        return rejected("not_json", "$: the record has no value")
    if not value:
        return rejected("not_json", "$: the value is empty")
    error = f"$: {len(value):,} bytes are more than {MAX_RECORD_BYTES:,}, the most"
    return rejected("too_large", error)


def _fault(value: bytes, fault: Exception, shapes: Mapping[str, type]) -> Rejected:
    """Why `value` did not decode; `fault` is what the one pass over it met first."""
    try:
        value.decode()
        plain = msgspec.json.decode(value)
    except UnicodeDecodeError as not_utf8:
        return rejected("not_utf8", f"$: byte {not_utf8.start} is not UTF-8")
    except RecursionError:
        return rejected("invalid", "$: nested too deeply")
    except msgspec.ValidationError:
        return rejected("invalid", "$: holds a number that is too large to read")
    except DECODE_FAULTS as broken:
        return rejected("not_json", f"$: {broken}")
    event_type = plain.get("type", "") if isinstance(plain, dict) else ""
    if isinstance(event_type, str) and event_type and event_type not in shapes:
        return rejected("unknown_type", f"$.type: {_not_read_here(event_type, shapes)}")
    return _shape_fault(plain, fault, shapes.get(str(event_type), _AnyEvent))


def _not_read_here(event_type: str, shapes: Iterable[str]) -> str:
    known = ", ".join(sorted(shapes))
    return f"{show(event_type)} is not read here{spelt(event_type, shapes)}; read are {known}"


def _shape_fault(plain: object, fault: Exception, shape: type) -> Rejected:
    """The refusal of JSON whose `type` is read here."""
    found = fault_in(plain, shape)
    if found is None:
        # Of two equal keys the last one counts, but the one before it must be right as well.
        place = str(fault).rpartition(" - at `")[2].removeprefix("key` in `").removesuffix("`")
        return rejected("invalid", f"{place}: is named twice, and once wrongly")
    return rejected("invalid", sentence_of(found))
