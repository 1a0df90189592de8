"""What is told of accounts, by the laws of `tests.properties.accounts`: figures recounted, changes
in a chain.

Those laws look at a world at rest, record by record. A cluster that has been drained is at rest
once, at its end: there each account's figures must be what its interactions and approved messages
come to, faults or not. The records of all topics are put in the order of the times at which they
were written, each partition's in its own. Their plot's accounts are recounted: the load gives their
names to the accounts that write most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.topics import CONTROLS, INTENTS, INTERACTIONS, POLICIES
from tests.properties.accounts import figures
from tests.properties.accounts.past import READ, Past
from tests.properties.accounts.plot import SECOND_MS
from tests.system.chaos.inputs import read_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.system.chaos.evidence import Evidence, Seen
    from tests.system.chaos.inputs import Inputs


class _Record(NamedTuple):
    """A record in the one order of all."""

    key: bytes | None
    value: bytes | None
    timestamp: int
    sequence: int


class Shelf:
    """The evidence as a world that is read topic by topic: only what is readable and at home."""

    def __init__(self, evidence: Evidence, intents: Inputs, interactions: Inputs) -> None:
        kept: dict[str, Iterable[Seen]] = {topic: evidence.topics[topic] for topic in READ}
        for topic in (POLICIES, CONTROLS):
            kept[topic] = [r for r in kept[topic] if read_event(r.value) is not None]
        for topic, inputs in ((INTENTS, intents), (INTERACTIONS, interactions)):
            kept[topic] = [standing.record for standing in inputs.standing]
        order = sorted(
            (written_ms, number, topic, record)
            for number, (topic, records) in enumerate(kept.items())
            for written_ms, record in _in_order(records)
        )
        self.count = len(order)
        self.end_ms = order[-1][0] if order else 0
        self._records: dict[str, list[_Record]] = {topic: [] for topic in READ}
        for sequence, (written_ms, _, topic, record) in enumerate(order):
            placed = _Record(record.key, record.value, written_ms, sequence)
            self._records[topic].append(placed)

    def read(self, topic: str) -> list[_Record]:
        """A topic's records."""
        return self._records[topic]


def _in_order(records: Iterable[Seen]) -> Iterator[tuple[int, Seen]]:
    """With the time at which each was there for sure: never before the one it follows."""
    latest: dict[int, int] = {}
    for record in records:
        latest[record.partition] = max(latest.get(record.partition, 0), record.timestamp)
        yield latest[record.partition], record


def wrong_figures(evidence: Evidence, intents: Inputs, interactions: Inputs) -> Iterator[str]:
    """What is told of accounts and is not so."""
    shelf = Shelf(evidence, intents, interactions)
    past = Past(shelf, [(shelf.count, shelf.end_ms + SECOND_MS)])  # type: ignore[arg-type]
    yield from figures.faults(past)
