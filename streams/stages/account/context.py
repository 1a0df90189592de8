"""What the accounts of one batch have in common, and the rules that the batch works under.

Rules of this file: values and look-ups only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.core.account.rules import account_rules_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.account.rules import AccountRules
    from streams.core.controls import ControlBook
    from streams.core.customer.rules import KindRules
    from streams.runtime.records import Output
    from streams.runtime.state import State
    from streams.stages.account.candidates import CandidateWriter
    from streams.stages.account.index import AccountIndex
    from streams.stages.account.publish import Publisher
    from streams.stages.account.totals import SharedTotals
    from streams.stages.rules import Rules


class SessionContext(NamedTuple):
    """What the sessions of one batch have in common."""

    state: State
    now_ms: int
    accounts: AccountIndex
    totals: SharedTotals
    candidates: CandidateWriter
    publisher: Publisher
    outputs: list[Output]


class BatchRules(NamedTuple):
    """The rules of one enterprise in one batch."""

    kind_rules: Sequence[KindRules]
    account: AccountRules
    controls: ControlBook


class RulesInForce:
    """The rules of each enterprise at a batch's time; they stay the same to the batch's end."""

    def __init__(self, rules: Rules, now_ms: int) -> None:
        self._rules, self._now_ms = rules, now_ms
        self._by_enterprise: dict[str, BatchRules] = {}

    def of(self, enterprise: str) -> BatchRules:
        """The rules of an enterprise."""
        found = self._by_enterprise.get(enterprise)
        if found is None:
            account = account_rules_of(self._rules.policy(enterprise, self._now_ms))
            kind_rules = self._rules.kind_rules(enterprise, self._now_ms)
            found = BatchRules(kind_rules, account, self._rules.controls)
            self._by_enterprise[enterprise] = found
        return found
