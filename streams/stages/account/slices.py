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


class Slices:
    """The slices of one account's queue: those that are stored, and those that a batch adds.

    `seq` is a slice's number in its account, `left` how many customers wait in it.
    """

    __slots__ = ("_fresh", "_key", "_store")

    def __init__(self, key: bytes, store: State) -> None:
        """`key`: the account's. `store`: the partition's state."""
        self._key, self._store = key, store
        self._fresh: dict[int, tuple[QueuedSlice, list[str]]] = {}

    def add(self, seq: int, slice_: QueuedSlice, customers: list[str]) -> None:
        """Add a slice, which is stored at the batch's end, if customers still wait in it."""
        self._fresh[seq] = slice_, customers

    def read(self, seq: int) -> QueuedSlice:
        """What the customers of a slice have in common."""
        fresh = self._fresh.get(seq)
        if fresh is not None:
            return fresh[0]
        return _decode_slice(self._store.get(_slice_key(self._key, seq)) or b"")

    def names(self, seq: int, left: int) -> list[str]:
        """The customers who wait in a slice."""
        fresh = self._fresh.get(seq)
        if fresh is not None:
            return list(fresh[1])
        return [name for _, some in self._parts(seq, left) for name in some]

    def first(self, seq: int) -> str:
        """The customer who is the next to go."""
        fresh = self._fresh.get(seq)
        if fresh is not None:
            return fresh[1][0]
        _, some = next(self._parts(seq, 1))
        return some[0]

    def take(self, seq: int, left: int, count: int, may: Callable[[str], bool] | None) -> list[str]:
        """Take out the first `count` customers; `may`: and only up to the first who may not go."""
        fresh = self._fresh.get(seq)
        if fresh is not None:
            taken = _up_to(fresh[1][:count], may)
            del fresh[1][: len(taken)]
            return taken
        taken = []
        for part, some in self._parts(seq, left):
            chosen = _up_to(some[: count - len(taken)], may)
            taken += chosen
            self._put(part, some[len(chosen) :])
            if len(chosen) < len(some):
                break
        return taken

    def withdraw(self, seq: int, left: int, customers: Collection[str]) -> int:
        """Take certain customers out of a stored slice; how many of them waited there."""
        if seq in self._fresh:
            return 0
        found = 0
        for part, some in list(self._parts(seq, left)):
            kept = [name for name in some if name not in customers]
            if len(kept) < len(some):
                found += len(some) - len(kept)
                self._put(part, kept)
        return found

    def forget(self, seq: int) -> None:
        """Forget a slice in which nobody waits any more."""
        if self._fresh.pop(seq, None) is None:
            self._store.delete(_slice_key(self._key, seq))

    def store(self) -> None:
        """Write the slices that the batch added."""
        for seq, (slice_, customers) in self._fresh.items():
            self._store.put(_slice_key(self._key, seq), _encode(slice_))
            for part, first in enumerate(range(0, len(customers), NAMES_MOST)):
                names = customers[first : first + NAMES_MOST]
                self._store.put(_names_key(self._key, seq, part), _encode(names))
        self._fresh.clear()

    def _parts(self, seq: int, left: int) -> Iterator[tuple[bytes, list[str]]]:
        """The keys with names, and these, until all who wait are found."""
        for part in range(_PARTS):
            if left <= 0:
                return
            key = _names_key(self._key, seq, part)
            value = self._store.get(key)
            if value is not None:
                some = _decode_names(value)
                left -= len(some)
                yield key, some

    def _put(self, key: bytes, names: list[str]) -> None:
        if names:
            self._store.put(key, _encode(names))
        else:
            self._store.delete(key)


def _up_to(names: list[str], may: Callable[[str], bool] | None) -> list[str]:
    """The first ones, up to the first who may not go."""
    return names if may is None else list(takewhile(may, names))


def _slice_key(account: bytes, seq: int) -> bytes:
    return SLICE + account + b"/" + seq.to_bytes(_SEQ, "big")


def _names_key(account: bytes, seq: int, part: int) -> bytes:
    entry = seq.to_bytes(_SEQ, "big") + part.to_bytes(_PART, "big")
    return NAMES + account + b"/" + entry


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
        yield (
            account,
            seq,
            _decode_slice(state.get(_slice_key(account, seq)) or b""),
            waiting[entry],
        )
