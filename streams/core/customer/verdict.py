"""What a decision looks at and what it says: the two values that pass through `decide`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.core.customer.case import NO_ORDER, Order
from streams.core.reasons import Outcome, Reason

if TYPE_CHECKING:
    from streams.core.customer.ledger import Ledger, Pair
    from streams.core.customer.request import Ask
    from streams.core.customer.rules import Law


class Case(msgspec.Struct, frozen=True, gc=False):
    """One ask of one customer's before the law at one moment. `pair` is the asking account's."""

    ledger: Ledger
    pair: Pair
    ask: Ask
    customer: str
    law: Law
    now_ms: int
    order: Order = NO_ORDER


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


def no(
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
