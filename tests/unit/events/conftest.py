"""The published schemas, for tests of what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.published import VALIDATORS, event_schemas

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def schemas() -> dict[str, Any]:
    """Every event schema by its name, `policy` aside, which is no event's."""
    return event_schemas()


@pytest.fixture(scope="session")
def is_valid() -> Callable[[str, Any], bool]:
    """Whether a value satisfies the schema of that name."""
    return lambda name, value: VALIDATORS[name].is_valid(value)
