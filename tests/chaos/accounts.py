"""The account's side, recounted: daily adds, and the pace of what accounts were given leave for.

Leave is given by an account and used by a customer, on two partitions and perhaps two machines: one
may wait while the other works through an outage. So the pace is judged where it is kept, at the
times of leave (`candidates`). What is given back late may go once more (`core.account.pacing`),
so a meter may be ahead by as long as leave ever waited to be used.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.topics import CANDIDATES
from tests.chaos.asks import AskKey, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.chaos.evidence import Evidence
    from tests.chaos.laws import Law
    from tests.chaos.referee import Known

DAY_MS: Final = 86_400_000

Decided = dict[AskKey, list[tuple[Any, dict[str, Any]]]]


def over_adds(known: Mapping[bytes, Known], laws: Iterable[Law]) -> Iterator[str]:
    """Accounts with more friend requests on a day (of UTC) than they may have."""
    most = max((law.daily_adds or 0 for law in laws), default=0)
    adds = Counter(
        (contact.ask.account, contact.decided_ms // DAY_MS)
        for past in known.values()
        for contact in past.contacts.values()
        if contact.ask.kind == "friend_request"
        and contact.state != "released"
        and not contact.doubted  # failed, then delivered: the sender's breach
    )
    for (account, day), count in adds.items():
        if count > most > 0:
            yield f"{account} made {count} friend requests on day {day}, and may make {most}"


def over_pace(evidence: Evidence, decided: Decided, laws: Iterable[Law]) -> Iterator[str]:
    """Accounts that gave leave too fast for messages that were approved."""
    law = next(iter(laws))
    if law.rate_per_s is None:
        return
    given = _leaves(evidence)
    used: dict[str, list[int]] = defaultdict(list)
    late_ms = 0
    for key, said in decided.items():
        for _, data in said:
            leave_ms = _last_by(given[key], data["decided_at_ms"])
            if (data["outcome"], data["kind"] in law.paced) == ("approved", True) and leave_ms:
                used[data["account_id"]].append(leave_ms)
                late_ms = max(late_ms, data["decided_at_ms"] - leave_ms)
    for account, times in used.items():
        yield from _too_fast(account, sorted(times), law, late_ms)


def _leaves(evidence: Evidence) -> dict[AskKey, list[int]]:
    """When leave was given for each ask, in order."""
    found: dict[AskKey, list[int]] = defaultdict(list)
    for record in evidence.topics[CANDIDATES]:
        ask, leave_ms = msgspec.msgpack.decode(record.value or b"")[:2]
        if leave_ms:
            found[key_of(record, ask)].append(leave_ms)
    for times in found.values():
        times.sort()
    return found


def _last_by(times: list[int], at_ms: int) -> int | None:
    place = bisect_right(times, at_ms)
    return times[place - 1] if place else None


def _too_fast(account: str, times: list[int], law: Law, late_ms: int) -> Iterator[str]:
    """GCRA (see `core.account.pacing`), told again: its meter may be `late_ms` ahead."""
    interval_us = ceil(1_000_000 / (law.rate_per_s or 1))
    slack_us = max(0, (law.burst_ms + late_ms) * 1_000 - interval_us)
    due_us = 0
    for at_ms, together in groupby(times):
        count = len(list(together))
        due_us = max(due_us, at_ms * 1_000) + count * interval_us
        early_us = due_us - interval_us - at_ms * 1_000 - slack_us
        if early_us > 0:
            yield f"{account} is {early_us // 1_000} ms ahead of its pace at {at_ms}"
