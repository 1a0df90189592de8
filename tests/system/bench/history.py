"""Ledgers as they really become: two weeks of a shop's days, decided by the customer stage itself.

Nothing is invented but the customers' and the shop's behaviour: few customers are written to often
and many seldom; most messages are delivered; some customers answer. A ledger holds no name of its
own customer, so a sample of some thousands stands for millions.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import msgspec

from streams.events.keys import customer_key
from streams.policy.files import packaged
from streams.runtime.state import State
from streams.runtime.testing import DriverRecord
from streams.stages.customer.erasure import Erasure
from streams.stages.customer.stage import CustomerStage
from streams.stages.routing import Router
from streams.stages.rules import Rules
from streams.topics import Topics
from tests.system.bench import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.runtime.records import Output
    from tests.system.bench.cluster import Item

DAYS: Final = 14
HOURS: Final = 10
DAY_MS: Final = 24 * load.HOUR_MS
A_DAY: Final = 0.7
"""Intents a customer and day, on average."""
DELIVERED: Final = 0.92
ANSWERS: Final = 0.08


class _Told(msgspec.Struct):
    account_id: str
    customer_id: str
    decision_id: str
    decided_at_ms: int


class _Approved(msgspec.Struct):
    data: _Told


_approved = msgspec.json.Decoder(_Approved).decode


def ledgers(customers: int) -> list[bytes]:
    """The stored values of those customers that have one at the end, in no order that matters."""
    history = _History(customers)
    for day in range(DAYS):
        for hour in range(HOURS):
            history.live(load.MORNING_MS - (DAYS - day) * DAY_MS + hour * load.HOUR_MS)
    state = history.state
    keys = (customer_key(load.ENTERPRISE, load.customer(n)) for n in range(customers))
    return [value for key in keys if (value := state.get(key)) is not None]


class _History:
    def __init__(self, customers: int) -> None:
        self.state = State()
        self._draw = random.Random(23)
        self._topics = Topics()
        rules = Rules(packaged()[1])
        self._stage = CustomerStage(self._topics, Router(1), rules, Erasure(None))
        self._customers = range(customers)
        self._weights = [self._draw.lognormvariate(0, 1) for _ in self._customers]
        self._waiting: list[Item] = []
        self._count = 0

    def live(self, now_ms: int) -> None:
        """One hour: what came in since the last, then new intents."""
        records = [self._record(self._topics.interactions, item) for item in self._waiting]
        records += [self._record(self._topics.candidates, i) for i in self._wishes(now_ms)]
        self._waiting = list(
            self._echo(self._stage.on_records(0, iter(records), self.state, now_ms))
        )
        self.state.take_changes()

    def _record(self, topic: str, item: Item) -> DriverRecord:
        self._count += 1
        return DriverRecord(topic, 0, self._count, 0, *item)

    def _wishes(self, now_ms: int) -> Iterator[Item]:
        kinds, shares = list(load.MIX), list(load.MIX.values())
        many = round(len(self._customers) * A_DAY / HOURS)
        chosen = self._draw.choices(self._customers, self._weights, k=many)
        intents = ((b"", self._intent(who, self._draw.choices(kinds, shares)[0])) for who in chosen)
        yield from load.candidates(intents, now_ms)

    def _intent(self, who: int, kind: str) -> bytes:
        self._count += 1
        name, account = f"h-{self._count}", load.account_of(who)
        return load.intent(name, account, [load.customer(who)], kind, if_not_now="deny")

    def _echo(self, outputs: Iterable[Output]) -> Iterator[Item]:
        """What comes back of approved messages: receipts, and some answers."""
        approved = set(self._stage.context.approved.values())
        for topic, _, _, value in outputs:
            if topic not in approved or value is None:
                continue
            told = _approved(value).data
            if self._draw.random() < DELIVERED:
                yield self._event("delivered", told, decision_id=told.decision_id)
            if self._draw.random() < ANSWERS:
                yield self._event("message_received", told)

    def _event(self, name: str, told: _Told, **more: str) -> Item:
        self._count += 1
        who, occurred_ms = told.customer_id, told.decided_at_ms + 60_000
        event_id = f"e-{self._count}"
        value = load.contact(event_id, name, told.account_id, who, occurred_ms, **more)
        return customer_key(load.ENTERPRISE, who), value
