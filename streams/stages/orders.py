"""The orders that a partition of the customer stage decides under.

Operators' pauses come with the rules that every worker follows; accounts' statuses stand in the
partition's own state, where sweeps have put them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.controls import Action
from streams.core.kinds import Kind
from streams.core.orders import NO_ORDER, Order

if TYPE_CHECKING:
    from streams.core.ask import Ask
    from streams.core.controls import Control, ControlBook
    from streams.events.sweeps import Sweep
    from streams.lane.state import State

_STATUS: Final = b"status/"
"""Before `enterprise/account`: a second `/`, which no customer's key has."""


def note_status(state: State, sweep: Sweep) -> None:
    """Keep what a sweep says of its account's status, unless a newer word is known."""
    key = _status_key(sweep.enterprise or "", sweep.account or "")
    before = state.get(key)
    if before is None or _decode(before).at_ms <= sweep.status_ms:
        state.put(key, _encode(_Status(sweep.status_ms, sweep.status or "")))


def _status_key(enterprise: str, account: str) -> bytes:
    return _STATUS + f"{enterprise}/{account}".encode()


class _Status(msgspec.Struct, array_like=True, frozen=True):
    at_ms: int
    status: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Status).decode


class PartitionOrders:
    """`Orders` for the customers of one enterprise in one partition."""

    __slots__ = ("_controls", "_enterprise", "_state")

    def __init__(self, controls: ControlBook, state: State, enterprise: str) -> None:
        self._controls = controls
        self._state = state
        self._enterprise = enterprise

    def on(self, ask: Ask, now_ms: int) -> Order:
        """What bears on this ask."""
        pause = self._pause(ask, now_ms)
        status = self._status(ask.account_id)
        taker = None if ask.to_account_id is None else self._status(ask.to_account_id)
        if pause is None and status is None and taker is None:
            return NO_ORDER
        return Order(pause, status, taker)

    def _pause(self, ask: Ask, now_ms: int) -> Control | None:
        if not self._controls:
            return None
        control = self._controls.applies(
            self._enterprise, ask.account_id, ask.campaign_id, Kind(ask.kind), now_ms
        )
        return control if control is not None and control.action is Action.PAUSE else None

    def _status(self, account: str) -> str | None:
        value = self._state.get(_status_key(self._enterprise, account))
        return None if value is None else _decode(value).status
