"""What the topics say about the demo's day, collected record by record.

Everything the demo shows and checks comes from here, and here only from committed records: never
from the worker's memory or metrics. Records are read with plain JSON, not with the engine's own
decoder, so that a mistake there cannot hide itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from streams.core.kinds import KIND_NAMES
from streams.demo.account_side import AccountSide
from streams.events.intents import INTENT_TYPE
from streams.runtime.partitioner import partition_for
from streams.topics import DEAD_LETTERS, DECISIONS, INTENTS, INTERACTIONS, approved

if TYPE_CHECKING:
    from streams.runtime.records import Record

APPROVED: Final = {approved(kind): kind for kind in KIND_NAMES}
HELD: Final = "deferred"
REPEAT: Final = "duplicate"
RECEIPTS: Final = {"decorum.delivered.v1": "delivered", "decorum.failed.v1": "failed"}

Name = tuple[str, str, str]
"""Source, intent and customer: what is asked for and decided."""
Place = tuple[str, int, int]
"""Topic, partition and offset."""


class Receipt(NamedTuple):
    """What the sender said of a message."""

    delivered: bool
    occurred_ms: int


class Ask:
    """One wish to contact one customer, and everything that was decided about it."""

    __slots__ = ("decisions", "repeats", "times")

    def __init__(self) -> None:
        self.times = 0
        """How often it was asked: more than once by producers that retry."""
        self.repeats = 0
        """How often it was answered as a duplicate."""
        self.decisions: list[dict[str, Any]] = []
        """The others, oldest first: any number of `deferred`, then one that ends it."""

    @property
    def last(self) -> dict[str, Any] | None:
        """How it stands."""
        return self.decisions[-1] if self.decisions else None

    @property
    def held(self) -> bool:
        """Whether it visibly waits."""
        return bool(self.decisions) and self.decisions[-1]["outcome"] == HELD

    @property
    def ends(self) -> int:
        """How many of its decisions were final; one, or none while it is held."""
        return sum(decision["outcome"] != HELD for decision in self.decisions)


class Evidence:
    """The day as the topics tell it. `partitions`: of each keyed topic."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.accounts = AccountSide()
        self.asks: dict[Name, Ask] = defaultdict(Ask)
        self.asked = 0
        self.kinds_asked: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        """Final outcomes, and `deferred` for what is held now."""
        self.approved: list[dict[str, Any]] = []
        self.misplaced = 0
        """Approved messages on another kind's topic."""
        self.receipts: dict[str, list[Receipt]] = defaultdict(list)
        self.unreadable: set[Place] = set()
        self.letters: Counter[Place] = Counter()
        self.letter_reasons: Counter[str] = Counter()
        self.strays: Counter[bytes] = Counter()
        self.in_place: Counter[bytes] = Counter()

    @property
    def intents(self) -> int:
        """Records that producers put on `outbound-intents`: forwarded copies do not count."""
        forwarded = (self.strays & self.in_place).total()
        elsewhere = self.strays.total() + len(self.unreadable)
        return self.in_place.total() + elsewhere - forwarded

    def add(self, topic: str, record: Record) -> None:
        """Take in one record of a topic by its logical name; other topics are ignored."""
        if topic == INTENTS:
            self._intent(record)
        elif topic == DECISIONS:
            self._decision(orjson.loads(record.value or b"")["data"])
        elif topic == INTERACTIONS:
            event = orjson.loads(record.value or b"")
            self._receipt(event)
            self.accounts.interaction(event, record.timestamp)
        elif topic == DEAD_LETTERS:
            self._letter(orjson.loads(record.value or b"")["data"])
        elif topic in APPROVED:
            data = orjson.loads(record.value or b"")["data"]
            self.approved.append(data)
            self.misplaced += APPROVED[topic] != data["kind"]
        else:
            self.accounts.add(topic, record)

    def _intent(self, record: Record) -> None:
        event = _readable(record.value or b"")
        if event is None:
            self.unreadable.add((INTENTS, record.partition, record.offset))
            return
        data = event["data"]
        key = f"{data['enterprise_id']}/{data['account_id']}".encode()
        value = record.value or b""
        if record.key != key or partition_for(key, self.partitions) != record.partition:
            self.strays[value] += 1
            return
        self.in_place[value] += 1
        self.asked += len(data["customer_ids"])
        self.kinds_asked[data["kind"]] += len(data["customer_ids"])
        for customer in data["customer_ids"]:
            self.asks[event["source"], event["id"], customer].times += 1

    def _decision(self, data: dict[str, Any]) -> None:
        request = self.asks[data["intent_source"], data["intent_id"], data["customer_id"]]
        self.outcomes[data["outcome"]] += 1
        if data["outcome"] == REPEAT:
            request.repeats += 1
            return
        if request.held:
            self.outcomes[HELD] -= 1
        request.decisions.append(data)

    def _receipt(self, event: dict[str, Any]) -> None:
        what = RECEIPTS.get(event["type"])
        if what:
            data = event["data"]
            receipt = Receipt(what == "delivered", data["occurred_at_ms"])
            self.receipts[data["decision_id"]].append(receipt)

    def _letter(self, data: dict[str, Any]) -> None:
        self.letters[data["topic"], data["partition"], data["offset"]] += 1
        self.letter_reasons[data["reason"]] += 1


def _readable(value: bytes) -> dict[str, Any] | None:
    """The event, or None where no engine could know what is meant."""
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    good = event.get("type") == INTENT_TYPE and event["data"]["kind"] in KIND_NAMES
    return event if good else None
