"""A sweep: word to every partition of the customer stage that held intents must be looked at again.

Held intents are never polled. When something changes that holds them (a policy, an operator's
control, an account's status), whoever decided the change writes a sweep to every partition.
Rules of this file: an internal format; fields are only ever appended, with a default.
"""

from __future__ import annotations

import msgspec


class Sweep(msgspec.Struct, frozen=True, array_like=True):
    """Look again at what is held for this enterprise (None: all), account and campaign (None: all).

    `generation`: the rules must be known up to here first (`Rules.generation`). `from_ms`: not
    before then, UTC milliseconds. `status`: what the account became at `status_ms`, None if
    nothing; the newest word holds. `braked_until_ms`: the end of the account's brake as it stood
    at `braked_ms`, 0 for none, `FOREVER` for off, None if nothing is said of it. `killed`: the
    campaign was stopped for good. `waiting`: nobody but who waits is concerned. `after`: the last
    key that was visited, None at the beginning.
    """

    generation: int = 0
    from_ms: int = 0
    enterprise: str | None = None
    account: str | None = None
    status: str | None = None
    status_ms: int = 0
    braked_until_ms: int | None = None
    braked_ms: int = 0
    campaign: str | None = None
    killed: bool = False
    waiting: bool = False
    after: bytes | None = None


def scope_of(sweep: Sweep) -> bytes:
    """What is the same for all sweeps about the same ones."""
    parts = (sweep.enterprise, sweep.account, sweep.campaign, sweep.waiting)
    return msgspec.msgpack.encode(parts)


encode_sweep = msgspec.msgpack.Encoder().encode
decode_sweep = msgspec.msgpack.Decoder(Sweep).decode
