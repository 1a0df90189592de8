"""What stands above a customer's ledger: operators' pauses, and what an account may still do.

Rules of this file: values and the question for them; who keeps them is no matter of the core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from streams.core.controls import Control  # noqa: TC001 (msgspec may be asked for the field's type)
from streams.core.policy import FOREVER

if TYPE_CHECKING:
    from streams.core.customer.ledger import Ledger, Relationship
    from streams.core.customer.request import Request
    from streams.core.customer.rules import KindRules

ACTIVE: Final = "active"
REINSTATED: Final = "reinstated"
RESIGNED: Final = "resigned"
SUSPENDED: Final = "suspended"
"""The contract's account states; in the last two an account may not send."""

_STRICTNESS: Final = {None: 0, ACTIVE: 1, REINSTATED: 2, SUSPENDED: 3, RESIGNED: 4}


def supersedes(status: str, at_ms: int, known: str | None, known_ms: int) -> bool:
    """Whether a word on an account takes the place of the one that is known: a newer one does, and
    of two of the same millisecond the stricter, in whichever order they come.
    """
    return (at_ms, _STRICTNESS[status]) > (known_ms, _STRICTNESS[known])


class Restrictions(msgspec.Struct, frozen=True, gc=False):
    """What bears on one ask: a pause it is under, its account's status, and its taker's.

    `braked_until_ms`: the end of the account's brake, `FOREVER` for an account that is off, 0 for
    none. `pause` is an operator's. `killed`: its campaign was stopped for good.
    """

    pause: Control | None = None
    status: str | None = None
    taker_status: str | None = None
    braked_until_ms: int = 0
    killed: bool = False


UNRESTRICTED: Final = Restrictions()


class DecisionInput(msgspec.Struct, frozen=True, gc=False):
    """One ask of one customer's before the law at one moment. `pair` is the asking account's."""

    ledger: Ledger
    relationship: Relationship
    request: Request
    customer: str
    rules: KindRules
    now_ms: int
    restrictions: Restrictions = UNRESTRICTED


def stopped_until_ms(rules: KindRules, braked_until_ms: int, now_ms: int) -> int | None:
    """When an account that is braked, or off (`FOREVER`), may send this kind; 0: now, None: never.

    A pause stops the kinds of `brake`. Off is no section's affair: whatever the policy lists, what
    people can be bothered by waits, and what they are waiting for goes on.
    """
    if braked_until_ms == FOREVER:
        return None if rules.disturbs else 0
    return braked_until_ms if rules.braked and braked_until_ms > now_ms else 0


class RestrictionSource(Protocol):
    """Whoever knows the orders at this moment."""

    def of(self, request: Request, now_ms: int) -> Restrictions:
        """What bears on this ask; `NO_ORDER` for nothing."""


class NoRestrictions:
    """Nobody has ordered anything."""

    def of(self, request: Request, now_ms: int) -> Restrictions:  # noqa: ARG002 (the protocol's)
        """Nothing."""
        return UNRESTRICTED
