"""In which order everything that is stored or sent between stages keeps its fields.

Such values are arrays: a field is known by its place alone. Two fields of one type that change
places are read without an error, and every number in them is wrong; a dump shows that only where
its story happens to depend on the number.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

import streams
from tests.properties.golden.story import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OF_THE_MOMENT: Final = {"streams.runtime.assignor"}
"""Spoken among workers that run now, and never kept: workers of two versions do not mix there."""

Layout = dict[str, list[str]]
"""By class: what an array begins with, and then its fields; or an enumeration's values."""


def layout_path(version: str) -> Path:
    """Where a version's layout is kept."""
    return HERE / f"layout-{version}.json"


def encode(layout: Layout) -> bytes:
    """As it is kept, for people to compare as well."""
    return orjson.dumps(layout, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def layout() -> Layout:
    """Of this version."""
    found: Layout = {}
    for cls in _classes():
        name = f"{cls.__module__}.{cls.__qualname__}"
        if issubclass(cls, enum.Enum):
            found[name] = [f"{member.name} = {member.value!r}" for member in cls]
        elif cls.__struct_config__.array_like:
            found[name] = [f"tag {cls.__struct_config__.tag!r}", *_fields(cls)]
    return found


def _fields(cls: type[msgspec.Struct]) -> list[str]:
    types: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        types |= inspect.get_annotations(base)
    return [f"{f.name}: {types.get(f.name, f.type)}" for f in msgspec.structs.fields(cls)]


def _classes() -> Iterator[Any]:
    for module in pkgutil.walk_packages(streams.__path__, "streams."):
        if module.name in OF_THE_MOMENT or module.name.endswith("__main__"):
            continue
        for cls in vars(importlib.import_module(module.name)).values():
            here = inspect.isclass(cls) and cls.__module__ == module.name
            if here and issubclass(cls, msgspec.Struct | enum.Enum):
                yield cls
