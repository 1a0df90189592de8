"""Clocks: whatever those of the machines do, a partition's never goes back.

What stepped clocks may do to decisions, and what the audit therefore demands of them:

- *A partition's clock is its own.* It is stored with every batch and only moves on. Ahead of a
  machine that was set right again, or of another worker's, it stands still until that one is past
  it: nothing due by it is released meanwhile, and nothing leaves a window.
- *On that clock everything is exact*: every window, gap and deadline, every earliest legal time.
  All laws of the other files are on it, faults of clocks or not.
- *On the wall* a contact may come too early by as much as a clock stepped ahead since the one
  before it. That is not judged: what a customer was promised is a matter of the engine's clock.
- *Nothing is lost or doubled*, for that never rests on a clock.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import orjson

from streams.topics import ACCOUNT_STATE, CUSTOMER_STATE, DECISIONS, RULES_STATE
from tests.system.chaos.checkpoints import CHECKPOINT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.chaos.evidence import Evidence


def backward(evidence: Evidence) -> Iterator[str]:
    """Where a clock went back: in a changelog, or from one decision of a customer's to the next."""
    latest: dict[tuple[str, int], int] = defaultdict(int)
    for topic, partition, offset, clock_ms in _readings(evidence):
        if clock_ms < latest[topic, partition]:
            back_ms = latest[topic, partition] - clock_ms
            yield f"{topic} {partition} {offset}: the clock went back by {back_ms} ms"
        latest[topic, partition] = max(latest[topic, partition], clock_ms)


def _readings(evidence: Evidence) -> Iterator[tuple[str, int, int, int]]:
    for topic in (RULES_STATE, ACCOUNT_STATE, CUSTOMER_STATE):
        for record in evidence.topics[topic]:
            if record.key == CHECKPOINT:
                clock_ms = orjson.loads(record.value or b"{}")["clock_ms"]
                yield topic, record.partition, record.offset, clock_ms
    for record in evidence.topics[DECISIONS]:
        data = orjson.loads(record.value or b"{}")["data"]
        yield DECISIONS, record.partition, record.offset, data["decided_at_ms"]
