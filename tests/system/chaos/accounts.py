"""The account's side, recounted: how many friend requests on a day, and by which leave.

Leave is given by an account and used by a customer, on two partitions and perhaps two machines with
two clocks. So a day is the account's, of its clock at the time of leave; which leave an approval
used is told by the records' own times, which are one machine's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.topics import CANDIDATES
from tests.system.chaos.asks import AskKey, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.system.chaos.evidence import Evidence
    from tests.system.chaos.laws import Law
    from tests.system.chaos.referee import Known

DAY_MS: Final = 86_400_000

Decided = dict[AskKey, list[tuple[Any, dict[str, Any]]]]


def leaves_used(evidence: Evidence, decided: Decided) -> dict[str, int]:
    """When leave was given, by the account's clock, for each approval that needed one; by its
    decision id.
    """
    given, used = _given(evidence), dict[str, int]()
    for key, said in decided.items():
        for record, data in said:
            if data["outcome"] == "approved" and key in given:
                written = [written_ms for written_ms, _ in given[key]]
                place = max(0, bisect_right(written, record.timestamp) - 1)
                used[data["decision_id"]] = given[key][place][1]
    return used


def _given(evidence: Evidence) -> dict[AskKey, list[tuple[int, int]]]:
    """The leave that was given for each ask: when it was written, and by which clock."""
    found: dict[AskKey, list[tuple[int, int]]] = defaultdict(list)
    for record in evidence.topics[CANDIDATES]:
        ask, leave_ms = msgspec.msgpack.decode(record.value or b"")[:2]
        if leave_ms:
            found[key_of(record, ask)].append((record.timestamp, leave_ms))
    return {key: sorted(times) for key, times in found.items()}


def over_adds(
    known: Mapping[bytes, Known], used: Mapping[str, int], laws: Iterable[Law]
) -> Iterator[str]:
    """Accounts with more friend requests on a day (of UTC) than they may have."""
    most = max((law.daily_adds or 0 for law in laws), default=0)
    adds: Counter[tuple[str, int]] = Counter()
    for past in known.values():
        for name, contact in past.contacts.items():
            # Failed, then delivered: the sender's breach.
            counts = contact.state != "released" and not contact.doubted
            if contact.ask.kind == "friend_request" and counts:
                day = used.get(name, contact.decided_ms) // DAY_MS
                adds[contact.ask.account, day] += 1
    for (account, day), count in adds.items():
        if count > most > 0:
            yield f"{account} made {count} friend requests on day {day}, and may make {most}"
