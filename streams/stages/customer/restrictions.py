"""The restrictions that a partition of the customer stage decides under.

Operators' pauses come with the rules that every worker follows. Accounts' statuses and brakes, and
killed campaigns, stand in the partition's own state, where sweeps have put them.

Rules of this file: bytes to and from the state; the core says what a restriction does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.controls import Action
from streams.core.customer.case import RESIGNED, SUSPENDED, UNRESTRICTED, Restrictions, supersedes
from streams.core.kinds import Kind
from streams.stages.state_keys import KILLED, STATUS

if TYPE_CHECKING:
    from streams.core.controls import Control, ControlBook
    from streams.core.customer.request import Request
    from streams.events.internal import Sweep
    from streams.runtime.state import State


class _AccountStatus(msgspec.Struct, array_like=True):
    """The status and brake of an account, and since when each holds; 0 means never."""

    at_ms: int = 0
    status: str | None = None
    braked_ms: int = 0
    braked_until_ms: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_AccountStatus).decode
_UNKNOWN: Final = _AccountStatus()


def store_account_status(state: State, sweep: Sweep) -> bool:
    """Store the status and brake of a sweep's account, unless newer ones are known.

    Returns whether held requests may get other answers now. A brake that begins changes none before
    their time comes.
    """
    key = _key(sweep.enterprise or "", sweep.account or "")
    before = state.get(key)
    known = _AccountStatus() if before is None else _decode(before)
    was_barring, was_braked = _barring(known.status), bool(known.braked_until_ms)
    status, at_ms = sweep.status, sweep.status_ms
    if status is not None and supersedes(status, at_ms, known.status, known.at_ms):
        known.at_ms, known.status = at_ms, status
    if sweep.braked_until_ms is not None and known.braked_ms <= sweep.braked_ms:
        known.braked_ms, known.braked_until_ms = sweep.braked_ms, sweep.braked_until_ms
    state.put(key, _encode(known))
    is_braked = bool(known.braked_until_ms)
    return _barring(known.status) != was_barring or (was_braked and not is_braked)


def is_news(state: State, sweep: Sweep) -> bool:
    """Whether a sweep's account status is newer, or stricter, than the known one."""
    value = state.get(_key(sweep.enterprise or "", sweep.account or ""))
    known = _UNKNOWN if value is None else _decode(value)
    status = sweep.status
    return status is not None and supersedes(status, sweep.status_ms, known.status, known.at_ms)


def _barring(status: str | None) -> str | None:
    """The status if the account may not send under it; else None."""
    return status if status in {RESIGNED, SUSPENDED} else None


def _key(enterprise: str, account: str) -> bytes:
    return STATUS + f"{enterprise}/{account}".encode()


def store_campaign(state: State, sweep: Sweep) -> bool:
    """Store that a campaign was killed, or delete that when the campaign is forgotten.

    Returns whether held requests may get other answers now.
    """
    key = _campaign_key(sweep.enterprise or "", sweep.campaign or "")
    if not sweep.killed:
        state.delete(key)
        return False
    is_news = key not in state
    state.put(key, b"1")
    return is_news


def _campaign_key(enterprise: str, campaign: str) -> bytes:
    return KILLED + f"{enterprise}/{campaign}".encode()


class PartitionRestrictions:
    """`RestrictionSource` for the customers of one enterprise in one partition."""

    __slots__ = ("_controls", "_enterprise", "_state")

    def __init__(self, controls: ControlBook, state: State, enterprise: str) -> None:
        self._controls = controls
        self._state = state
        self._enterprise = enterprise

    def of(self, request: Request, now_ms: int) -> Restrictions:
        """What restricts this request."""
        pause = self._pause(request, now_ms)
        account = self._account_status(request.account_id)
        taker = (
            _UNKNOWN
            if request.to_account_id is None
            else self._account_status(request.to_account_id)
        )
        killed = self._is_killed(request)
        if pause is None and account is _UNKNOWN and taker is _UNKNOWN and not killed:
            return UNRESTRICTED
        return Restrictions(pause, account.status, taker.status, account.braked_until_ms, killed)

    def _is_killed(self, request: Request) -> bool:
        campaign = request.campaign_id
        return campaign is not None and _campaign_key(self._enterprise, campaign) in self._state

    def _pause(self, request: Request, now_ms: int) -> Control | None:
        if not self._controls:
            return None
        control = self._controls.applies(
            self._enterprise, request.account_id, request.campaign_id, Kind(request.kind), now_ms
        )
        return control if control is not None and control.action is Action.PAUSE else None

    def _account_status(self, account: str) -> _AccountStatus:
        value = self._state.get(_key(self._enterprise, account))
        return _UNKNOWN if value is None else _decode(value)
