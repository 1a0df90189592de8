"""What a decision costs by what is known already: held intents, windows, accounts, campaigns.

Both stages on the broker-less driver, in this process, on one core; `time.process_time`, the best
of some rounds. A cost that grows with what it has nothing to do with shows here as a row that does
not stay flat.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any, Final

from streams.events.keys import account_key, customer_key
from streams.policy.parse import parse_policy
from streams.runtime.testing import StageTestDriver
from streams.stages.account.stage import AccountStage
from streams.stages.customer.erasure import Erasure
from streams.stages.customer.stage import CustomerStage
from streams.stages.routing import Router
from streams.stages.rules import Rules
from streams.topics import Topics
from tests.flows import events
from tests.system.bench import load
from tests.system.bench.machine import placed
from tests.system.bench.report import BenchError, Row, counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.system.bench.run import Run

ROUNDS: Final = 5
MANY: Final = 40
"""Customers, or batches, that a round goes through."""

DAY: Final[dict[str, Any]] = {"kinds": ["direct"], "scope": "account", "rolling": "24h"}
PACED: Final[dict[str, Any]] = {
    "reputation": {
        "red": {"above": "10%", "over": "7d", "from": 5, "confidence": "80%"},
        "green": {"below": "5%", "over": "28d", "from": 50, "confidence": "80%"},
        "hold": "24h",
    },
    "pacing": {
        "kinds": ["broadcast"],
        **dict.fromkeys(("new", "green", "amber"), "1/m"),
        "red": "0/s",
        "burst": "60s",
    },
}


async def run(run: Run) -> list[Row]:
    most = run.choose(10_000, 20)
    with placed(run.worker_cores):
        return [
            *map(_held, (1, 20, 150)),
            *map(_windows, (5, 20, 60)),
            *(_accounts(count) for count in (1, 100, 1_000) if count <= most),
            *(_campaigns(count) for count in (1, 100, 1_000, 10_000) if count <= most),
            *(_waiting(count) for count in (1, 100, 1_000) if count <= most),
            *(_words(10 * count, run.choose(1_000, 20)) for count in (10, 10_000) if count <= most),
        ]


class Works:
    """Both stages of one partition under one policy."""

    def __init__(self, **sections: Any) -> None:
        document = {"policy": "costs", "version": 1, "enterprise": "*"} | sections
        policy, faults = parse_policy(document)
        if policy is None:
            raise BenchError(f"the bench's own policy is refused: {faults}")
        self.topics, router, rules = Topics(), Router(1), Rules(policy)
        stages = (
            AccountStage(self.topics, router, rules),
            CustomerStage(self.topics, router, rules, Erasure(None)),
        )
        self.driver = StageTestDriver(stages, 1, load.MORNING_MS)
        self._count = 0

    def ask(self, kind: str, account: str, customers: list[str], **more: Any) -> None:
        self._count += 1
        value = load.intent(f"i-{self._count}", account, customers, kind, **more)
        self.driver.produce(self.topics.intents, account_key(load.ENTERPRISE, account), value)

    def tell(self, key: bytes, value: bytes) -> None:
        self.driver.produce(self.topics.interactions, key, value)

    def seconds(self) -> float:
        """Processor seconds until all of it is done."""
        gc.collect()
        began = time.process_time()
        self.driver.run()
        return time.process_time() - began


def _held(count: int) -> Row:
    """Beside what one customer holds, an order notice is decided."""
    works = Works(windows=[{"id": "day", "limit": 1, **DAY}], max_held=150)
    who = [load.customer(number) for number in range(MANY)]
    for _ in range(count + 1):
        works.ask("direct", "a", who)
    works.driver.run()
    return _row("decision beside so many held", count, _each(works, "transactional", who))


def _windows(count: int) -> Row:
    works = Works(windows=[_window(number) for number in range(count)])
    who = [load.customer(number) for number in range(MANY)]
    for _ in range(3):
        works.ask("direct", "a", who)
    works.driver.run()
    return _row("decision under so many windows", count, _each(works, "direct", who))


def _window(number: int) -> dict[str, Any]:
    """Each longer than the last and with more in it, or the first would always deny first."""
    return DAY | {"id": f"w{number}", "limit": 9 + number, "rolling": f"{24 + number}h"}


def _accounts(count: int) -> Row:
    """All of them have written to the customer today."""
    works = Works(windows=[{"id": "day", "limit": 9, **DAY}])
    who = [load.customer(number) for number in range(MANY // 4)]
    for number in range(count):
        works.ask("direct", f"a{number}", who)
    works.driver.run()
    return _row("decision for a customer of so many accounts", count, _each(works, "direct", who))


def _each(works: Works, kind: str, customers: list[str]) -> float:
    """Seconds a decision."""
    taken = []
    for _ in range(ROUNDS):
        works.ask(kind, "a", customers)
        taken.append(works.seconds())
    return min(taken) / len(customers)


def _campaigns(count: int) -> Row:
    """One customer more comes into a queue in which so many campaigns wait for the pace."""
    works = Works(**PACED)
    for number in range(count):
        works.ask("broadcast", "a", [f"c{number}"], campaign_id=f"campaign-{number}")
    works.driver.run()
    taken = []
    for number in range(MANY):
        works.ask("broadcast", "a", [f"late-{number}"], campaign_id="campaign-0")
        taken.append(works.seconds())
    return _row("batch of an account with so many campaigns waiting", count, min(taken))


def _waiting(count: int) -> Row:
    """So many accounts wait for a campaign, and another campaign's first message comes."""
    works = Works(
        **PACED,
        canary={"kinds": ["broadcast"], "steps": ["1%", "100%"], "hold": "30m", "from_size": 2000},
    )
    for number in range(count):
        works.ask("broadcast", f"a{number}", [f"{who}{number}" for who in "cde"])
    works.driver.run()
    taken = []
    for number in range(MANY // 4):
        works.ask("broadcast", "other", ["c"], campaign_id=f"other-{number}")
        taken.append(works.seconds())
    return _row("a campaign's first word with so many accounts waiting", count, min(taken))


def _words(held: int, words: int) -> Row:
    """So many words on accounts that nobody waits for."""
    works = Works(windows=[{"id": "day", "limit": 1, **DAY}])
    for first in range(0, held, 1_000):
        who = [load.customer(number) for number in range(first, min(first + 1_000, held))]
        works.ask("direct", "a", who)
        works.ask("direct", "a", who)
    works.driver.run()
    taken = []
    for status in ("active", "suspended"):
        for key, value in _statuses(words, status):
            works.tell(key, value)
        taken.append(works.seconds() / words)
    return _row(f"an account's status, with so many held ({counted(words)} each)", held, *taken)


def _statuses(count: int, status: str) -> Iterable[tuple[bytes, bytes]]:
    for number in range(count):
        name = f"b{number}"
        data: dict[str, Any] = {"enterprise_id": load.ENTERPRISE, "account_id": name}
        data |= {"status": status, "occurred_at_ms": load.MORNING_MS}
        value = events.event(f"{name}-{status}", "account_status", data)
        yield customer_key(load.ENTERPRISE, name), value


def _row(what: str, count: int, *seconds: float) -> Row:
    shown = " / ".join(f"{each * 1e6:,.0f}" for each in seconds)
    return Row("costs", f"{what}: {counted(count)}", f"{shown} µs")
