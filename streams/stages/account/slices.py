"""The slices of an account's queue in the state: what waits together, and who.

A slice's request stands under one key, and its customers under others, a few names each: so who
goes on or is taken out costs no more than their own names, and no name stays when its customer
waits no longer. Rules of this file: bytes in and out; the queue's order is `fair_queue`'s.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.customer.request import Request  # noqa: TC001 (msgspec reads what it decodes)
from streams.events.fields import MAX_CUSTOMERS
from streams.stages.state_keys import NAMES, SLICE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from streams.runtime.state import State

_SEQ: Final = 8
_PART: Final = 2

NAMES_MOST: Final = 50
"""Names under one key: as many as a campaign's turn lets go."""

_PARTS: Final = -(-MAX_CUSTOMERS // NAMES_MOST)


class QueuedSlice(msgspec.Struct, frozen=True, array_like=True):
    """What customers of one intent that wait together have in common.

    `is_held`: the customer stage holds the request and waits for a permit.
    """

    enterprise: str
    request: Request
    is_held: bool


_encode = msgspec.msgpack.Encoder().encode
_decode_slice = msgspec.msgpack.Decoder(QueuedSlice).decode
_decode_names = msgspec.msgpack.Decoder(list[str]).decode


def read(key: bytes, seq: int, state: State) -> QueuedSlice:
    """A stored slice of an account's."""
    return _decode_slice(state.get(_slice_key(key, seq)) or b"")


def write(key: bytes, seq: int, slice_: QueuedSlice, names: list[str], state: State) -> None:
    """Store a slice and the customers who wait in it."""
    state.put(_slice_key(key, seq), _encode(slice_))
    for part, first in enumerate(range(0, len(names), NAMES_MOST)):
        state.put(_names_key(key, seq, part), _encode(names[first : first + NAMES_MOST]))


def forget(key: bytes, seq: int, state: State) -> None:
    """Forget a slice in which nobody waits any more."""
    state.delete(_slice_key(key, seq))


def names(key: bytes, seq: int, left: int, state: State) -> list[str]:
    """Who waits in a slice; `left`: how many they are."""
    return [name for _, some in _parts(key, seq, left, state) for name in some]


def first(key: bytes, seq: int, state: State) -> str:
    """Who is the next to go."""
    _, some = next(_parts(key, seq, 1, state))
    return some[0]


def take(  # noqa: PLR0913, PLR0917 (who, out of what, and how many)
    key: bytes, seq: int, left: int, count: int, may: Callable[[str], bool] | None, state: State
) -> list[str]:
    """Take out the first `count` of those who wait; `may`: and only up to who may not go."""
    taken: list[str] = []
    for part, some in _parts(key, seq, left, state):
        chosen = up_to(some[: count - len(taken)], may)
        taken += chosen
        _put(part, some[len(chosen) :], state)
        if len(chosen) < len(some):
            break
    return taken


def up_to(names: list[str], may: Callable[[str], bool] | None) -> list[str]:
    """The first ones, up to who may not go."""
    return names if may is None else list(takewhile(may, names))


def take_out(key: bytes, seq: int, left: int, gone: Collection[str], state: State) -> int:
    """Take certain ones out; how many of them waited."""
    found = 0
    for part, some in list(_parts(key, seq, left, state)):
        kept = [name for name in some if name not in gone]
        if len(kept) < len(some):
            found += len(some) - len(kept)
            _put(part, kept, state)
    return found


def _parts(key: bytes, seq: int, left: int, state: State) -> Iterator[tuple[bytes, list[str]]]:
    """The keys with names, and these, until all who wait are found."""
    for part in range(_PARTS):
        if left <= 0:
            return
        entry = _names_key(key, seq, part)
        value = state.get(entry)
        if value is not None:
            some = _decode_names(value)
            left -= len(some)
            yield entry, some


def _put(entry: bytes, some: list[str], state: State) -> None:
    if some:
        state.put(entry, _encode(some))
    else:
        state.delete(entry)


def _slice_key(key: bytes, seq: int) -> bytes:
    return SLICE + key + b"/" + seq.to_bytes(_SEQ, "big")


def _names_key(key: bytes, seq: int, part: int) -> bytes:
    entry = seq.to_bytes(_SEQ, "big") + part.to_bytes(_PART, "big")
    return NAMES + key + b"/" + entry


def found(state: State) -> Iterator[tuple[bytes, int, QueuedSlice, int]]:
    """Every stored slice: its account, its number, itself, and how many wait in it; of one account
    in their order, which a compacted log has not.
    """
    waiting: dict[bytes, int] = {}
    for key in state:
        if key.startswith(NAMES):
            entry = key[len(NAMES) : -_PART]
            waiting[entry] = waiting.get(entry, 0) + len(_decode_names(state.get(key) or b""))
    for entry in sorted(waiting):
        seq = int.from_bytes(entry[-_SEQ:], "big")
        account = entry[: -_SEQ - 1]
        yield account, seq, read(account, seq, state), waiting[entry]
