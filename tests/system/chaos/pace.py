"""The pace of accounts, metered anew on all the leave they gave.

Leave is given by an account and used by a customer, on two partitions and perhaps two machines with
two clocks: one may wait while the other works through an outage. So the pace is judged where it is
kept, in the account's batches and on its partition's clock: each leave (`candidates`) costs an
interval, and each of which the account heard that it was not used gives one back
(`core.account.pacing`). Inside a millisecond the order that allows most is believed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from math import ceil
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.kinds import KIND_NAMES
from streams.topics import ACCOUNT_NEWS, ACCOUNT_STATE, CANDIDATES
from tests.system.chaos.checkpoints import read_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.system.chaos.evidence import Evidence
    from tests.system.chaos.laws import Law

ACCOUNT, KIND = 2, 3
"""The places of these in a candidate's ask."""
UNUSED: Final = 2
"""The place of unused leave in an account's news."""

Counts = defaultdict[bytes, Counter[int]]
"""By account and the millisecond of its partition's clock."""


def over_pace(evidence: Evidence, laws: Iterable[Law]) -> Iterator[str]:
    """Accounts that gave leave too fast."""
    law = next(iter(laws))
    if law.rate_per_s is None:
        return
    taken, back = _taken(evidence, law), _given_back(evidence, law)
    for account, counts in taken.items():
        yield from _too_fast(account.decode(), counts, back[account], law)


def _taken(evidence: Evidence, law: Law) -> Counts:
    found: Counts = defaultdict(Counter)
    for record in evidence.topics[CANDIDATES]:
        ask, leave_ms = msgspec.msgpack.decode(record.value or b"")[:2]
        if leave_ms and KIND_NAMES[ask[KIND]] in law.paced:
            enterprise = (record.key or b"").split(b"/")[0]
            found[b"%s/%s" % (enterprise, ask[ACCOUNT].encode())][leave_ms] += 1
    return found


def _given_back(evidence: Evidence, law: Law) -> Counts:
    found: Counts = defaultdict(Counter)
    batches = read_batches(evidence, ACCOUNT_STATE, ACCOUNT_NEWS)
    for record in evidence.topics[ACCOUNT_NEWS]:
        tag, *news = msgspec.msgpack.decode(record.value or b"")
        batch = batches[record.partition].reading(record.offset)
        if tag == "account" and batch is not None and len(news) >= UNUSED:
            clock_ms = batches[record.partition].clocks_ms[batch]
            for kind, _, count in news[UNUSED - 1]:
                if KIND_NAMES[kind] in law.paced:
                    found[record.key or b""][clock_ms] += count
    return found


def _too_fast(account: str, taken: Counter[int], back: Counter[int], law: Law) -> Iterator[str]:
    """GCRA, told again: `due_us` is when the next message would be due if they came evenly."""
    interval_us = ceil(1_000_000 / (law.rate_per_s or 1))
    tolerance_us = max(0, law.burst_ms * 1_000 - interval_us)
    due_us = 0
    for at_ms in sorted(taken.keys() | back.keys()):
        now_us = at_ms * 1_000
        if taken[at_ms]:
            due_us = max(due_us, now_us)
        due_us += (taken[at_ms] - back[at_ms]) * interval_us
        early_us = due_us - interval_us - now_us - tolerance_us
        if taken[at_ms] and early_us > 0:
            yield f"{account} is {early_us // 1_000} ms ahead of its pace at {at_ms}"
