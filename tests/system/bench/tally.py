"""Decisions read back: each intent and customer decided once, counted by outcome."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from tests.system.bench.report import BenchError

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord


class _Told(msgspec.Struct):
    decision_id: str
    intent_id: str
    outcome: str


class _Decision(msgspec.Struct):
    data: _Told


_decode = msgspec.json.Decoder(_Decision).decode


def intent_of(value: bytes) -> str:
    """The intent that a decision is about."""
    return _decode(value).data.intent_id


class Tally:
    """What stood on the decisions' topic."""

    def __init__(self) -> None:
        self.arrived_ms: list[int] = []
        self.firsts_ms: list[int] = []
        """When the first word on each intent came."""
        self._begun: set[str] = set()
        self.outcomes: Counter[str] = Counter()
        self._told: set[tuple[str, str]] = set()

    def see(self, record: ConsumerRecord[bytes, bytes]) -> None:
        if record.value is None:
            raise BenchError("a decision without a value")
        told = _decode(record.value).data
        self.arrived_ms.append(record.timestamp)
        self.outcomes[told.outcome] += 1
        if told.decision_id not in self._begun:
            self._begun.add(told.decision_id)
            self.firsts_ms.append(record.timestamp)
        self._told.add((told.decision_id, told.outcome))

    def must_be(self, count: int) -> None:
        """Raise BenchError unless there are so many, and none was told twice."""
        if len(self.arrived_ms) != count or len(self._told) != count:
            raise BenchError(
                f"{count} decisions were due; {len(self.arrived_ms)} came, "
                f"{len(self._told)} of them different"
            )

    def must_answer(self, count: int) -> None:
        """Raise BenchError unless so many intents were answered, and nothing was told twice.

        What waits in an account's queue goes on while others are counted, and is told of again.
        """
        if len(self.firsts_ms) != count or len(self._told) != len(self.arrived_ms):
            raise BenchError(f"{count} answers were due; {len(self.firsts_ms)} came")

    def mix(self) -> str:
        """The outcomes' shares, in words."""
        total = sum(self.outcomes.values())
        return ", ".join(f"{n / total:.0%} {name}" for name, n in self.outcomes.most_common())
