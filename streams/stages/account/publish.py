"""What the account stage tells of its accounts: who waits in their queues, how the limits stand.

Every change of an account is told to whom it concerns: readers of the topics, the partitions of the
customer stage, the enterprise's owner. Rules of this file: values become outputs; it decides
nothing, and it alone remembers what was told before.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec
from msgspec.structs import replace

from streams.core.account import account as books
from streams.core.customer.request import Candidate
from streams.core.enterprise import EnterpriseFacts
from streams.core.reasons import Outcome
from streams.events.internal import EnterpriseNews, Sweep, encode_candidate, encode_sweep
from streams.events.keys import customer_key, enterprise_key
from streams.events.limits import encode_account_limits, encode_limit_change
from streams.stages.account.aggregates import TELL_EVERY_MS
from streams.stages.context import denial
from streams.stages.routing import news_for, to_every_partition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.core.account.fair_queue import Entry
    from streams.core.account.limits import Change
    from streams.runtime.records import Output
    from streams.runtime.state import State
    from streams.stages.account.admission import Admission
    from streams.stages.account.slices import QueuedSlice
    from streams.stages.account.store import AccountIndex, StoredAccount
    from streams.stages.context import BatchRules, Blocked
    from streams.stages.routing import Router
    from streams.topics import Topics


class Publisher:
    """The news of one batch."""

    def __init__(
        self, topics: Topics, router: Router, state: State, index: AccountIndex, now_ms: int
    ) -> None:
        self._topics, self._router = topics, router
        self._state, self._index, self._now_ms = state, index, now_ms
        self._sums: dict[str, Counter[str]] = {}

    def sum_up(self, enterprise: str, **counts: int) -> None:
        """Something the enterprise adds up; a field of `EnterpriseFacts`."""
        self._sums.setdefault(enterprise, Counter()).update(counts)

    def enterprises(self) -> Iterator[Output]:
        """One record for each enterprise that something changed for."""
        for enterprise, counts in self._sums.items():
            if any(counts.values()):
                news = EnterpriseNews(EnterpriseFacts(at_ms=self._now_ms, **counts))
                yield news_for(enterprise_key(enterprise), news, self._topics, self._router)

    # --- who waits ---

    def deferred(
        self, admission: Admission, slice_: QueuedSlice, entry: Entry, wait: Blocked
    ) -> Iterator[Output]:
        """Of each customer that waits, that they do: for the customer stage to hold and to say.

        What only the sender needs stays in the queue.
        """
        request, topic = replace(slice_.request, attributes=None), self._topics.candidates
        for behind, customer in enumerate(admission.account.names(entry, self._state)):
            eligible_ms = admission.estimate_ms(entry, wait, behind)
            verdict = denial(Outcome.DEFERRED, wait.reason, eligible_at_ms=eligible_ms)
            word = Candidate(request, is_held=slice_.is_held, ticket=entry.seq, wait=verdict)
            key = customer_key(slice_.enterprise, customer)
            yield topic, self._router.partition(key), key, encode_candidate(word)

    # --- how an account stands ---

    def account(
        self, account: StoredAccount, rules: BatchRules, changes: Iterable[Change]
    ) -> Iterator[Output]:
        """An account's changes, and its limits and brake where they differ from what was told."""
        version, now_ms = rules.policy.version, self._now_ms
        for change in changes:
            said = encode_limit_change(account.enterprise, account.name, change, version, now_ms)
            yield self._topics.limit_changes, None, account.key, said
            if change.direction is not None:
                self._state.counters["ceiling_changes_total", change.direction] += 1
        yield from self._limits(account, rules)
        yield from self._brake(account)
        self._room(account, rules)

    def _limits(self, account: StoredAccount, rules: BatchRules) -> Iterator[Output]:
        limits = books.limits_of(account.state, rules.account, self._now_ms)
        pace, version = account.pace, rules.policy.version
        told = crc32(msgspec.msgpack.encode((version, limits)))
        if told == pace.told:
            return
        self._index.grades[pace.grade] -= 1
        self._index.grades[limits.grade] += 1
        pace.grade, pace.told = limits.grade, told
        said = encode_account_limits(
            account.enterprise, account.name, limits, version, self._now_ms
        )
        yield self._topics.account_limits, None, account.key, said

    def _brake(self, account: StoredAccount) -> Iterable[Output]:
        """The customers' partitions must know whom the brake holds; that it is over, they see."""
        braked_ms = books.braked_until_ms(account.state, self._now_ms)
        before_ms, account.pace.braked_until_ms = account.pace.braked_until_ms, braked_ms
        if braked_ms == before_ms or (braked_ms == 0 and 0 < before_ms <= self._now_ms):
            return ()
        sweep = Sweep(
            enterprise=account.enterprise,
            account=account.name,
            braked_until_ms=braked_ms,
            braked_ms=self._now_ms,
        )
        return to_every_partition(self._topics.sweeps, self._router.partitions, encode_sweep(sweep))

    def _room(self, account: StoredAccount, rules: BatchRules) -> None:
        room = books.vacancies(account.state, rules.account)
        pace = account.pace
        if pace.open != account.state.open_adds:
            self.sum_up(account.enterprise, open=account.state.open_adds - pace.open)
            pace.open = account.state.open_adds
        if room != pace.room:
            self.sum_up(account.enterprise, room=room - pace.room)
            if self._now_ms - pace.room_ms > TELL_EVERY_MS:
                pace.room_before, pace.room_ms = pace.room, self._now_ms
            pace.room = room
