"""What a decision looks at and what it says: the two values that pass through `decide`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.core.customer.case import UNRESTRICTED, Restrictions
from streams.core.reasons import Outcome, Reason

if TYPE_CHECKING:
    from streams.core.customer.ledger import Ledger, Relationship
    from streams.core.customer.request import Request
    from streams.core.customer.rules import KindRules


class DecisionInput(msgspec.Struct, frozen=True, gc=False):
    """One ask of one customer's before the law at one moment. `pair` is the asking account's."""

    ledger: Ledger
    relationship: Relationship
    request: Request
    customer: str
    rules: KindRules
    now_ms: int
    restrictions: Restrictions = UNRESTRICTED


class Verdict(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was decided; fields as in the contract's decision."""

    outcome: Outcome
    reason: Reason
    rule: str | None = None
    eligible_at_ms: int | None = None
    send_by_ms: int | None = None
    remaining: dict[str, int] | None = None
    wecom_errcode: int | None = None
    shadow: dict[str, str] | None = None
    stage: str = "customer"


def denial(
    reason: Reason,
    *,
    rule: str | None = None,
    eligible_at_ms: int | None = None,
    wecom_errcode: int | None = None,
) -> Verdict:
    """A denial."""
    return Verdict(
        Outcome.DENIED,
        reason,
        rule=rule,
        eligible_at_ms=eligible_at_ms,
        wecom_errcode=wecom_errcode,
    )
