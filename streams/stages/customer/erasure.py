"""What stays of a customer who is forgotten: a keyed mark that says "do not disturb", to us alone.

The mark is an HMAC (RFC 2104, SHA-256, first 128 bits) of the ledger's key under the secret
`DECORUM_SUPPRESSION_KEY`. Without the secret nobody can tell whose mark it is, even by trying all
identifiers; with it, the engine knows a forgotten customer when somebody wants to contact them.
A changed secret forgets the marks, so it is never rotated silently.
Under the mark stand the prints of the `erase` events that made it, keyed as well, for `remember`: a
retry must not take away what the customer has said since.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.dedup import forget_repeats, last_ms, remember, seen_before
from streams.stages.state_keys import ERASED

if TYPE_CHECKING:
    from streams.runtime.state import State

_DIGEST: Final = 16
_PRINT: Final = 8


class _Told(msgspec.Struct):
    """The erasures told of one customer: a row of repeats."""

    seen: bytes


class Erasure:
    """Makes and finds the marks of forgotten customers; without a secret there are none."""

    def __init__(self, secret: bytes | None) -> None:
        self._secret = secret

    def mark(self, key: bytes) -> bytes | None:
        """The state key that marks this customer as forgotten; None without a secret."""
        if self._secret is None:
            return None
        return ERASED + hmac.digest(self._secret, key, "sha256")[:_DIGEST]

    def is_marked(self, key: bytes, state: State) -> bool:
        """Whether this customer was forgotten."""
        mark = self.mark(key)
        return mark is not None and mark in state

    def erased_ms(self, key: bytes, state: State) -> int:
        """When this customer was forgotten last; 0 for never."""
        mark = self.mark(key)
        return 0 if mark is None else last_ms(state.get(mark) or b"")

    def told(self, before: bytes, event: int, now_ms: int, remember_ms: int) -> bytes | None:
        """What stands under a mark once this `erase`, by its fingerprint, is told; None for a
        repeat. `before`: what stood there.
        """
        told = _Told(before)
        forget_repeats(told, now_ms - remember_ms)
        keyed = hmac.digest(self._secret or b"", event.to_bytes(_PRINT, "big"), "sha256")
        known = int.from_bytes(keyed[:_PRINT], "big")
        if seen_before(told, known):
            return None
        remember(told, known, now_ms)
        return told.seen
