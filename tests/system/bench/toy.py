"""A toy rule for comparing engines: at most 3 contacts in 24 hours and 20 in 30 days.

Exact: the state is the log of the allowed contacts' times. Kafka Streams gets the same rule, the
same records and the same answers to give (`kstreams/`); `expected` is the naive model that both are
held to. Run as `python -m tests.system.bench.toy BOOTSTRAP PREFIX` it is a worker of our runtime
with the rule as its only stage.
"""

from __future__ import annotations

import random
import sys
from array import array
from bisect import bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import orjson

from streams.logs import configure_logs
from streams.runtime.app import StreamApp
from tests.unit.runtime.toy import Settings, Silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.runtime.records import Output, Record
    from streams.runtime.state import DueTimer, State
    from tests.system.bench.cluster import Item

DAY_MS: Final = 86_400_000
MONTH_MS: Final = 30 * DAY_MS
A_DAY: Final = 3
A_MONTH: Final = 20
SPAN_MS: Final = 3 * DAY_MS
BEGAN_MS: Final = 1_793_325_600_000

LATER_MS: Final = BEGAN_MS + SPAN_MS

SOURCE: Final = "toy-intents"
RESULTS: Final = "toy-decisions"
CHANGELOG: Final = "toy-state"


class Wish(msgspec.Struct):
    """A record in; `at_ms` is the time it asks for, rising through the topic."""

    id: str
    customer: str
    account: str
    kind: str
    priority: int
    at_ms: int
    content_ref: str


class Answer(msgspec.Struct):
    """A record out; `eligible_at_ms` is the earliest legal time."""

    id: str
    customer: str
    allowed: bool
    reason: str
    remaining: int
    eligible_at_ms: int


class Verdict(NamedTuple):
    allowed: bool
    reason: str
    remaining: int
    eligible_at_ms: int


def decide(log: array[int], at_ms: int) -> Verdict:
    """The rule; an allowed contact is added to the log, and what is too old leaves it."""
    del log[: bisect_right(log, at_ms - MONTH_MS)]
    month = len(log)
    day = month - bisect_right(log, at_ms - DAY_MS)
    if day < A_DAY and month < A_MONTH:
        log.append(at_ms)
        left = min(A_DAY - day, A_MONTH - month) - 1
        return Verdict(allowed=True, reason="ok", remaining=left, eligible_at_ms=at_ms)
    day_ends = log[-A_DAY] + DAY_MS if day >= A_DAY else 0
    month_ends = log[-A_MONTH] + MONTH_MS if month >= A_MONTH else 0
    reason, opens_ms = max(("day_full", day_ends), ("month_full", month_ends), key=itemgetter(1))
    return Verdict(allowed=False, reason=reason, remaining=0, eligible_at_ms=opens_ms)


_decode = msgspec.json.Decoder(Wish).decode
_encode = msgspec.json.Encoder().encode
read_answer = msgspec.json.Decoder(Answer).decode


class ToyStage:
    """`Stage` over the toy's topic."""

    name = "toy"

    def __init__(self, prefix: str) -> None:
        self.sources = (prefix + SOURCE,)
        self.changelog = prefix + CHANGELOG
        self._results = prefix + RESULTS

    def on_records(
        self, partition: int, records: Iterable[Record], state: State, now_ms: int
    ) -> Iterable[Output]:
        for record in records:
            key, wish = record.key or b"", _decode(record.value or b"")
            log = array("q", state.get(key) or b"")
            verdict = decide(log, wish.at_ms)
            if verdict.allowed:
                state.put(key, log.tobytes())
            yield self._results, None, key, _encode(Answer(wish.id, wish.customer, *verdict))

    def on_timers(
        self, partition: int, due: Sequence[DueTimer], state: State, now_ms: int
    ) -> Iterable[Output]:
        return ()


def wishes(count: int, customers: int, seed: int, began_ms: int = BEGAN_MS) -> Iterator[Item]:
    """Three days of them: every customer about equally often, times rising strictly."""
    order = list(range(customers))
    random.Random(seed).shuffle(order)
    step_ms = SPAN_MS // count
    for number in range(count):
        who = f"c-{order[(number * 7_919) % customers]:010d}"
        wish = {
            "id": f"{seed}-{number:08d}",
            "customer": who,
            "account": f"sales-{number % 977:06d}",
            "kind": ("direct", "broadcast", "moment", "survey")[number % 4],
            "priority": number % 100,
            "at_ms": began_ms + number * step_ms,
            "content_ref": f"template/{number % 53:04d}/zh-CN/v{number % 7}",
        }
        yield who.encode(), orjson.dumps(wish)


def expected(items: Iterable[Item]) -> dict[str, Verdict]:
    """What must be answered, by record id."""
    logs: dict[bytes, array[int]] = {}
    answers = {}
    for key, value in items:
        wish = _decode(value)
        answers[wish.id] = decide(logs.setdefault(key, array("q")), wish.at_ms)
    return answers


def main(arguments: Sequence[str]) -> None:
    bootstrap, prefix = arguments
    configure_logs(terminal=False)
    StreamApp(Settings(bootstrap, prefix), [ToyStage(prefix)], Silent(), group="toy").run()


if __name__ == "__main__":
    main(sys.argv[1:])
