"""A demo's day without a broker: the real stages on the driver, with the demo's sender."""

from __future__ import annotations

import heapq
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from streams.demo.account_side import TOPICS_READ
from streams.demo.day import HOUR_MS, Day
from streams.demo.evidence import APPROVED, Evidence
from streams.demo.programs import events_of
from streams.demo.sender import Sender
from streams.policy.files import packaged
from streams.runtime.testing import StageTestDriver
from streams.stages.account.stage import AccountStage
from streams.stages.customer.erasure import Erasure
from streams.stages.customer.stage import CustomerStage
from streams.stages.routing import Router
from streams.stages.rules import Rules
from streams.topics import CANDIDATES, DEAD_LETTERS, DECISIONS, INTENTS, INTERACTIONS, Topics
from tests.flows.events import data_of

if TYPE_CHECKING:
    from streams.core.policy import Policy
    from streams.runtime.testing import DriverRecord

PARTITIONS = 4
READ = {INTENTS, INTERACTIONS, DECISIONS, DEAD_LETTERS, CANDIDATES, *TOPICS_READ, *APPROVED}


STORY = Day(customers=400, accounts=4)


def _smaller_stages() -> Policy:
    policy = packaged()[1]
    assert policy.canary is not None
    canary = msgspec.structs.replace(policy.canary, from_size=100)
    return msgspec.structs.replace(policy, canary=canary)


STORY_POLICY = _smaller_stages()
"""The packaged policy, but campaigns of a small day go by stages too."""


def played(day: Day, policy: Policy) -> list[DriverRecord]:
    """Every record that the demo's audit reads, after a day in which the worker crashed twice."""
    topics, router = Topics(), Router(PARTITIONS)
    rules = Rules(policy)
    stages = (
        AccountStage(topics, router, rules),
        CustomerStage(topics, router, rules, Erasure(None)),
    )
    driver, sender = StageTestDriver(stages, PARTITIONS, clock=day.start_ms), Sender(day.seed)
    crashes = [day.start_ms + hours * HOUR_MS for hours in (12, 5)]
    order, read = count(), 0
    waiting = [(event.at_ms, next(order), event) for event in events_of(day, PARTITIONS)]
    heapq.heapify(waiting)
    while waiting and waiting[0][0] < day.end_ms:
        at_ms = max(driver.now_ms, waiting[0][0]) + 60_000
        while waiting and waiting[0][0] <= at_ms:
            event = heapq.heappop(waiting)[2]
            driver.produce(event.topic, event.key, event.value, event.partition)
        driver.advance(at_ms)
        everything = driver.read_all()
        records, read = everything[read:], len(everything)
        for record in records:
            if record.topic in APPROVED:
                message = data_of(record)
                for event in sender.send(message, driver.now_ms):
                    heapq.heappush(waiting, (event.at_ms, next(order), event))
        if crashes and at_ms > crashes[-1]:
            crashes.pop()
            driver.crash()
    return [record for record in driver.read_all() if record.topic in READ]


@cache
def story() -> list[DriverRecord]:
    """A day with everything in it: see `STORY` and `STORY_POLICY`. Not to be changed."""
    return played(STORY, STORY_POLICY)


def evidence_of(records: list[DriverRecord]) -> Evidence:
    """What the audit knows from these records."""
    evidence = Evidence(PARTITIONS)
    for record in records:
        evidence.add(record.topic, record)
    return evidence
