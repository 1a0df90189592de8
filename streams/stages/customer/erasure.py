"""What remains of an erased customer: a keyed mark that says "do not disturb" to Decorum alone.

The mark is an HMAC (RFC 2104, SHA-256, first 128 bits) of the ledger's key under the secret
`DECORUM_SUPPRESSION_KEY`. Without the secret nobody can find out whose mark it is, even by trying
all identifiers. With it, Decorum recognises an erased customer whom somebody wants to contact.
A changed secret makes all marks useless, so it must never be rotated without notice.

The mark's value holds keyed fingerprints of the `erase` events, for the policy's `remember`: a
repeated `erase` must not delete what the customer did since the first one.
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
_FINGERPRINT: Final = 8


class _EraseEvents(msgspec.Struct):
    """The `erase` events of one customer, as `dedup` stores them."""

    seen: bytes


class Erasure:
    """Makes and finds the marks of erased customers; without a secret there are none."""

    def __init__(self, secret: bytes | None) -> None:
        self._secret = secret

    def mark(self, key: bytes) -> bytes | None:
        """The state key that marks this customer as erased; None without a secret."""
        if self._secret is None:
            return None
        return ERASED + hmac.digest(self._secret, key, "sha256")[:_DIGEST]

    def is_marked(self, key: bytes, state: State) -> bool:
        """Whether this customer was erased."""
        mark = self.mark(key)
        return mark is not None and mark in state

    def erased_ms(self, key: bytes, state: State) -> int:
        """When this customer was last erased; 0 for never."""
        mark = self.mark(key)
        return 0 if mark is None else last_ms(state.get(mark) or b"")

    def with_event(self, before: bytes, event: int, now_ms: int, remember_ms: int) -> bytes | None:
        """The mark's new value with this `erase` event; None for a repeat.

        `before`: the mark's value so far. `event`: the event's fingerprint.
        """
        events = _EraseEvents(before)
        forget_repeats(events, now_ms - remember_ms)
        keyed = hmac.digest(self._secret or b"", event.to_bytes(_FINGERPRINT, "big"), "sha256")
        known = int.from_bytes(keyed[:_FINGERPRINT], "big")
        if seen_before(events, known):
            return None
        remember(events, known, now_ms)
        return events.seen
