"""The fault of an event that does not decode, as a sentence a person can act on.

Rules of this file: it runs only for events that the decoder refused, so it may be slow; it reads
the same types as the decoder and knows no field by name. A sentence shows what was read and what is
allowed, with the limits. It shows no pattern, and suggests another value only where nothing but
case or punctuation differs.
"""

# ruff: noqa: ANN401 (values are any JSON, types are msgspec's own)

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from msgspec import inspect

from streams.events.fields import MAX_MS, MIN_MS
from streams.policy.faults import Fault, show, spelt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_UNITS: Final = (("seconds", 1_000, 1), ("microseconds", 1, 1_000), ("nanoseconds", 1, 1_000_000))
"""Units that producers write by mistake: name, and the fraction that gives milliseconds."""


def fault_in(value: object, shape: Any) -> Fault | None:
    """The first fault of a plain JSON value by a msgspec type; None where it fits."""
    return _find(value, _type_of(shape))


def sentence_of(fault: Fault) -> str:
    """The fault as a sentence, its path from the root `$` in front."""
    joint = "." if fault.path and not fault.path.startswith("[") else ""
    return f"${joint}{fault.path}: {fault.message}"


@lru_cache(maxsize=64)
def _type_of(shape: Any) -> inspect.Type:
    return inspect.type_info(shape)


def _find(value: Any, wanted: Any) -> Fault | None:
    if isinstance(wanted, inspect.Metadata):
        return _described_text(value, wanted)
    check, python_type, name = _CHECKS[type(wanted)]
    if python_type is not None and type(value) is not python_type:
        return Fault("", f"must be {name}, not {_as_json(value)}")
    return check(value, wanted)


# ---- objects and lists -------------------------------------------------------------------------


def _object(value: dict[str, Any], wanted: inspect.StructType) -> Fault | None:
    for field in wanted.fields:
        name = field.encode_name
        if name in value:
            found = _find(value[name], field.type)
        else:
            found = Fault("", "is missing") if field.required else None
        if found is not None:
            return found.below(name)
    return None


def _map(value: dict[str, Any], wanted: inspect.DictType) -> Fault | None:
    found = _size(len(value), wanted, "entries")
    for name, one in value.items():
        if found is not None:
            break
        named = _find(name, wanted.key_type)
        if named is not None:
            found = Fault("", f"the name {show(name)}: {named.message}")
        elif (wrong := _find(one, wanted.value_type)) is not None:
            found = Fault(f"[{show(name)}]", wrong.message)
    return found


def _list(value: list[Any], wanted: inspect.ListType) -> Fault | None:
    found = _size(len(value), wanted, "items")
    for index, one in enumerate(value):
        if found is not None:
            break
        wrong = _find(one, wanted.item_type)
        found = None if wrong is None else wrong.below(index)
    return found


def _size(count: int, wanted: Any, what: str) -> Fault | None:
    least, most = wanted.min_length or 0, wanted.max_length
    if most is not None and count > most:
        return Fault("", f"{count:,} {what} are more than {most:,}, the most")
    return Fault("", "is empty") if count < least else None


# ---- single values -----------------------------------------------------------------------------


def _text(value: str, wanted: inspect.StrType) -> Fault | None:
    return _size(len(value), wanted, "characters")


def _described_text(value: Any, wanted: inspect.Metadata) -> Fault | None:
    """A text with a pattern; its description names the form."""
    text: Any = wanted.type
    found = _find(value, text)
    if found is not None or re.search(text.pattern, value):
        return found
    form = (wanted.extra_json_schema or {})["description"]
    return Fault("", f"{show(value)} is not {form}")


def _literal(value: Any, wanted: inspect.LiteralType) -> Fault | None:
    words = [str(word) for word in wanted.values]
    if isinstance(value, str) and value in words:
        return None
    if len(words) == 1:
        return Fault("", f'{_as_json(value)} must be "{words[0]}"')
    return Fault("", f"{_as_json(value)} is not one of {', '.join(words)}{spelt(value, words)}")


