"""What stands on the public topics, in the order in which it was written, for laws to look back on.

A *moment* is one clock reading between two rests: all that follows from an input follows within
one. What holds at a moment may have changed in it, so `standing` gives every value it had then, and
laws take the most lenient. Rules of this file: it reads contract and clock, and nothing of the
engine's code but the topics' names.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from streams.topics import (
    ACCOUNT_LIMITS,
    CAMPAIGN_STATUS,
    CONTROLS,
    DECISIONS,
    ENTERPRISE_LIMITS,
    INTENTS,
    INTERACTIONS,
    LIMIT_CHANGES,
    POLICIES,
    TOPICS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.flows.world import DriverWorld

APPROVED: Final = [t.name for t in TOPICS if t.name.startswith("approved.")]
READ: Final = [
    *(INTENTS, INTERACTIONS, POLICIES, CONTROLS, DECISIONS, *APPROVED),
    *(ACCOUNT_LIMITS, LIMIT_CHANGES, CAMPAIGN_STATUS, ENTERPRISE_LIMITS),
]
Moment = tuple[int, int]
"""Which rest comes next, and the clock."""


class Entry(NamedTuple):
    """One record. `data` is empty for a tombstone."""

    moment: Moment
    sequence: int
    topic: str
    key: str
    type: str
    name: str
    data: dict[str, Any]

    @property
    def at_ms(self) -> int:
        """The clock when it was written."""
        return self.moment[1]


class Past:
    """Everything on the topics of one world; `rests`: (records by then, clock) of each rest."""

    def __init__(self, world: DriverWorld, rests: Iterable[tuple[int, int]]) -> None:
        self.rests = list(rests)
        counts = [count for count, _ in self.rests]
        entries = []
        for topic in READ:
            for record in world.read(topic):
                sequence: int = record.sequence  # type: ignore[attr-defined]
                moment = bisect_right(counts, sequence), record.timestamp
                entries.append(_entry(moment, sequence, topic, record.key, record.value))
        self.entries = sorted(entries, key=lambda entry: entry.sequence)
        self._of: dict[str, list[Entry]] = defaultdict(list)
        self._last: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in self.entries:
            self._of[entry.topic].append(entry)
            self._last[entry.topic, entry.key].append(entry)

    def of(self, *topics: str) -> list[Entry]:
        """The records of these topics, in order."""
        if len(topics) == 1:
            return self._of[topics[0]]
        return [entry for entry in self.entries if entry.topic in topics]

    def standing(self, topic: str, key: str, moment: Moment) -> list[Entry]:
        """What was the key's last record before the moment, and all of the moment."""
        told = self._last[topic, key]
        after = bisect_right(told, moment, key=lambda entry: entry.moment)
        before = after
        while before and told[before - 1].moment == moment:
            before -= 1
        return told[max(0, before - 1) : after]

    def policies(self, moment: Moment) -> list[dict[str, Any]]:
        """The policy in force, and one published in this moment; none before the first."""
        known = [entry for entry in self.of(POLICIES) if entry.moment <= moment]
        sure = [entry for entry in known if entry.moment < moment][-1:]
        return [entry.data for entry in sure + [e for e in known if e.moment == moment]]

    def sections(self, name: str, moment: Moment) -> list[dict[str, Any]]:
        """A section in each of `policies`; empty where one of them leaves it out."""
        found = [policy.get(name) for policy in self.policies(moment)]
        return [] if None in found else [section for section in found if section is not None]

    def moments(self) -> Iterator[tuple[Moment, list[Entry]]]:
        """The records, moment by moment."""
        batch: list[Entry] = []
        for entry in self.entries:
            if batch and batch[0].moment != entry.moment:
                yield batch[0].moment, batch
                batch = []
            batch.append(entry)
        if batch:
            yield batch[0].moment, batch


def _entry(
    moment: Moment, sequence: int, topic: str, key: bytes | None, value: bytes | None
) -> Entry:
    event = orjson.loads(value or b"{}")
    kind = event.get("type", "").removeprefix("decorum.").removesuffix(".v1")
    name, data = event.get("id", ""), event.get("data", {})
    return Entry(moment, sequence, topic, (key or b"").decode(), kind, name, data)
