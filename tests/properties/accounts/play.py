"""A plot, played on the broker-less driver; what is judged afterwards is on the topics alone.

Rules of this file: it puts records in and moves the clock. What a sender or a customer does next
depends on what was approved, and on nothing else of the engine's.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from streams.topics import INTENTS, INTERACTIONS, TOPICS
from tests.flows import events
from tests.flows.scene import Scene
from tests.flows.test_flows import check_balance
from tests.properties.accounts.plot import (
    ACCOUNTS,
    CUSTOMERS,
    DAY_MS,
    ENTERPRISE,
    MINUTE_MS,
    SECOND_MS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from tests.flows.world import DriverWorld
    from tests.properties.accounts.plot import Step

APPROVED: Final = [t.name for t in TOPICS if t.name.startswith("approved.")]
LAST: Final = 1_000_000
"""Above every number of a plot."""

EVEN_PACE: Final = dict.fromkeys(("new", "green", "amber", "red"), "1/s")
ENDS: Final = {"engaged", "friend_removed", "friend_refused", "transferred"}
"""What says nothing of a customer of whom nothing is known."""

OPEN_SKY: Final[list[dict[str, Any]]] = [
    {},
    {"pacing": EVEN_PACE | {"kinds": ["broadcast", "moment"], "burst": "2s"}},
]
"""Policies under which nothing waits for long."""


class Player:
    """Plays steps and notes where the world came to rest: `rests`, as (records by then, time).

    `named`: where the forgotten could still be read at a rest.
    """

    def __init__(self, world: DriverWorld) -> None:
        self.world = world
        self.rests: list[tuple[int, int]] = []
        self._scene = Scene(world, ENTERPRISE, self._rested)
        self._sent: dict[int, bytes] = {}
        self._answered: set[str] = set()
        self._scopes: set[str] = set()
        self._forgotten: dict[str, int] = {}
        self._first_ms: dict[int, int] = {}
        self.named: list[str] = []
        self._version = 0
        self._zone = "UTC"

    def play(self, steps: Iterable[Step], crashes: Collection[int] = ()) -> None:
        """Play them in turn, with a crash after those numbered."""
        for number, step in enumerate(steps):
            self._play(step)
            if number in crashes:
                self.world.crash()

    def clear(self, sky: int) -> None:
        """Take away all that may be in anybody's way, ask once more, and give it ten minutes."""
        self._move(1)
        for scope in sorted(self._scopes):
            self._control(0, "resume", scope, None)
        for account in ACCOUNTS:
            self._status(LAST, account, "reinstated")
        self._policy(0, OPEN_SKY[sky])
        self._move(SECOND_MS)
        for number, account in enumerate(ACCOUNTS, start=LAST):
            self._ask(number, account, "broadcast", tuple(CUSTOMERS), {}, {})
        self._move(10 * MINUTE_MS)

    def drain(self) -> None:
        """Let everything come to its end: no deadline and no memory is longer."""
        self._move(200 * DAY_MS)

    def _play(self, step: Step) -> None:
        plays: dict[str, Callable[..., None]] = {
            "ask": self._ask,
            "rebatch": self._rebatch,
            "hear": self._hear,
            "receipts": self._receipts,
            "status": self._status,
            "control": self._control,
            "policy": self._policy,
            "move": self._move,
            "together": self._together,
        }
        plays[step[0]](*step[1:])

    def _rested(self) -> None:
        check_balance(self.world)
        self.named += [
            f"{name} is forgotten, and named in {place}"
            for name in sorted(self._forgotten)
            for place in where_named(self.world, name)
        ]
        self.rests.append((len(self.world.driver._order), self.world.now_ms))

    def _together(self, steps: list[Step]) -> None:
        with self._scene.together():
            for step in steps:
                self._play(step)

    def _move(self, ms: int) -> None:
        self.world.advance(self.world.now_ms + ms)
        self._scene.rest()

    def _policy(self, _: int, sections: dict[str, Any]) -> None:
        self._version += 1
        self._zone = sections.get("time_zone", self._zone)
        self._scene.policy(self._version, **{"remember": "30d", "time_zone": self._zone} | sections)

    def _control(self, number: int, action: str, scope: str, lasts_ms: int | None) -> None:
        self._scopes.add(scope)
        more = {} if lasts_ms is None else {"until_ms": self.world.now_ms + lasts_ms}
        self._scene.control(scope, action=action, **more)

    def _status(self, _: int, account: str, word: str) -> None:
        self._scene.tell_status(account, word)

    def _ask(  # noqa: PLR0917 - a step
        self,
        number: int,
        account: str,
        kind: str,
        customers: tuple[str, ...],
        more: dict[str, Any],
        times: dict[str, int],
    ) -> None:
        value = self._sent.get(number)
        if value is None:
            absolute = {name: self.world.now_ms + ms for name, ms in times.items()}
            told = more | absolute
            value = self._scene.intent(f"i{number}", *customers, kind=kind, account=account, **told)
            self._sent[number] = value
        self._put_ask(account, kind, customers, value)

    def _rebatch(self, number: int, account: str, customers: tuple[str, ...]) -> None:
        """The same intent once more, in another batch."""
        first = self._sent.get(number)
        if first is None:
            return
        event = orjson.loads(first)
        event["data"] |= {"account_id": account, "customer_ids": list(customers)}
        self._put_ask(account, event["data"]["kind"], customers, orjson.dumps(event))

    def _put_ask(self, account: str, kind: str, customers: Iterable[str], value: bytes) -> None:
        if kind in {"transfer", "transactional"}:  # which the forgotten may still get
            for customer in customers:
                self._forgotten.pop(customer, None)
        self._scene.put(INTENTS, events.key(ENTERPRISE, account), value)

    def _hear(
        self, number: int, what: str, customer: str, account: str, more: dict[str, Any]
    ) -> None:
        value = self._sent.get(number)
        if value is None:
            told = {"account_id": account} | more
            value = self._scene.interaction(what, customer, f"e{number}", **told)
            self._sent[number] = value
            self._first_ms[number] = self.world.now_ms
            if what == "erase":
                self._forgotten[customer] = self.world.now_ms
        # A retry of what was before leaves nothing, like the end of a tie that nobody knows.
        is_past = self._first_ms[number] < self._forgotten.get(customer, 0)
        if what not in {"erase", *ENDS} and not is_past:
            self._forgotten.pop(customer, None)
        self._scene.put(INTERACTIONS, events.key(ENTERPRISE, customer), value)

    # --- what senders and customers say of messages -----------------------------------------------

    def _receipts(self, number: int, sent: float, hurt: float) -> None:
        """Of every approved message not reported yet: some delivered, some not, some regretted."""
        found = [record for topic in APPROVED for record in self.world.read(topic)]
        for record in sorted(found, key=lambda r: r.sequence):  # type: ignore[attr-defined]
            data = orjson.loads(record.value or b"")["data"]
            if data["decision_id"] not in self._answered:
                self._answered.add(data["decision_id"])
                self._report(number, data, sent, hurt)

    def _report(self, number: int, data: dict[str, Any], sent: float, hurt: float) -> None:
        share = _share(number, data["decision_id"])
        kind, names = data["kind"], {"decision_id": data["decision_id"]}
        reason = "not_friend" if share > 0.95 else "already_received" if share > 0.9 else "not_sent"
        failure = names | {"reason": reason}
        if share >= sent:
            if share > 0.3:
                self._say("failed", data, failure)
                if share > 0.97:
                    self._say("delivered", data, names)
            return
        if kind == "friend_request":
            answer = "friend_added" if share < sent * 0.7 else "friend_refused"
            self._say(answer, data, {"initiated_by": "account"} if share < sent * 0.7 else {})
        elif kind == "transfer":
            answer = "transferred" if share < sent * 0.6 else "transfer_failed"
            more = {} if answer == "transferred" else {"reason": "customer_refused"}
            self._say(answer, data, more | {"to_account_id": data["to_account_id"]})
            if answer == "transferred" and share < sent * 0.4:  # a poll has seen it as well
                self._say(answer, data, {"to_account_id": data["to_account_id"]}, "poll")
        else:
            self._delivered(data, names, share, sent * hurt)

    def _delivered(
        self, data: dict[str, Any], names: dict[str, str], share: float, hurt: float
    ) -> None:
        self._say("delivered", data, names)
        if share < 0.1:
            self._say("delivered", data, names)
        if share < hurt:
            # Some know the message and some do not; some say it twice, and some more and more.
            about = names if share < hurt * 0.6 else {}
            self._say("blocked" if share < hurt * 0.2 else "complained", data, about)
            if share < hurt * 0.4:
                self._say("consent", data, names | {"allowed": False, "kinds": ["moment"]})
        elif share > 0.7:
            self._say("message_received", data, {})

    def _say(self, what: str, data: dict[str, Any], more: dict[str, Any], by: str = "") -> None:
        """What names its decision is told by any account: the message knows whose it is."""
        teller = data["account_id"]
        if "decision_id" in more:
            teller = ACCOUNTS[int(3 * _share(len(what), data["decision_id"]))]
        told = {"account_id": teller} | more
        name = f"{what}-{data['decision_id']}{by}"
        value = self._scene.interaction(what, data["customer_id"], name, **told)
        self._forgotten.pop(data["customer_id"], None)
        self._scene.put(INTERACTIONS, events.key(ENTERPRISE, data["customer_id"]), value)


def where_named(world: DriverWorld, name: str) -> Iterator[str]:
    """Everything kept by a stage in which a customer of this name can be read."""
    packed = msgspec.msgpack.encode(name)
    for stage in ("account", "customer"):
        for number in range(world.partitions):
            state = world.driver.state(stage, number)
            for key in state:
                if key.endswith(f"/{name}".encode()) or packed in (state.get(key) or b""):
                    yield f"{stage} {number}: {key!r}"
            for timer in state.timer_names():
                if timer.endswith(f"/{name}".encode()):
                    yield f"{stage} {number}: timer {timer!r}"


def _share(number: int, name: str) -> float:
    """A place in [0, 1) that is the same in every world."""
    digest = blake2b(f"{number} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
