"""The campaigns of the demo's day: a good one, a bad one, small ones, and an account gone wrong.

Rules of this file: as in `programs`. How many complain about what is the customers' affair
(`sender`), and what becomes of it the engine's.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.demo.day import HOUR_MS, MINUTE_MS, at, intent, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from random import Random

    from streams.demo.day import Day, Event

AUDIENCE: Final = 200
"""Customers of one broadcast or Moments intent."""
AUTUMN: Final = 0.6
"""Of all customers, the share whom the large campaign is for."""
STORE: Final = 0.2
POST: Final = 0.33
"""Of an account's contacts, the shares whom an invitation and a post are for."""
POSTS: Final = 2
POSTS_OF_A_TALKER: Final = 5
TALKERS: Final = 8
"""Every so many accounts one cannot stop posting."""
BAIT: Final = 160
BIRTHDAY: Final = 150
"""Contacts whom the rogue account sends its bait, and a harmless greeting later."""

DRAW_REF: Final = "post/big-draw"
BAIT_REF: Final = "text/win-a-phone"


class Audience(NamedTuple):
    """A whole campaign, before it is cut into intents."""

    source: str
    name: str
    customers: Mapping[str, Sequence[str]]
    """By the account that is to send."""
    begins: Mapping[str, int]
    """When each account asks, UTC milliseconds."""
    data: Mapping[str, Any]
    """What all its intents say."""


def autumn(day: Day, random: Random) -> Iterator[Event]:
    """The day's large campaign, handed in after breakfast: nobody minds waiting for it."""
    customers = _by_one_account_each(day, random, AUTUMN)
    begins = {account: moment_of(random, 8, 9) for account in customers}
    data = {"kind": "broadcast", "priority": 40, "content_ref": "coupon/autumn"}
    return _campaign(Audience("crm/campaigns", "autumn", customers, begins, data))


def big_draw(day: Day, random: Random) -> Iterator[Event]:
    """A post for everybody, of which the author thinks more highly than its readers."""
    customers = _by_one_account_each(day, random, 1.0)
    begins = {account: moment_of(random, 12, 13) for account in customers}
    data = {"kind": "moment", "priority": 60, "content_ref": DRAW_REF}
    return _campaign(Audience("crm/campaigns", "big-draw", customers, begins, data))


def store_invitations(day: Day, random: Random) -> Iterator[Event]:
    """Each account invites some of its contacts; every second invitation is for this evening."""
    for number, (account, contacts) in enumerate(day.contacts.items()):
        invited = random.sample(contacts, round(len(contacts) * STORE))
        data: dict[str, Any] = {"kind": "broadcast", "priority": 50, "content_ref": "text/store"}
        if number % 2:
            data["deadline_ms"] = at(timedelta(hours=21))
        begins = {account: moment_of(random, 11, 17)}
        name = f"store-{account}"
        yield from _campaign(Audience("crm/stores", name, {account: invited}, begins, data))


def moments(day: Day, random: Random) -> Iterator[Event]:
    """Posts in the customers' Moments: two a day, and a few accounts that cannot stop."""
    for place, (account, contacts) in enumerate(day.contacts.items()):
        talks = place % TALKERS == TALKERS - 1
        for number in range(POSTS_OF_A_TALKER if talks else POSTS):
            shown_to = random.sample(contacts, round(len(contacts) * POST))
            begins = {account: moment_of(random, 9, 21)}
            data = {"kind": "moment", "priority": 30, "content_ref": "post/daily"}
            data["deadline_ms"] = begins[account] + 5 * HOUR_MS
            name = f"post-{account}-{number}"
            yield from _campaign(Audience("crm/moments", name, {account: shown_to}, begins, data))


def rogue_account(day: Day, random: Random) -> Iterator[Event]:
    """Somebody pastes bait to a list of contacts; the greetings that follow are harmless."""
    contacts = random.sample(day.contacts[day.rogue], len(day.contacts[day.rogue]))
    half = len(contacts) // 2
    for name, hour, chosen in (
        ("win-a-phone", timedelta(hours=10), contacts[:half][:BAIT]),
        ("birthday", timedelta(hours=11, minutes=30), contacts[half:][:BIRTHDAY]),
    ):
        data = {"account_id": day.rogue, "kind": "direct", "priority": 70, "customer_ids": chosen}
        yield intent(at(hour), "desk/lists", name, {**data, "content_ref": f"text/{name}"})


def _by_one_account_each(day: Day, random: Random, share: float) -> dict[str, list[str]]:
    """A share of all customers, each with one of the accounts that know them."""
    known_by: dict[str, list[str]] = defaultdict(list)
    for account, customer in day.pairs:
        known_by[customer].append(account)
    chosen = random.sample(sorted(known_by), round(len(known_by) * share))
    customers: dict[str, list[str]] = defaultdict(list)
    for customer in chosen:
        customers[random.choice(known_by[customer])].append(customer)
    return {account: customers[account] for account in day.contacts if customers[account]}


def _campaign(audience: Audience) -> Iterator[Event]:
    size = max(1, sum(map(len, audience.customers.values())))
    data = {**audience.data, "campaign_id": audience.name, "campaign_size": size}
    for account, customers in audience.customers.items():
        for number, chunk in enumerate(_chunks(customers)):
            at_ms = audience.begins[account] + number * MINUTE_MS
            name = f"{audience.name}-{account}-{number}"
            asked = {"account_id": account, "customer_ids": chunk}
            yield intent(at_ms, audience.source, name, {**data, **asked})


def _chunks(customers: Sequence[str]) -> Iterable[Sequence[str]]:
    return (customers[start : start + AUDIENCE] for start in range(0, len(customers), AUDIENCE))
