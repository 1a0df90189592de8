"""What admission looks at, an account, its queue and one entry of it at one moment; what it says.

Rules of this file: values only. `permits` moves a queue's pace and its permits, the stage the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.core.customer.request import Verdict

if TYPE_CHECKING:
    from streams.core.account.rules import AccountRules
    from streams.core.account.state import AccountState
    from streams.core.account.turns import Entry
    from streams.core.campaign_state import CampaignRelease
    from streams.core.controls import Control
    from streams.core.customer.rules import KindRules
    from streams.core.enterprise import EnterpriseTotals
    from streams.core.reasons import Outcome, Reason


class QueueState(msgspec.Struct, array_like=True):
    """What is stored of an account's queue beside its slices. Times are UTC ms, 0 for none.

    `tat_us`: GCRA's theoretical arrival time, `braked_tat_us`: the one of what an operator's brake
    slows. `next_seq`: the number of the next slice. `wake_ms`, `review_ms`, `expiry_ms`: the timers
    that are set.
    `published_capacity`: the free relations that the enterprise knows of; `previous_capacity`: the
    ones it knew of before `capacity_ms`. `published_adds`: the open friend requests it knows of.
    `braked_until_ms`: the end of the brake as the customers' partitions know it. `grade`,
    `published_limits`: the grade and a checksum of the limits as they were last published.
    `unpublished`: the slices of which the customer stage does not know yet that they wait.
    Cut off, to be ended before anything goes on, are all slices below `cut_below`, and those of
    `cut_campaigns`. `under_way`: by kind, the permits for an add or a relation that are at the
    customer stage and may come back.
    """

    tat_us: int = 0
    next_seq: int = 1
    wake_ms: int = 0
    review_ms: int = 0
    expiry_ms: int = 0
    published_capacity: int = 0
    braked_until_ms: int = 0
    grade: str = ""
    published_limits: int = 0
    braked_tat_us: int = 0
    unpublished: list[int] = []
    cut_below: int = 0
    cut_campaigns: list[str] = []
    under_way: dict[int, int] = {}
    previous_capacity: int = 0
    capacity_ms: int = 0
    published_adds: int = 0


class AccountInput(msgspec.Struct, frozen=True, gc=False):
    """One account at one moment: what every entry of its queue depends on.

    `interval_us`: the time from one message to the next at the account's own pace, as its rate was
    when the batch met it; None: at a rate of 0 nothing goes.
    """

    state: AccountState
    queue: QueueState
    rules: AccountRules
    interval_us: int | None
    now_ms: int


class AdmissionInput(msgspec.Struct, frozen=True, gc=False):
    """One entry of an account's queue, and all that decides on it at one moment.

    `rules`: those of its kind. `release`: its campaign's, None without a campaign. `brake`: the
    operator's `brake` that it is under. `totals`: of all accounts of the enterprise.
    """

    entry: Entry
    account: AccountInput
    rules: KindRules
    release: CampaignRelease | None
    brake: Control | None
    totals: EnterpriseTotals


# --- what admission says -------------------------------------------------------------------------


class Blocked(msgspec.Struct, frozen=True, gc=False):
    """Why an entry may not go on now, and when that may be over; None: when news of it comes.

    `soon`: permits that others hold are under way, and may come back in some milliseconds.
    """

    reason: Reason
    until_ms: int | None
    soon: bool = False


def denial(outcome: Outcome, reason: Reason, **parts: object) -> Verdict:
    """A denial by the account stage; `parts`: further fields of `Verdict`."""
    return Verdict(outcome, reason, stage="account", **parts)  # type: ignore[arg-type]
