"""One customer's decisions, replayed against the rules.

A customer's decisions stand in one partition, in the order in which they were taken, and so do
their interactions. What no topic tells directly is how the two interleave. `Clockwork` narrows it
down by the checkpoints in the customer stage's changelog: each names a batch's clock and how far it
had read. Inside a batch, and wherever compaction has taken the checkpoints, every interleaving that
the topics allow is tried, and a decision is justified if one of those explains it together with all
decisions before it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.topics import CUSTOMER_STATE, INTERACTIONS
from tests.system.chaos.checkpoints import read_batches
from tests.system.chaos.judge import fault_of
from tests.system.chaos.referee import Known

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.system.chaos.brakes import Brakes
    from tests.system.chaos.evidence import Evidence, Seen
    from tests.system.chaos.inputs import Standing
    from tests.system.chaos.laws import Law
    from tests.system.chaos.referee import Ask


class Said(NamedTuple):
    """A decision on one ask."""

    record: Seen
    data: dict[str, Any]
    ask: Ask
    law: Law


class Clockwork:
    """When each interaction was noted, as the checkpoints of the customer stage tell."""

    def __init__(self, evidence: Evidence) -> None:
        self._batches = read_batches(evidence, CUSTOMER_STATE, INTERACTIONS)

    def read_by(self, partition: int, clock_ms: int) -> tuple[int, int] | None:
        """The next interaction to read before and after the batches with this clock; None where
        their checkpoints are gone.
        """
        clocks, ends, _ = self._batches[partition]
        after = bisect_right(clocks, clock_ms)
        first = bisect_right(clocks, clock_ms - 1)
        if first == after:
            return None
        return (ends[first - 1] if first else 0), ends[after - 1]

    def noted_ms(self, partition: int, offset: int) -> int | None:
        """The clock of the batch that read an interaction; None if none has."""
        batch = self._batches[partition].reading(offset)
        return None if batch is None else self._batches[partition].clocks_ms[batch]


class _Path(NamedTuple):
    """One interleaving so far: how many interactions were noted, and what is known by then."""

    noted: int
    known: Known


class Replay:
    """A customer's past under every interleaving that explains it."""

    def __init__(self, heard: Sequence[Standing], clockwork: Clockwork, brakes: Brakes) -> None:
        self._heard, self._clockwork, self._brakes = heard, clockwork, brakes
        self._offsets = [standing.record.offset for standing in heard]
        self._times = [standing.record.timestamp for standing in heard]
        self._paths = [_Path(0, Known())]

    def judge(self, said: Said, number: int) -> str | None:
        """Let a decision follow; why no interleaving explains it, None if one does."""
        if said.data["stage"] == "account":  # whatever was read, its account said so
            options = self._paths
        else:
            found = (self._options(path, said.record, said.data) for path in self._paths)
            options = list(self._braked([option for some in found for option in some], said))
        for option in options:
            option.known.written_ms = said.record.timestamp
        faults = [fault_of(o.known, said.ask, said.law, said.data) for o in options]
        good = [o for o, fault in zip(options, faults, strict=True) if fault is None]
        self._paths = _distinct(good or options[-1:])
        for path in self._paths:
            path.known.follow(said.ask, said.data, said.law, number)
        return None if good else faults[-1]

    def follow(self, said: Said, number: int) -> None:
        """Let an account's own word follow: it waits in the queue, or nothing is held any more."""
        for path in self._paths:
            path.known.follow(said.ask, said.data, said.law, number)

    def end(self) -> Known:
        """What is known when all interactions are noted."""
        path = self._paths[0]
        for _ in self._forward(path, len(self._heard)):
            pass
        return path.known

    def _options(self, path: _Path, record: Seen, data: dict[str, Any]) -> Iterator[_Path]:
        least, most = self._bounds(record, data["decided_at_ms"])
        for _ in self._forward(path, max(path.noted, least)):
            pass
        at = _Path(max(path.noted, least), path.known)
        while at.noted < most:
            yield _Path(at.noted, at.known.copy())
            self._note(at.known, at.noted)
            at = _Path(at.noted + 1, at.known)
        yield at

    def _braked(self, options: list[_Path], said: Said) -> Iterator[_Path]:
        """Each option with all that may have been known of the account's brake."""
        ends_ms = {0}
        if said.ask.kind in said.law.braked:
            ends_ms = self._brakes.known_ms(said.record, said.data)
        for end_ms in ends_ms:
            for option in options:
                known = option.known if len(ends_ms) == 1 else option.known.copy()
                known.braked_ms = {said.ask.account: end_ms}
                yield _Path(option.noted, known)

    def _bounds(self, record: Seen, clock_ms: int) -> tuple[int, int]:
        read = self._clockwork.read_by(record.partition, clock_ms)
        if read is None:
            return 0, bisect_right(self._times, record.timestamp)
        least, most = (bisect_right(self._offsets, end - 1) for end in read)
        return least, most

    def _forward(self, path: _Path, to: int) -> Iterator[int]:
        for number in range(path.noted, to):
            self._note(path.known, number)
            yield number

    def _note(self, known: Known, number: int) -> None:
        record, event = self._heard[number]
        noted_ms = self._clockwork.noted_ms(record.partition, record.offset)
        known.hear(event, record.timestamp if noted_ms is None else noted_ms)


def _distinct(paths: list[_Path]) -> list[_Path]:
    found: list[_Path] = []
    for path in paths:
        if path not in found:
            found.append(path)
    return found
