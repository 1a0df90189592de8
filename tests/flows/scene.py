"""The words in which flows are told: what is asked, what is heard, what time it is, what comes out.

A scene is one enterprise's corner of a world. Its decisions are read as short lines, so that a flow
and what it must lead to stand side by side: `deferred window_full two-a-day +24h`, the time being
the earliest legal one, counted from the start of the flow.
"""

from __future__ import annotations

from base64 import b64decode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from streams.runtime.partitioner import partition_for
from streams.topics import (
    ACCOUNT_LIMITS,
    CONTROLS,
    DEAD_LETTERS,
    DECISIONS,
    INTENTS,
    INTERACTIONS,
    POLICIES,
    TOPICS,
    approved,
)
from tests.flows import events
from tests.flows.spans import span_ms, span_text
from tests.flows.world import DAY_MS, START_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.flows.world import Placed, World

MORNING_MS: Final = span_ms("10h")
APPROVED: Final = [t.name for t in TOPICS if t.name.startswith("approved.")]


class Scene:
    """One enterprise, from ten o'clock (UTC) on a day nobody else has used."""

    def __init__(
        self, world: World, enterprise: str, between: Callable[[], None] = lambda: None
    ) -> None:
        """`between` is called after every step, when nothing moves."""
        self.world, self.enterprise = world, enterprise
        self._between = between
        self._together = False
        days = (world.now_ms - START_MS) // DAY_MS + 1
        world.advance(START_MS + days * DAY_MS + MORNING_MS)
        self.start_ms = world.now_ms

    # --- what happens -------------------------------------------------------------------------

    def policy(self, version: int = 1, **sections: Any) -> Placed:
        """Publish a policy that governs this enterprise."""
        return self.publish(events.policy(self.enterprise, version, **sections))

    def publish(self, document: dict[str, Any]) -> Placed:
        """Publish a policy document as it is."""
        name = f"{document.get('enterprise')}/{document.get('version')}"
        return self.put(POLICIES, name.encode(), events.event(name, "policy", document))

    def control(self, scope: str, **data: Any) -> Placed:
        """Publish an operator's control."""
        body = {"scope": scope, "by": "tests", "why": "a flow"} | data
        return self.put(CONTROLS, scope.encode(), events.event(scope, "control", body))

    def ask(
        self,
        intent_id: str,
        *customers: str,
        kind: str = "direct",
        account: str = "xiaoer",
        **more: Any,
    ) -> Placed:
        """An intent for these customers, by default `ann`."""
        value = self.intent(intent_id, *customers, kind=kind, account=account, **more)
        return self.put(INTENTS, events.key(self.enterprise, account), value)

    def intent(
        self,
        intent_id: str,
        *customers: str,
        kind: str = "direct",
        account: str = "xiaoer",
        **more: Any,
    ) -> bytes:
        """An intent's record value."""
        names = list(customers or ("ann",))
        return events.intent(intent_id, self.enterprise, account, names, kind, **more)

    def hear(
        self, what: str, customer: str = "ann", event_id: str | None = None, **more: Any
    ) -> Placed:
        """An interaction, now unless `occurred_at_ms` says otherwise."""
        value = self.interaction(what, customer, event_id, **more)
        return self.put(INTERACTIONS, events.key(self.enterprise, customer), value)

    def interaction(
        self, what: str, customer: str = "ann", event_id: str | None = None, **more: Any
    ) -> bytes:
        """An interaction's record value."""
        data = {
            "enterprise_id": self.enterprise,
            "customer_id": customer,
            "account_id": "xiaoer",
            "occurred_at_ms": self.world.now_ms,
        } | more
        name = f"{what}-{customer}-{self.world.now_ms}" if event_id is None else event_id
        return events.event(name, what, data)

    def tell_status(self, account: str, status: str, **more: Any) -> Placed:
        """An account resigned, was suspended, or came back."""
        data = {
            "enterprise_id": self.enterprise,
            "account_id": account,
            "occurred_at_ms": self.world.now_ms,
            "status": status,
        } | more
        name = f"{account}-{status}-{self.world.now_ms}"
        value = events.event(name, "account_status", data)
        return self.put(INTERACTIONS, events.key(self.enterprise, account), value)

    def receipt(
        self, what: str, intent_id: str, customer: str = "ann", at: str | None = None, **more: Any
    ) -> Placed:
        """A `delivered` or `failed` for an approved message; `at`: when it was really sent."""
        if at is not None:
            more["occurred_at_ms"] = self.start_ms + span_ms(at)
        if what == "failed":
            more.setdefault("reason", "not_sent")
        name = self.decisions(intent_id, customer)[0]["decision_id"]
        return self.hear(what, customer, decision_id=name, **more)

    def put(
        self, topic: str, key: bytes | None, value: bytes | None, partition: int | None = None
    ) -> Placed:
        """Write any record, and let the world come to rest unless told `together`."""
        placed = self.world.produce(topic, key, value, partition)
        self.rest()
        return placed

    def at(self, moment: str) -> None:
        """Move on to a moment, counted from the start."""
        self.world.advance(self.start_ms + span_ms(moment))
        self.rest()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything put inside waits at once, and is decided in as few batches as may be."""
        self._together = True
        yield
        self._together = False
        self.rest()

    def rest(self) -> None:
        """Come to rest, between one step and the next."""
        if not self._together:
            self.world.settle()
            self._between()

    # --- what came of it ----------------------------------------------------------------------

    def decisions(self, intent_id: str, customer: str = "ann") -> list[dict[str, Any]]:
        """All that was decided of one intent for one customer, in order."""
        return [
            data
            for data in self.everything(DECISIONS)
            if (data["intent_id"], data["customer_id"]) == (intent_id, customer)
        ]

    def everything(self, topic: str) -> list[dict[str, Any]]:
        """The `data` of all this enterprise's records of a topic; what is forgotten has none."""
        records = [record for record in self.world.read(topic) if record.value is not None]
        found = map(events.data_of, records)
        return [data for data in found if data.get("enterprise_id") == self.enterprise]

    def story(self, intent_id: str, customer: str = "ann") -> list[str]:
        """The decisions as short lines."""
        return [self._line(data) for data in self.decisions(intent_id, customer)]

    def expect(self, intent_id: str, *lines: str, customer: str = "ann") -> None:
        """The whole story of one intent and customer so far."""
        assert self.story(intent_id, customer) == list(lines)

    def decided_at(self, intent_id: str, customer: str = "ann") -> str:
        """When the last word was said, counted from the start."""
        return span_text(self.decisions(intent_id, customer)[-1]["decided_at_ms"] - self.start_ms)

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """The approved messages of a kind."""
        return self.everything(approved(kind))

    def limits(self, account: str) -> dict[str, Any]:
        """What was last told of an account."""
        told = [d for d in self.everything(ACCOUNT_LIMITS) if d["account_id"] == account]
        return told[-1]

    def letter(self, placed: Placed) -> dict[str, Any]:
        """The dead letter about a record; fails unless there is exactly one."""
        found = [letter for letter in self.letters() if _place(letter) == tuple(placed)]
        assert len(found) == 1, (placed, found)
        return found[0]

    def letters(self) -> list[dict[str, Any]]:
        """All dead letters."""
        return list(map(events.data_of, self.world.read(DEAD_LETTERS)))

    def _line(self, data: dict[str, Any]) -> str:
        words = [data["outcome"], data["reason"], data.get("rule")]
        if "eligible_at_ms" in data:
            words.append("+" + span_text(data["eligible_at_ms"] - self.start_ms))
        return " ".join(word for word in words if word)

    # --- what must hold whatever happened -------------------------------------------------------

    def check(self) -> None:
        """Approved messages are the approved decisions, one to one and in their place."""
        decided = [d for d in self._all(DECISIONS) if d["outcome"] == "approved"]
        messages = [data for topic in APPROVED for data in self._all(topic)]
        assert sorted(map(_promise, messages)) == sorted(map(_promise, decided))
        assert all(m["send_by_ms"] >= m["decided_at_ms"] for m in messages)

    def _all(self, topic: str) -> list[dict[str, Any]]:
        """As `everything`, each record checked to stand where its key belongs."""
        owner = "customer_id" if topic == DECISIONS else "account_id"
        for record in self.world.read(topic):
            data = events.data_of(record)
            key = events.key(data["enterprise_id"], data[owner])
            assert record.key == key
            assert record.partition == partition_for(key, self.world.partitions)
        return self.everything(topic)


def _place(letter: dict[str, Any]) -> tuple[str, int, int]:
    return letter["topic"], letter["partition"], letter["offset"]


def _promise(data: dict[str, Any]) -> tuple[str, int, int]:
    return data["decision_id"], data["decided_at_ms"], data["send_by_ms"]


def content_of(letter: dict[str, Any]) -> tuple[bytes | None, bytes | None]:
    """Key and value that a dead letter keeps."""
    key, value = letter.get("key_base64"), letter.get("value_base64")
    return (
        None if key is None else b64decode(key),
        None if value is None else b64decode(value),
    )
