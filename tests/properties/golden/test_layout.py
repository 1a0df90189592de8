"""What earlier versions have stored keeps its places: fields and values are only ever appended.

If this fails for a version that is not released yet, `python -m tests.properties.golden` writes its
layout anew; for a released one the code is wrong, unless a class or a field has only got another
name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import msgspec
import orjson
import pytest

from streams import __version__
from tests.properties.golden.layout import layout, layout_path
from tests.properties.golden.story import HERE

if TYPE_CHECKING:
    from pathlib import Path

LAYOUTS = sorted(HERE.glob("layout-*.json"))


def test_this_version_has_a_layout_and_it_is_the_present_one() -> None:
    assert orjson.loads(layout_path(__version__).read_bytes()) == layout()


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: path.stem)
def test_what_was_stored_is_read_back_into_the_same_places(path: Path) -> None:
    now = layout()
    for name, places in orjson.loads(path.read_bytes()).items():
        assert now[name][: len(places)] == places, name


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: path.stem)
def test_what_was_appended_may_be_missing_in_what_was_stored(path: Path) -> None:
    for name, places in orjson.loads(path.read_bytes()).items():
        module, _, called = name.rpartition(".")
        cls = getattr(importlib.import_module(module), called)
        if issubclass(cls, msgspec.Struct):
            appended = msgspec.structs.fields(cls)[len(places) - 1 :]  # the tag has no field
            assert not [field.name for field in appended if field.required], name
