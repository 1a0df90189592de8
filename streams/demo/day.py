"""The demo's day: how long, how large, who knows whom, and the records it is told in.

The same `Day` gives the same people, byte for byte. What they do is `programs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from orjson import dumps

from streams.events.intents import INTENT_TYPE
from streams.events.keys import account_key, customer_key
from streams.topics import INTENTS, INTERACTIONS

ENTERPRISE: Final = "acme"
ZONE: Final = ZoneInfo("Asia/Shanghai")
MIDNIGHT: Final = datetime(2026, 11, 27, tzinfo=ZONE)
"""A Friday. A fixed date, so that two demos can be compared."""

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
FULL: Final = 4_995
"""Contacts of the founder's account: five short of what WeCom and the packaged policy allow."""
KNOWN_BY: Final = ((1, 50), (2, 25), (3, 14), (4, 7), (6, 4))
"""How many accounts have a customer as a contact, and for how many customers in a hundred."""


class Event(NamedTuple):
    """A record to produce at a moment of the day; `partition` None: where its key belongs."""

    at_ms: int
    topic: str
    """Logical name."""
    key: bytes | None
    value: bytes
    partition: int | None = None


@dataclass(frozen=True)
class Day:
    """How large and how long; at least three accounts. What is sent grows with the customers."""

    customers: int = 5_000
    accounts: int = 20
    begins: timedelta = timedelta(hours=6)
    hours: int = 30
    seed: int = 8

    @property
    def start_ms(self) -> int:
        """When it begins, UTC milliseconds."""
        return at(self.begins)

    @property
    def founder(self) -> str:
        """The account with nearly all the contacts it may have."""
        return next(iter(self.contacts))

    @property
    def hunter(self) -> str:
        """The account that asks more people to be its contacts than anybody else."""
        return list(self.contacts)[1]

    @property
    def rogue(self) -> str:
        """The account that goes wrong."""
        return list(self.contacts)[2]

    @property
    def end_ms(self) -> int:
        """When it ends, UTC milliseconds."""
        return self.start_ms + self.hours * HOUR_MS

    @cached_property
    def contacts(self) -> dict[str, list[str]]:
        """Account → its customers. Some customers know one account, some know six."""
        random = Random(self.seed)
        names = [f"xiaoer-{number:02}" for number in range(1, self.accounts + 1)]
        contacts: dict[str, list[str]] = {name: [] for name in names}
        counts, weights = zip(*KNOWN_BY, strict=True)
        for number in range(1, self.customers + 1):
            (count,) = random.choices(counts, weights)
            for name in random.sample(names, min(count, len(names))):
                contacts[name].append(f"wm-{number:05}")
        return contacts

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """Every (account, customer) who know each other: popular customers appear more often."""
        return [(a, customer) for a, customers in self.contacts.items() for customer in customers]

    @property
    def relations(self) -> list[tuple[str, str]]:
        """Every (account, customer) at the day's start: the pairs, and the founder's old contacts
        of whom nobody wants anything today.
        """
        missing = FULL - len(self.contacts[self.founder])
        old = [(self.founder, f"old-{number:04}") for number in range(1, missing + 1)]
        return self.pairs + old


def at(time_of_day: timedelta) -> int:
    """A time of the demo's first day, past 24 h of the next, as UTC milliseconds."""
    return int((MIDNIGHT + time_of_day).timestamp() * 1000)


def local(at_ms: int) -> str:
    """`Fri 08:30`, as the demo's people have it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZONE).strftime("%a %H:%M")


def moment_of(random: Random, from_hour: int, to_hour: int) -> int:
    """Some millisecond in [from, to) of the demo's first day; hours past 24 are of the next."""
    return at(timedelta(hours=from_hour)) + random.randrange((to_hour - from_hour) * HOUR_MS)


def intent(at_ms: int, source: str, name: str, data: dict[str, Any]) -> Event:
    """One intent; `data` without the enterprise."""
    event = {
        "specversion": "1.0",
        "id": name,
        "source": source,
        "type": INTENT_TYPE,
        "data": {"enterprise_id": ENTERPRISE, **data},
    }
    return Event(at_ms, INTENTS, account_key(ENTERPRISE, data["account_id"]), dumps(event))


def interaction(at_ms: int, source: str, name: str, what: str, data: dict[str, Any]) -> Event:
    """One interaction of a customer, told when it happened; `what`: the type without its frame."""
    event = {
        "specversion": "1.0",
        "id": name,
        "source": source,
        "type": f"decorum.{what}.v1",
        "data": {"enterprise_id": ENTERPRISE, "occurred_at_ms": at_ms, **data},
    }
    return Event(at_ms, INTERACTIONS, customer_key(ENTERPRISE, data["customer_id"]), dumps(event))
