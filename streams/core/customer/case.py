"""What a decision looks at: the request, the ledger, the rules, and the restrictions in force.

Restrictions come from outside the ledger: operators' pauses, the account's status and brake, and a
campaign that was killed. Rules of this file: values only; storage is the caller's job.
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
"""The contract's account statuses; under the last two an account may not send."""

_STRICTNESS: Final = {None: 0, ACTIVE: 1, REINSTATED: 2, SUSPENDED: 3, RESIGNED: 4}


def supersedes(status: str, at_ms: int, known: str | None, known_ms: int) -> bool:
    """Whether a status replaces the known one: a newer one does.

    Of two of the same millisecond the stricter one counts, in whichever order they come.
    """
    return (at_ms, _STRICTNESS[status]) > (known_ms, _STRICTNESS[known])


class Restrictions(msgspec.Struct, frozen=True, gc=False):
    """What restricts one request. `pause`: an operator's. `taker_status`: of a transfer's taker.

    `braked_until_ms`: the end of the account's brake; `FOREVER` for an account that is off, 0 for
    no brake. `killed`: the request's campaign was stopped for good.
    """

    pause: Control | None = None
    status: str | None = None
    taker_status: str | None = None
    braked_until_ms: int = 0
    killed: bool = False


UNRESTRICTED: Final = Restrictions()


class DecisionInput(msgspec.Struct, frozen=True, gc=False):
    """One request at one moment. `relationship`: between the customer and the request's account."""

    ledger: Ledger
    relationship: Relationship
    request: Request
    customer: str
    rules: KindRules
    now_ms: int
    restrictions: Restrictions = UNRESTRICTED


def stopped_until_ms(rules: KindRules, braked_until_ms: int, now_ms: int) -> int:
    """When a braked account may send this kind again; 0: now.

    A brake stops the kinds that the policy's `brake` lists. An account that is off (`FOREVER`)
    stops all kinds that disturb, whatever the policy lists.
    """
    is_stopped = rules.disturbs if braked_until_ms == FOREVER else rules.braked
    return braked_until_ms if is_stopped and braked_until_ms > now_ms else 0


class RestrictionSource(Protocol):
    """Knows the restrictions in force."""

    def of(self, request: Request, now_ms: int) -> Restrictions:
        """What restricts this request; `UNRESTRICTED` if nothing does."""


class NoRestrictions:
    """No request is restricted."""

    def of(self, request: Request, now_ms: int) -> Restrictions:  # noqa: ARG002 (the protocol's)
        """Always `UNRESTRICTED`."""
        return UNRESTRICTED
