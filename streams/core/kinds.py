"""The seven kinds of message, sets of them, and an intent's highest priority.

A set of kinds is a bit mask, so that "does this rule bind that kind" is one `and`. Rules of this
file: the contract's names and numbers. Never renumber: stored ledgers contain the numbers.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


class Kind(IntEnum):
    """The kind of a message; in lower case it is the contract's name."""

    DIRECT = 0
    BROADCAST = 1
    MOMENT = 2
    FRIEND_REQUEST = 3
    REPLY = 4
    TRANSACTIONAL = 5
    TRANSFER = 6


STAGED: Final = frozenset({Kind.BROADCAST, Kind.MOMENT})
"""Kinds that go by a campaign's steps, and stop with it."""

MAKES_RELATION: Final = frozenset({Kind.FRIEND_REQUEST, Kind.TRANSFER})
"""Kinds that may make a relation: each permit takes one from the ceilings."""

KIND_NAMES: Final = tuple(kind.name.lower() for kind in Kind)
KIND_OF: Final = {name: Kind(number) for number, name in enumerate(KIND_NAMES)}
MOST_URGENT: Final = 100
"""The highest priority of an intent; the contract allows 0 to 100."""

ALL_KINDS: Final = (1 << len(KIND_NAMES)) - 1


def mask_of(kinds: Iterable[Kind]) -> int:
    """The bit mask of a set of kinds."""
    mask = 0
    for kind in kinds:
        mask |= 1 << kind
    return mask


def names_in(mask: int) -> list[str]:
    """The contract's names of the kinds in a mask, in the contract's order."""
    return [name for number, name in enumerate(KIND_NAMES) if mask >> number & 1]
