"""Who wants to send what to whom in the demo's day, and what goes wrong at the producers'.

A seeded generator: the same `Day` gives the same records, byte for byte. It must never know what
the engine decides; what happens because of a decision is `sender`.
"""

from __future__ import annotations

import zlib
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

import orjson

from streams.demo.campaigns import autumn, big_draw, moments, rogue_account, store_invitations
from streams.demo.day import HOUR_MS, MINUTE_MS, at, intent, interaction, moment_of
from streams.topics import INTENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streams.demo.day import Day, Event

CREDITS_ASKED: Final = 7
"""Answers of a talkative colleague to one question: more than a policy is likely to grant."""
NOW_OR_NEVER: Final = 0.25
SPOILS: Final = 0.3
SCHEDULED: Final = 0.05
"""Shares of coupons with `if_not_now: deny`, with a deadline, and with `not_before_ms`."""
NIGHT: Final = range(24, 32)
"""Hours in which a quarter as many orders move as by day."""
LOOP: Final = 14
"""Notices that a shop in a loop sends to one customer."""
HUNTED: Final = 34
"""People whom one account asks to be its contacts: more than it may in a day."""
WANTED: Final = 30
"""People whom the account without room asks."""
MARKETING: Final = ["direct", "broadcast", "moment"]


def events_of(day: Day, partitions: int) -> list[Event]:
    """Everything that producers send in the day, in order of time, mistakes included."""
    random = Random(day.seed + 1)
    events = [event for program in PROGRAMS for event in program(day, random)]
    events = [event for event in events if day.start_ms <= event.at_ms < day.end_ms]
    events += mistakes(events, day, random, partitions)
    return sorted(events, key=lambda event: event.at_ms)


def acquaintances(day: Day, _: Random) -> Iterator[Event]:
    """Who knows whom when the day begins."""
    for number, (account, customer) in enumerate(day.relations):
        data = {"account_id": account, "customer_id": customer, "initiated_by": "customer"}
        name = f"knows-{number}"
        yield interaction(day.start_ms, "crm/contacts", name, "friend_added", data)


def coupons(day: Day, random: Random) -> Iterator[Event]:
    """Coupons one by one, from before breakfast to midnight: the loudest program of all."""
    for number in range(round(day.customers * 1.4)):
        account, customer = random.choice(day.pairs)
        at_ms = moment_of(random, 6, 24)
        data: dict[str, Any] = {"kind": "direct", "priority": random.choice((30, 50, 70))}
        if random.random() < NOW_OR_NEVER:
            data["if_not_now"] = "deny"
        if random.random() < SPOILS:
            data["deadline_ms"] = at_ms + random.randrange(4, 9) * HOUR_MS
        if random.random() < SCHEDULED:
            data["not_before_ms"] = at_ms + random.randrange(1, 4) * HOUR_MS
        data |= {"account_id": account, "customer_ids": [customer], "content_ref": "coupon/8"}
        yield intent(at_ms, "crm/coupons", f"coupon-{number}", data)


def orders(day: Day, random: Random) -> Iterator[Event]:
    """Order notices by day and by night, and one customer whose order is stuck in a loop."""
    hours = [hour for hour in range(6, 36) for _ in range(1 if hour in NIGHT else 4)]
    for number in range(round(day.customers * 1.1)):
        hour = random.choice(hours)
        relationship = random.choice(day.pairs)
        yield _order(f"order-{number}", moment_of(random, hour, hour + 1), *relationship)
    account, customer = random.choice(day.pairs)
    for number in range(LOOP):
        yield _order(f"stuck-{number}", at(timedelta(hours=13, minutes=number)), account, customer)


def _order(name: str, at_ms: int, account: str, customer: str) -> Event:
    data = {"kind": "transactional", "priority": 90, "content_ref": "order/shipped"}
    data |= {"account_id": account, "customer_ids": [customer], "attributes": {"order": name}}
    return intent(at_ms, "shop/orders", name, data)


