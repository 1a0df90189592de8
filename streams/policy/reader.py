"""From parsers of values to parsers of mappings and lists, with every fault in its place.

`record` turns a table of fields into a parser, so that the policy's sections are data
(`customer_sections`) and not code. Nothing here knows what a policy says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple, TypeVar

from streams.core.kinds import KIND_NAMES, KIND_OF, mask_of
from streams.policy.faults import Fault, Parse, Refused, printable, show, spelt, suggest
from streams.policy.values import choice

T = TypeVar("T")
Check = Callable[[T], Iterable[Fault]]
"""Finds what is contradictory in a value whose parts are all right by themselves."""

REQUIRED: Final = object()
"""Stands where a field has no default."""


class Field(NamedTuple):
    """One key of a mapping: the argument it becomes, its parser, and what it is when left out."""

    into: str
    parse: Parse[object]
    default: object = REQUIRED

    def read(self, found: Mapping[str, object], key: str) -> object:
        """The value of this field in a mapping."""
        if key in found:
            return self.parse(found[key])
        if self.default is REQUIRED:
            raise Refused.because("is missing")
        return self.default


class Gathering:
    """Faults collected from parts. A part may fail without a fault of its own (`Refused`)."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        """Begin, perhaps with faults already found."""
        self.faults = list(faults)
        self.failed = bool(self.faults)

    @contextmanager
    def at(self, step: str | int) -> Iterator[None]:
        """Read the part called `step`; what it refuses is noted and not raised."""
        try:
            yield
        except Refused as refused:
            self.failed = True
            self.faults += (fault.below(step) for fault in refused.faults)

    def add(self, faults: Iterable[Fault]) -> None:
        """Note more faults."""
        self.faults += faults
        self.failed = self.failed or bool(self.faults)

    def settle(self) -> None:
        """Refuse everything when any part failed."""
        if self.failed:
            raise Refused(*self.faults)


def record(
    build: Callable[..., T],
    fields: Mapping[str, Field],
    *checks: Check[T],
    closed: bool = True,
) -> Parse[T]:
    """A mapping with these keys, built into one value and checked as a whole.

    Where it is `closed`, other keys are faults; else they are ignored.
    """

    def parse(value: object) -> T:
        found = as_mapping(value)
        gathering = Gathering(_unknown_keys(found, fields) if closed else ())
        parts: dict[str, object] = {}
        for key, field in fields.items():
            with gathering.at(key):
                parts[field.into] = field.read(found, key)
        gathering.settle()
        built = build(**parts)
        gathering.add(fault for check in checks for fault in check(built))
        gathering.settle()
        return built

    return parse


def as_mapping(value: object) -> Mapping[str, object]:
    """The value, when it is a mapping; its keys may still be anything."""
    if not isinstance(value, dict):
        raise Refused.because(f"must be a mapping of keys, not {show(value)}")
    return value


def _unknown_keys(found: Mapping[str, object], fields: Iterable[str]) -> Iterator[Fault]:
    known = set(fields)
    for key in found:
        if key not in known:
            yield Fault(step_of(key), f"unknown key{suggest(key, known)}")


def step_of(key: object) -> str:
    """A key of the document's own as a step of a path."""
    return printable(key) if isinstance(key, str) and key else show(key)


def listing(item: Parse[T], *, least: int = 0, most: int) -> Parse[tuple[T, ...]]:
    """A list of so many items of one sort."""

    def parse(value: object) -> tuple[T, ...]:
        gathering = Gathering()
        parts: list[T] = []
        for index, one in enumerate(as_list(value, least=least, most=most)):
            with gathering.at(index):
                parts.append(item(one))
        gathering.settle()
        return tuple(parts)

    return parse


def as_list(value: object, *, least: int, most: int) -> list[object]:
    """The value, when it is a list of a fitting length."""
    if not isinstance(value, list | tuple):
        raise Refused.because(f"must be a list, not {show(value)}")
    if not least <= len(value) <= most:
        counts = f"{least} to {most}" if least else f"at most {most}"
        raise Refused.because(f"must have {counts} items, not {len(value)}")
    return list(value)


def kind_list(*, least: int = 1) -> Parse[int]:
    """A bit mask from a list of the contract's kinds."""
    names = listing(choice({name: name for name in KIND_NAMES}), least=least, most=len(KIND_NAMES))

    def parse(value: object) -> int:
        found = names(value)
        twice = [i for i, name in enumerate(found) if name in found[:i]]
        if twice:
            raise Refused(*(Fault(f"[{i}]", f"{show(found[i])} is named twice") for i in twice))
        return mask_of(KIND_OF[name] for name in found)

    return parse


def kinds_or_group(groups: Mapping[str, int | None], *, least: int = 1) -> Parse[int]:
    """A bit mask from a list of kinds or a group's name; `None` is a broken group."""
    kinds = kind_list(least=least)

    def parse(value: object) -> int:
        if not isinstance(value, str):
            return kinds(value)
        if value in KIND_OF:
            raise Refused.because(f"one kind is a list too: [{value}]")
        if value not in groups:
            raise Refused.because(f"{show(value)} is no group{spelt(value, groups)}")
        if (mask := groups[value]) is None:
            raise Refused  # its own fault is reported under `groups`
        return mask

    return parse
