"""A target of fuzzing: what is thrown at it, and what must hold whatever that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy


class Target(NamedTuple):
    """`check` raises when a value breaks what must hold."""

    name: str
    values: SearchStrategy[Any]
    check: Callable[[Any], None]