def _number(value: int, wanted: inspect.IntType) -> Fault | None:
    if wanted.ge == MIN_MS:
        return _instant(value)
    if wanted.ge <= value <= wanted.le:  # type: ignore[operator] # every number here has both
        return None
    return Fault("", f"{_as_json(value)} is out of range: from {wanted.ge:,} to {wanted.le:,}")


def _instant(value: int) -> Fault | None:
    """A time out of range: which year it would be, what is expected, and the likely unit."""
    if MIN_MS <= value <= MAX_MS:
        return None
    bound = f"the greatest is {MAX_MS}" if value > MAX_MS else f"the least is {MIN_MS}"
    like = [name for name, up, down in _UNITS if MIN_MS <= value * up // down <= MAX_MS]
    looks = f"; this looks like {like[0]}" if like else ""
    text = f"{_as_json(value)} is {_when(value)}: milliseconds are wanted, {bound}{looks}"
    return Fault("", text)


def _when(value: int) -> str:
    if value > MAX_MS:
        return "beyond the year 9999"
    return "before 1970" if value < 0 else f"in {(_EPOCH + timedelta(milliseconds=value)).year}"


def _as_json(value: Any) -> str:
    """A wrong value with JSON's names for types."""
    if value is None:
        return "null"
    return "an object" if isinstance(value, dict) else show(value)


# ---- one of several ----------------------------------------------------------------------------


def _one_of(value: Any, wanted: inspect.UnionType) -> Fault | None:
    """The fault by the alternative of the value's own type; where none has it, all are named."""
    if value is None and any(isinstance(one, inspect.NoneType) for one in wanted.types):
        return None
    fits = [
        one for one in wanted.types if _python_type(one) is type(value) and _has_tag(value, one)
    ]
    if not fits:
        return Fault("", f"must be {_alternatives(wanted.types)}, not {_as_json(value)}")
    found = _find(value, fits[0])
    if found is not None and isinstance(fits[0], inspect.LiteralType) and len(wanted.types) > 1:
        return Fault("", f"must be {_alternatives(wanted.types)}, not {_as_json(value)}")
    if value == 0 and found is not None:
        return Fault(found.path, f"{found.message}; for none, leave it out")
    return found


def _has_tag(value: Any, one: Any) -> bool:
    tag = getattr(one, "tag", None)
    return tag is None or value.get(one.tag_field) == tag


def _alternatives(types: Sequence[Any]) -> str:
    return " or ".join(_name_of(one) for one in types if not isinstance(one, inspect.NoneType))


def _name_of(wanted: Any) -> str:
    plain = wanted.type if isinstance(wanted, inspect.Metadata) else wanted
    if isinstance(plain, inspect.LiteralType):
        return " or ".join(f'"{word}"' for word in plain.values)
    return _CHECKS[type(plain)][2]


def _python_type(wanted: Any) -> type | None:
    plain = wanted.type if isinstance(wanted, inspect.Metadata) else wanted
    return str if isinstance(plain, inspect.LiteralType) else _CHECKS[type(plain)][1]


def _nothing_wrong(_: Any, __: Any) -> None:
    return None


_CHECKS: Final[dict[type, tuple[Callable[[Any, Any], Fault | None], type | None, str]]] = {
    inspect.StructType: (_object, dict, "an object"),
    inspect.DictType: (_map, dict, "an object"),
    inspect.ListType: (_list, list, "a list"),
    inspect.StrType: (_text, str, "a string"),
    inspect.IntType: (_number, int, "a whole number"),
    inspect.BoolType: (_nothing_wrong, bool, "true or false"),
    inspect.NoneType: (_nothing_wrong, type(None), "null"),
    inspect.LiteralType: (_literal, None, ""),
    inspect.UnionType: (_one_of, None, ""),
    inspect.AnyType: (_nothing_wrong, None, ""),
}
"""For each type: its check, the Python type that a value must have first, and its name."""
