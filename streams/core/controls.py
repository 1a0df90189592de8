"""Operators' controls: pause, brake and resume, by scope.

Rules of this file: values in, values out. It does not know who may control what, nor what a
control does to a message; it says which one applies.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.kinds import KIND_NAMES
from streams.core.policy_faults import Refused
from streams.core.policy_reader import Field, record
from streams.core.policy_units import IDENTIFIER, choice, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.core.kinds import Kind
    from streams.core.policy_faults import Fault


class Action(IntEnum):
    """What a control does. Of several that apply, the one with the largest number wins."""

    RESUME = 0
    BRAKE = 1
    PAUSE = 2


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One operator's order, in force while `now_ms < until_ms`; without it, until `resume`."""

    action: Action
    scope: str
    by: str
    why: str
    until_ms: int | None = None


_SCOPE: Final = re.compile(
    rf"\*|{IDENTIFIER}"
    rf"|{IDENTIFIER}/(?:account|campaign)/{IDENTIFIER}"
    rf"|{IDENTIFIER}/kind/(?:{'|'.join(KIND_NAMES)})",
)
_SAYS: Final = "*, ENTERPRISE, or ENTERPRISE/account/NAME, /campaign/NAME or /kind/KIND"
# Any characters but controls: they stand in logs and on an operator's screen.
_PROSE: Final = re.compile(r"(?=.*\S)[^\x00-\x1f\x7f]{1,1024}")
_LATEST_MS: Final = 2**53 - 1

_parse: Final = record(
    Control,
    {
        "action": Field("action", choice({action.name.lower(): action for action in Action})),
        "scope": Field("scope", text(_SCOPE, _SAYS)),
        "by": Field("by", text(_PROSE, "1 to 1024 printable characters")),
        "why": Field("why", text(_PROSE, "1 to 1024 printable characters")),
        "until_ms": Field("until_ms", whole(1, _LATEST_MS), None),
    },
    # Later versions may add fields; what an older worker does not know it need not obey.
    closed=False,
)


def parse_control(data: object) -> Control | list[Fault]:
    """The order in the `data` of a `decorum.control.v1`, or all faults in it."""
    try:
        return _parse(data)
    except Refused as refused:
        return list(refused.faults)


class ControlBook:
    """The controls in force, one for each scope.

    Several may apply to one message, each by its own scope:

    ========================================  =================================================
    what stands                               what applies
    ========================================  =================================================
    a pause and a brake                       the pause, however narrow
    several pauses, or several brakes         the widest: `*`, enterprise, kind, campaign,
                                              account, in this order
    a second order for the same scope         the second; the first is forgotten
    `resume`                                  removes its own scope's order and no other's
    an order at or after its `until_ms`       nothing
    ========================================  =================================================
    """

    def __init__(self) -> None:
        self._by_scope: dict[str, Control] = {}

    def __len__(self) -> int:
        """How many scopes are under a control, expired ones included."""
        return len(self._by_scope)

    def accept(self, control: Control) -> None:
        """Take an order over; the last one for a scope counts."""
        if control.action is Action.RESUME:
            self._by_scope.pop(control.scope, None)
        else:
            self._by_scope[control.scope] = control

    def applies(
        self,
        enterprise: str,
        account: str,
        campaign: str | None,
        kind: Kind,
        now_ms: int,
    ) -> Control | None:
        """The order that a message is under at `now_ms`, if any."""
        if not self._by_scope:
            return None
        found: Control | None = None
        for scope in _scopes(enterprise, account, campaign, kind):
            control = self._by_scope.get(scope)
            if control is None or (control.until_ms is not None and now_ms >= control.until_ms):
                continue
            # Only more, not as much: of two equal orders the widest, met first, stays.
            if found is None or control.action > found.action:
                found = control
        return found


def _scopes(enterprise: str, account: str, campaign: str | None, kind: Kind) -> Iterator[str]:
    """Every scope a message is in, the widest first."""
    yield "*"
    yield enterprise
    yield f"{enterprise}/kind/{KIND_NAMES[kind]}"
    if campaign is not None:
        yield f"{enterprise}/campaign/{campaign}"
    yield f"{enterprise}/account/{account}"
