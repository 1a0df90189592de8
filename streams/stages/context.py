"""The terms in which the account stage speaks of an account's queue. Values only."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from streams.core.customer.request import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.account.rules import AccountRules
    from streams.core.controls import ControlBook
    from streams.core.customer.rules import KindRules
    from streams.core.policy import Policy
    from streams.core.reasons import Outcome, Reason
    from streams.stages.account.slices import QueuedSlice


class BatchRules(NamedTuple):
    """What an enterprise is under in this batch."""

    policy: Policy
    kind_rules: Sequence[KindRules]
    account: AccountRules
    controls: ControlBook


class Blocked(msgspec.Struct, frozen=True, gc=False):
    """Why a place may not go on, and when that may be over; None: when news of it comes.

    `soon`: leave that others were given is on its way, and may come back in some milliseconds.
    """

    reason: Reason
    until_ms: int | None
    soon: bool = False


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """Customers of a slice that go on, with the account's leave or its refusal.

    `ticket`: that they waited under, if the customer stage knows of it.
    """

    slice_: QueuedSlice
    customers: list[str]
    ticket: int
    permit_ms: int = 0
    denial: Verdict | None = None


def denial(outcome: Outcome, reason: Reason, **parts: object) -> Verdict:
    """A no of the account stage's."""
    return Verdict(outcome, reason, stage="account", **parts)  # type: ignore[arg-type]
