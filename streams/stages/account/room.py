"""Room for one relation more: at the account, and in the whole enterprise.

Rules of this file: it asks the books and says no in WeCom's words (40099), with the room there is
elsewhere; it takes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.account import account as books
from streams.core.reasons import AT_CEILING, Outcome, Reason
from streams.stages.account.aggregates import TELL_EVERY_MS
from streams.stages.context import denial

if TYPE_CHECKING:
    from streams.core.customer.request import Verdict
    from streams.stages.account.aggregates import SharedTotals
    from streams.stages.account.store import StoredAccount
    from streams.stages.context import BatchRules


def no_room(
    account: StoredAccount, rules: BatchRules, words: SharedTotals, now_ms: int
) -> Verdict | None:
    """The refusal of a friend request where no relation can be added; None where one can."""
    allowed = _allowed(rules)
    if allowed is not None and words.enterprise(account.enterprise).claimed >= allowed:
        return full(Reason.ENTERPRISE_CEILING, account, rules, words, now_ms)
    if books.capacity(account.state, rules.account) == 0:
        return full(Reason.ACCOUNT_CEILING, account, rules, words, now_ms)
    return None


def full(
    reason: Reason, account: StoredAccount, rules: BatchRules, words: SharedTotals, now_ms: int
) -> Verdict:
    """A refusal for want of room, with what room is left here, elsewhere and in all."""
    word, allowed = words.enterprise(account.enterprise), _allowed(rules)
    pace = account.pace
    # The enterprise's word is up to a second old, and has this account's room of then in it.
    own = pace.room_before if now_ms - pace.room_ms <= TELL_EVERY_MS else pace.room
    left = {
        "relations": books.capacity(account.state, rules.account) or 0,
        "relations-elsewhere": max(0, word.room - own),
    }
    if allowed is not None:
        left["relations-enterprise"] = max(0, allowed - word.claimed)
    return denial(Outcome.DENIED, reason, rule="ceilings", wecom_errcode=AT_CEILING, remaining=left)


def _allowed(rules: BatchRules) -> int | None:
    ceilings = rules.policy.ceilings
    return None if ceilings is None else ceilings.relations.enterprise
