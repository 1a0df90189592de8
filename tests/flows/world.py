"""Where a flow happens: topics, stages behind them, and a clock that only the flow moves.

A flow knows nothing else of Decorum, so the same flow runs without a broker (`DriverWorld`) and on
a real Kafka with a worker process (`tests/integration/kafka/flow_world.py`), and must tell the same
story.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from streams.policy.files import packaged
from streams.runtime.batch import WHOLE
from streams.runtime.testing import StageTestDriver
from streams.stages.account.stage import AccountStage
from streams.stages.customer.erasure import Erasure
from streams.stages.customer.stage import CustomerStage
from streams.stages.routing import Router
from streams.stages.rules import Rules
from streams.stages.rules_stage import RulesStage
from streams.topics import Topics
from tests.support import published
from tests.support.topics import partition_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.runtime.batch import Batch, Share
    from streams.runtime.records import Record
    from streams.runtime.stage import Stage

START_MS: Final = 1_893_974_400_000
"""Monday, 7 January 2030, 00:00 UTC: beyond any broker's own clock, so that a policy written
without `effective_at` is in force in either world."""

DAY_MS: Final = 86_400_000
SECRET: Final = b"a secret for tests alone"


class Placed(NamedTuple):
    """Where a record was put."""

    topic: str
    partition: int
    offset: int


class World(Protocol):
    """Topics are named as in the contract."""

    partitions: int

    @property
    def now_ms(self) -> int:
        """The clock of everything in this world."""

    def produce(
        self, topic: str, key: bytes | None, value: bytes | None, partition: int | None = None
    ) -> Placed:
        """Write a record; without a partition, where Java's partitioner puts its key."""

    def settle(self) -> None:
        """Return when nothing waits and nothing is due."""

    def advance(self, to_ms: int) -> None:
        """Settle, then move the clock there, with a stop at every moment something is due."""

    def read(self, topic: str) -> Sequence[Record]:
        """All committed records of a topic so far."""

    def crash(self) -> None:
        """Lose everything that is only in memory."""


class DriverWorld:
    """All stages of a worker on the broker-less driver."""

    def __init__(
        self,
        partitions: int = 8,
        clock_ms: int = START_MS,
        observe: Callable[[Stage, int, Batch], None] | None = None,
        share: Share = WHOLE,
    ) -> None:
        self.partitions = partitions
        self._topics = Topics()
        router = Router(partitions)
        self._rules_read = self._looked = 0
        self._rules = Rules(packaged()[1])
        self.stages = (
            RulesStage(self._topics, partitions),
            AccountStage(self._topics, router, self._rules),
            CustomerStage(self._topics, router, self._rules, Erasure(SECRET)),
        )
        counts = partition_counts(partitions)
        self.driver = StageTestDriver(self.stages, counts, clock_ms, observe, share)

    @property
    def now_ms(self) -> int:
        return self.driver.now_ms

    def produce(
        self, topic: str, key: bytes | None, value: bytes | None, partition: int | None = None
    ) -> Placed:
        placed = self.driver.produce(topic, key, value, partition)
        return Placed(topic, placed.partition, placed.offset)

    def settle(self) -> None:
        self.driver.run()
        self._follow()
        self._look()

    def advance(self, to_ms: int) -> None:
        self.settle()
        self.driver.advance(to_ms)
        self._look()

    def read(self, topic: str) -> Sequence[Record]:
        return self.driver.read(topic)

    def _look(self) -> None:
        """All that leaves the engine, in whatever test, is what the schemas promise."""
        records = self.driver.read_all()
        for record in records[self._looked :]:
            published.check(record.topic, record.value)
        self._looked = len(records)

    def crash(self) -> None:
        self.driver.crash()
        self._rules.__init__(packaged()[1])  # type: ignore[misc] # as a restart makes them
        self._rules_read = 0
        self._follow()

    def _follow(self) -> None:
        """Every worker follows the rules' state; so do we, whenever nothing moves."""
        records = self.driver.read(self._topics.rules_state)
        for record in records[self._rules_read :]:
            if record.key is not None and record.key[:1] != b"\0":
                self._rules.apply(record.key, record.value)
        self._rules_read = len(records)
