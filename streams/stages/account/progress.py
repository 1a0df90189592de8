"""How far an intent has come whose customers are more than one batch can pass on.

It stands in the state, in the transaction with those who went on, while the checkpoint stands
before the intent: so the same record comes again, after a crash as well, and goes on where it
stood. There is one at most, for the intents' topic is read in its order.
Rules of this file: bytes in and out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.stages.state_keys import PROGRESS

if TYPE_CHECKING:
    from streams.runtime.records import Record
    from streams.runtime.state import State


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """Of the intent at `offset`, accepted at `accepted_ms`, the first `done` customers are done."""

    offset: int
    accepted_ms: int
    done: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Progress).decode


def progress_of(record: Record, state: State, now_ms: int) -> Progress:
    """Where an intent stands: at its beginning, if it is not the one that was left unfinished."""
    value = state.get(PROGRESS)
    left = None if value is None else _decode(value)
    if left is not None and left.offset == record.offset:
        return left
    return Progress(record.offset, now_ms)


def finish(state: State) -> None:
    """All of an intent is done."""
    state.delete(PROGRESS)


def keep(before: Progress, count: int, state: State) -> None:
    """So many more are done, and the intent is to come again."""
    state.put(PROGRESS, _encode(msgspec.structs.replace(before, done=before.done + count)))
    state.budget.unfinished = True
