"""The seven kinds of message and the sets of them.

A set of kinds is a bit mask, so that asking "does this rule govern that kind" is one `and`.
Never renumber: the numbers stand in the ledgers that changelogs keep.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


class Kind(IntEnum):
    """What a message is; the contract's names in lower case."""

    DIRECT = 0
    BROADCAST = 1
    MOMENT = 2
    FRIEND_REQUEST = 3
    REPLY = 4
    TRANSACTIONAL = 5
    TRANSFER = 6


STAGED: Final = frozenset({Kind.BROADCAST, Kind.MOMENT})
"""Kinds that belong to a campaign, and are stopped with it."""

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
