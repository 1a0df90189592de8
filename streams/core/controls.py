"""Operators' controls: pause, brake and resume, by scope.

Rules of this file: values in, values out. It says which control applies, not who may issue it, nor
what it does to a message.
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
    """What a control does. Of several that apply, the largest number wins."""

    RESUME = 0
    BRAKE = 1
    PAUSE = 2


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's control, in force while `now_ms < until_ms`; without it, until `resume`."""

    action: Action
    scope: str
    by: str
    why: str
    until_ms: int | None = None


class ControlBook:
    """The controls in force, one for each scope.

    Several may apply to one message, each by its own scope:

    ========================================  =================================================
    in force                                  what applies
    ========================================  =================================================
    a pause and a brake                       the pause, however narrow
    several pauses, or several brakes         the one that ends last; one without an end is last
    several that end together                 the widest: `*`, enterprise, kind, campaign,
                                              account, in this order
    a second control for the same scope       the second; it replaces the first
    `resume`                                  removes its own scope's control and no other
    a control at or after its `until_ms`      nothing
    ========================================  =================================================
    """

    def __init__(self) -> None:
        self._by_scope: dict[str, Control] = {}

    def __len__(self) -> int:
        """The number of controls, with expired ones."""
        return len(self._by_scope)

    def accept(self, control: Control) -> None:
        """Add a control; the last one for a scope counts."""
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
        """The control that applies to a message at `now_ms`, if any."""
        if not self._by_scope:
            return None
        found: Control | None = None
        for scope in _scopes(enterprise, account, campaign, kind):
            control = self._by_scope.get(scope)
            if control is None or (control.until_ms is not None and now_ms >= control.until_ms):
                continue
            # `>`, not `>=`: of two equal controls the widest stays, which comes first.
            if found is None or _weight(control) > _weight(found):
                found = control
        return found


def _weight(control: Control) -> tuple[int, bool, int]:
    return control.action, control.until_ms is None, control.until_ms or 0


def _scopes(enterprise: str, account: str, campaign: str | None, kind: Kind) -> Iterator[str]:
    """All scopes that contain a message, the widest first."""
    yield "*"
    yield enterprise
    yield f"{enterprise}/kind/{KIND_NAMES[kind]}"
    if campaign is not None:
        yield f"{enterprise}/campaign/{campaign}"
    yield f"{enterprise}/account/{account}"