def service_desk(day: Day, random: Random) -> Iterator[Event]:
    """Customers write and are answered; some are answered too often, some without having asked."""
    for number in range(round(day.customers * 0.25)):
        account, customer = random.choice(day.pairs)
        asked_ms = moment_of(random, 7, 23)
        who = {"account_id": account, "customer_id": customer}
        yield interaction(asked_ms, "wecom", f"said-{number}", "message_received", who)
        for turn in range(CREDITS_ASKED if number % 20 == 0 else random.choice((1, 1, 2))):
            at_ms = asked_ms + (turn + 1) * random.randrange(3, 20) * MINUTE_MS
            yield _reply(f"answer-{number}-{turn}", at_ms, account, customer)
    for number in range(round(day.customers * 0.03)):
        yield _reply(f"hello-{number}", moment_of(random, 8, 22), *random.choice(day.pairs))


def _reply(name: str, at_ms: int, account: str, customer: str) -> Event:
    data = {"account_id": account, "kind": "reply", "customer_ids": [customer], "priority": 80}
    return intent(at_ms, "desk/answers", name, data)


def friend_requests(day: Day, random: Random) -> Iterator[Event]:
    """Accounts ask customers of others to become contacts; some two accounts ask the same one."""
    accounts = list(day.contacts)
    for number in range(round(day.customers * 0.03)):
        for turn in range(random.choice((1, 1, 2))):
            yield _lead(day, random, f"lead-{number}-{turn}", random.choice(accounts))
    for account, most in ((day.hunter, HUNTED), (day.founder, WANTED)):
        for number in range(most):
            yield _lead(day, random, f"{account}-{number}", account)


def _lead(day: Day, random: Random, name: str, account: str) -> Event:
    customer = f"wm-{random.randint(1, day.customers):05}"
    data = {"account_id": account, "kind": "friend_request", "customer_ids": [customer]}
    return intent(moment_of(random, 9, 20), "sales/leads", name, data)


def wishes(day: Day, random: Random) -> Iterator[Event]:
    """Customers who opt out, and customers with quiet hours of their own."""
    for number in range(round(day.customers * 0.01)):
        _, customer = random.choice(day.pairs)
        data: dict[str, Any] = {"customer_id": customer, "kinds": MARKETING, "allowed": False}
        if number % 2:
            data = {"customer_id": customer, "kinds": [], "allowed": True}
            data["quiet_hours"] = {"from": "19:00", "to": "10:00"}
        yield interaction(
            moment_of(random, 7, 20), "app/settings", f"wish-{number}", "consent", data
        )


PROGRAMS: Final[tuple[Callable[[Day, Random], Iterator[Event]], ...]] = (
    acquaintances,
    autumn,
    big_draw,
    store_invitations,
    moments,
    rogue_account,
    coupons,
    orders,
    service_desk,
    friend_requests,
    wishes,
)


def mistakes(events: Sequence[Event], day: Day, random: Random, partitions: int) -> Iterator[Event]:
    """What producers do wrong: no key, librdkafka's partitioner, retries, and plain rubbish."""
    intents = [e for e in events if e.topic == INTENTS]
    several = max(4, day.customers // 80)
    for event in random.sample(intents, min(several, len(intents))):
        later_ms = event.at_ms + random.choice((1_000, MINUTE_MS, HOUR_MS))
        yield event._replace(at_ms=min(later_ms, day.end_ms - 1))  # a retry of what had arrived
    for number, event in enumerate(random.sample(intents, min(several, len(intents)))):
        value = orjson.loads(event.value)
        value["id"] = f"{value['id']}-astray"
        astray = event._replace(value=orjson.dumps(value), partition=_crc32(event, partitions))
        yield astray._replace(key=None) if number % 2 else astray
    for number, event in enumerate(random.sample(intents, 8)):
        rubbish = (
            event.value[: len(event.value) // 2],
            b"\xff" + event.value,
            event.value.replace(b'"kind":"', b'"kind":"sms-'),
            event.value.replace(b"intent.v1", b"intent.v9"),
        )
        yield event._replace(value=rubbish[number % len(rubbish)])


def _crc32(event: Event, partitions: int) -> int:
    """Where librdkafka would put it by default."""
    return zlib.crc32(event.key or b"") % partitions
