"""Operators' controls: pause, brake and resume, by scope.

Rules of this file: values in, values out. It does not know who may control what, nor what a
control does to a message; it says which one applies.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import msgspec

from streams.core.kinds import KIND_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.core.kinds import Kind


class Action(IntEnum):
    """What a control does. Of several that apply, those with the largest number win."""

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


class ControlBook:
    """The controls in force, one for each scope.

    Several may apply to one message, each by its own scope:

    ========================================  =================================================
    what stands                               what applies
    ========================================  =================================================
    a pause and a brake                       the pause, however narrow
    several pauses, or several brakes         the one that ends last; one without an end is last
    several that end together                 the widest: `*`, enterprise, kind, campaign,
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
            if found is None or _weight(control) > _weight(found):
                found = control
        return found


def _weight(control: Control) -> tuple[int, bool, int]:
    return control.action, control.until_ms is None, control.until_ms or 0


def _scopes(enterprise: str, account: str, campaign: str | None, kind: Kind) -> Iterator[str]:
    """Every scope a message is in, the widest first."""
    yield "*"
    yield enterprise
    yield f"{enterprise}/kind/{KIND_NAMES[kind]}"
    if campaign is not None:
        yield f"{enterprise}/campaign/{campaign}"
    yield f"{enterprise}/account/{account}"
