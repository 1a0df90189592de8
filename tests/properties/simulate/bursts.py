"""The brake alone: how rarely it errs, and how soon it sees a burst, event by event.

An account keeps its true rate to a moment of a working day, and from then on every delivery is
complained of with another. Complaints are counted from that moment on.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.account import brake
from streams.core.account.brake import Score
from streams.core.account.facts import Facts
from tests.properties.simulate.audience import DAY, HOUR, START, Audience, complaints, sendings
from tests.properties.simulate.life import LAW
from tests.properties.simulate.report import Row, percent, point, share

if TYPE_CHECKING:
    from collections.abc import Iterator

NORMAL: Final = 0.0005
DAYS_BEFORE: Final = 3
TEN_MINUTES: Final = HOUR // 6


class Event(NamedTuple):
    """Deliveries of ten minutes, or one complaint."""

    at_ms: int
    delivered: int
    complained: int


class Alarm(NamedTuple):
    """How much of the burst it took."""

    complaints: int
    deliveries: int


def day_of(chance: random.Random, audience: Audience, day: int) -> Iterator[Event]:
    """A day's deliveries, and the complaints about them (some on later days)."""
    slices = 1 if audience.at_once else 6
    for hour, count in sendings(chance, audience).items():
        for index in range(slices):
            at_ms = START + day * DAY + hour * HOUR + index * TEN_MINUTES
            part = count * (index + 1) // slices - count * index // slices
            if part:
                yield Event(at_ms, part, 0)
                for told_ms in complaints(chance, audience, part, at_ms):
                    yield Event(told_ms, 0, 1)


def sees(score: Score, event: Event) -> bool:
    """Whether the brake takes the event for an alarm."""
    assert LAW.brake is not None
    facts = Facts(event.at_ms, delivered=event.delivered, complaints=event.complained)
    return brake.add_to_score(score, LAW.brake, [facts], event.at_ms)


def false_alarms(audience: Audience, accounts: int, *, seed: int = 3) -> float:
    """Alarms per 1,000 account-months."""
    alarms = 0
    for account in range(accounts):
        chance, score = random.Random(seed * 1_000_003 + account), Score()
        events = [event for day in range(30) for event in day_of(chance, audience, day)]
        for event in sorted(events):
            if sees(score, event):
                alarms, score = alarms + 1, Score()
    return alarms / accounts * 1_000


def alarm(audience: Audience, seed: int) -> Alarm | None:
    """What a burst took to be seen; None if ten days of it were not seen."""
    chance, score = random.Random(seed), Score()
    sent = complained = 0
    for event, burst in sorted(_around_the_burst(chance, audience)):
        if burst:
            sent, complained = sent + event.delivered, complained + event.complained
        if sees(score, event):
            if burst:
                return Alarm(complained, sent)
            score = Score()
    return None


def _around_the_burst(chance: random.Random, audience: Audience) -> Iterator[tuple[Event, bool]]:
    before = audience._replace(share=NORMAL)
    hour = 0 if audience.at_once else chance.randrange(1, 13)
    begins_ms = START + DAYS_BEFORE * DAY + hour * HOUR
    for day in range(DAYS_BEFORE + 1):
        for event in day_of(chance, before, day):
            if event.at_ms < begins_ms:
                yield event, False
    for day in range(DAYS_BEFORE, DAYS_BEFORE + 10):
        events = list(day_of(chance, audience, day))
        yield from ((event, True) for event in events if event.at_ms >= begins_ms)


def burst_row(audience: Audience, bursts: int) -> Row:
    found = [alarm(audience, seed) for seed in range(bursts)]
    who = f"burst to {percent(audience.share)}, {audience.per_day:,} a day"
    return Row(
        who + (", all at once" if audience.at_once else ""), f"{bursts:,} bursts", _seen(found)
    )


def _seen(found: list[Alarm | None]) -> str:
    seen = [one for one in found if one is not None]
    text = f"seen within 10 days {percent(len(seen) / len(found))}"
    if not seen:
        return text
    told, sent = [one.complaints for one in seen], [one.deliveries for one in seen]
    return (
        f"{text}, at complaint {point(told, 0.5)} (95 %: {point(told, 0.95)}), by the 8th "
        f"{percent(by_the_eighth(found))}; after {point(sent, 0.5):,} deliveries "
        f"(95 %: {point(sent, 0.95):,})"
    )


def by_the_eighth(found: list[Alarm | None]) -> float:
    return share(one is not None and one.complaints <= 8 for one in found)


def false_row(audience: Audience, accounts: int) -> Row:
    alarms = false_alarms(audience, accounts)
    return Row(
        f"{percent(audience.share)}, {audience.per_day:,} a day"
        + (", all at once" if audience.at_once else "")
        + ", brake alone",
        f"{accounts:,} × 30 d",
        f"{alarms:,.1f} alarms per 1,000 account-months",
    )
