"""The balance of intents, in durable counts: what was accepted must be settled or held.

Each partition keeps its own counts in its state, so that they move, crash and recover with it. The
stages add to them once a batch; the metric `unbalanced` is computed from their sums over all
partitions. What waits in an account's queue counts as held, because its customer's ledger holds it.

Rules of this file: counts in and out of the state; the stages count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.stages.state_keys import BALANCE

if TYPE_CHECKING:
    from streams.runtime.state import State


class Balance(msgspec.Struct, array_like=True):
    """Intents times customers: accepted (account stage), settled and held (customer stage).

    `queued`: how many of the held ones wait in their accounts' queues. `published_ms`, `published`:
    the partition's latest time, and how many decisions carry it.
    """

    accepted: int = 0
    settled: int = 0
    held: int = 0
    queued: int = 0
    published_ms: int = 0
    published: int = 0


_decode = msgspec.msgpack.Decoder(Balance).decode


def balance_of(state: State) -> Balance:
    """The partition's counts."""
    value = state.get(BALANCE)
    return Balance() if value is None else _decode(value)


def add(state: State, accepted: int) -> None:
    """Add what one batch of the account stage accepted."""
    if accepted:
        balance = balance_of(state)
        balance.accepted += accepted
        store(state, balance)


def store(state: State, balance: Balance) -> None:
    """Store these counts, if they have changed."""
    if balance != balance_of(state):
        state.put(BALANCE, msgspec.msgpack.encode(balance))
