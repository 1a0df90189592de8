"""What the account stage publishes of its accounts: their limits and changes, brakes and sums.

Each change goes to whom it concerns: readers of the topics, the partitions of the customer stage,
the enterprise's owner. Rules of this file: values become outputs; it decides nothing, and it alone
remembers what was published before.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

from streams.core.account import account as accounts
from streams.core.enterprise import PUBLISH_EVERY_MS, EnterpriseFacts
from streams.events.internal import BrakeSweep, EnterpriseNews, encode_sweep
from streams.events.keys import enterprise_key
from streams.events.limits import encode_account_limits, encode_limit_change
from streams.stages.routing import news_for, to_every_partition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.core.account.limits import Change
    from streams.core.account.rules import AccountRules
    from streams.runtime.records import Output
    from streams.runtime.state import State
    from streams.stages.account.index import AccountIndex
    from streams.stages.account.store import StoredAccount
    from streams.stages.context import StageContext


class Publisher:
    """What one batch publishes of its accounts."""

    def __init__(
        self, context: StageContext, state: State, index: AccountIndex, now_ms: int
    ) -> None:
        self._topics, self._router, _ = context
        self._state, self._index, self._now_ms = state, index, now_ms
        self._sums: dict[str, Counter[str]] = {}

    # --- enterprises ---

    def sum_up(self, enterprise: str, **counts: int) -> None:
        """Add to what the enterprise's owner hears; the names are fields of `EnterpriseFacts`."""
        self._sums.setdefault(enterprise, Counter()).update(counts)

    def enterprises(self) -> Iterator[Output]:
        """One record for each enterprise that something changed for."""
        for enterprise, counts in self._sums.items():
            if any(counts.values()):
                news = EnterpriseNews(EnterpriseFacts(at_ms=self._now_ms, **counts))
                yield news_for(enterprise_key(enterprise), news, self._topics, self._router)

    # --- accounts ---

    def account(
        self, account: StoredAccount, rules: AccountRules, changes: Iterable[Change]
    ) -> Iterator[Output]:
        """An account's changes, and its limits and brake where they differ from the last ones."""
        for change in changes:
            what = account.enterprise, account.name, change, rules.version
            event = encode_limit_change(*what, self._now_ms)
            yield self._topics.limit_changes, None, account.key, event
            if change.direction is not None:
                self._state.counters["ceiling_changes_total", change.direction] += 1
        yield from self._limits(account, rules)
        yield from self._brake(account)
        self._sum_up(account, rules)

    def _limits(self, account: StoredAccount, rules: AccountRules) -> Iterator[Output]:
        limits = accounts.limits_of(account.state, rules, self._now_ms)
        published, version = account.queue_state, rules.version
        checksum = crc32(msgspec.msgpack.encode((version, limits)))
        if checksum == published.published_limits:
            return
        self._index.grades[published.grade] -= 1
        self._index.grades[limits.grade] += 1
        published.grade, published.published_limits = limits.grade, checksum
        what = account.enterprise, account.name, limits, version
        yield (
            self._topics.account_limits,
            None,
            account.key,
            encode_account_limits(*what, self._now_ms),
        )

    def _brake(self, account: StoredAccount) -> Iterable[Output]:
        """The customers' partitions must know whom the brake holds; that it is over, they see."""
        braked_ms = accounts.braked_until_ms(account.state, self._now_ms)
        before_ms = account.queue_state.braked_until_ms
        account.queue_state.braked_until_ms = braked_ms
        if braked_ms == before_ms or (braked_ms == 0 and 0 < before_ms <= self._now_ms):
            return ()
        sweep = BrakeSweep(
            enterprise=account.enterprise,
            account=account.name,
            braked_until_ms=braked_ms,
            braked_ms=self._now_ms,
        )
        return to_every_partition(self._topics.sweeps, self._router.partitions, encode_sweep(sweep))

    def _sum_up(self, account: StoredAccount, rules: AccountRules) -> None:
        """Add the changes of open requests and of free relations to the enterprise's sums."""
        published, open_adds = account.queue_state, account.state.open_adds
        if open_adds != published.published_adds:
            self.sum_up(account.enterprise, open=open_adds - published.published_adds)
            published.published_adds = open_adds
        free, known = accounts.vacancies(account.state, rules), published.published_capacity
        if free != known:
            self.sum_up(account.enterprise, room=free - known)
            if self._now_ms - published.capacity_ms > PUBLISH_EVERY_MS:
                published.previous_capacity, published.capacity_ms = known, self._now_ms
            published.published_capacity = free
