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
    from streams.events.internal import BrakeSweep, CampaignSweep, StatusSweep, Sweep
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


def store_status(state: State, sweep: StatusSweep) -> bool:
    """Store an account's status, unless a newer one is known.

    Returns whether a held request may now have another answer.
    """
    known = _stored(state, sweep)
    before = _barring(known.status)
    if supersedes(sweep.status, sweep.status_ms, known.status, known.at_ms):
        known.at_ms, known.status = sweep.status_ms, sweep.status
    state.put(_key_of(sweep), _encode(known))
    return _barring(known.status) != before


def store_brake(state: State, sweep: BrakeSweep) -> bool:
    """Store an account's brake, unless a newer one is known.

    Returns whether a held request may now have another answer: a released brake lets it go, a new
    brake changes nothing before the request is due.
    """
    known = _stored(state, sweep)
    was_braked = bool(known.braked_until_ms)
    if known.braked_ms <= sweep.braked_ms:
        known.braked_ms, known.braked_until_ms = sweep.braked_ms, sweep.braked_until_ms
    state.put(_key_of(sweep), _encode(known))
    return was_braked and not known.braked_until_ms


def is_news(state: State, sweep: StatusSweep) -> bool:
    """Whether a sweep's account status is newer, or stricter, than the known one."""
    known = _stored(state, sweep)
    return supersedes(sweep.status, sweep.status_ms, known.status, known.at_ms)


def _stored(state: State, sweep: Sweep) -> _AccountStatus:
    """A copy of what is known of the sweep's account."""
    value = state.get(_key_of(sweep))
    return _AccountStatus() if value is None else _decode(value)


def _key_of(sweep: Sweep) -> bytes:
    return _key(sweep.enterprise or "", sweep.account or "")


def _barring(status: str | None) -> str | None:
    """The status if the account may not send under it; else None."""
    return status if status in {RESIGNED, SUSPENDED} else None


def _key(enterprise: str, account: str) -> bytes:
    return STATUS + f"{enterprise}/{account}".encode()


def store_campaign(state: State, sweep: CampaignSweep) -> bool:
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
