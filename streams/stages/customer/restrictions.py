"""The orders that a partition of the customer stage decides under.

Operators' pauses come with the rules that every worker follows; accounts' statuses and brakes stand
in the partition's own state, where sweeps have put them.
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
    """What is known of an account here, and since when it was so."""

    at_ms: int = 0
    status: str | None = None
    braked_ms: int = 0
    braked_until_ms: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_AccountStatus).decode
_UNKNOWN: Final = _AccountStatus()


def store_account_status(state: State, sweep: Sweep) -> bool:
    """Keep what a sweep says of its account's status and brake, unless a newer word is known.

    Whether anything that is held may have another answer now. A brake that is put on changes none
    before its time comes.
    """
    key = _key(sweep.enterprise or "", sweep.account or "")
    before = state.get(key)
    known = _AccountStatus() if before is None else _decode(before)
    standing = _is_stricter(known.status), bool(known.braked_until_ms)
    status, at_ms = sweep.status, sweep.status_ms
    if status is not None and supersedes(status, at_ms, known.status, known.at_ms):
        known.at_ms, known.status = at_ms, status
    if sweep.braked_until_ms is not None and known.braked_ms <= sweep.braked_ms:
        known.braked_ms, known.braked_until_ms = sweep.braked_ms, sweep.braked_until_ms
    state.put(key, _encode(known))
    barred, braked = _is_stricter(known.status), bool(known.braked_until_ms)
    return barred != standing[0] or (standing[1] and not braked)


def is_news(state: State, sweep: Sweep) -> bool:
    """Whether a word on an account's status says more than is known of it here."""
    value = state.get(_key(sweep.enterprise or "", sweep.account or ""))
    known = _UNKNOWN if value is None else _decode(value)
    status = sweep.status
    return status is not None and supersedes(status, sweep.status_ms, known.status, known.at_ms)


def _is_stricter(status: str | None) -> str | None:
    """The status, where an account may not send under it; all others are one."""
    return status if status in {RESIGNED, SUSPENDED} else None


def _key(enterprise: str, account: str) -> bytes:
    return STATUS + f"{enterprise}/{account}".encode()


def store_campaign(state: State, sweep: Sweep) -> bool:
    """Keep in mind which campaigns were stopped for good, until they are forgotten.

    Whether anything that is held may have another answer now: what is forgotten holds nobody.
    """
    key = _campaign_key(sweep.enterprise or "", sweep.campaign or "")
    if not sweep.killed:
        state.delete(key)
        return False
    stopped = key not in state
    state.put(key, b"1")
    return stopped


def _campaign_key(enterprise: str, campaign: str) -> bytes:
    return KILLED + f"{enterprise}/{campaign}".encode()


class PartitionRestrictions:
    """`Orders` for the customers of one enterprise in one partition."""

    __slots__ = ("_controls", "_enterprise", "_state")

    def __init__(self, controls: ControlBook, state: State, enterprise: str) -> None:
        self._controls = controls
        self._state = state
        self._enterprise = enterprise

    def of(self, request: Request, now_ms: int) -> Restrictions:
        """What bears on this ask."""
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
