"""The course of the demo: begin the day, tell it hour by hour, kill the worker, and add up."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from streams.admin import topics
from streams.demo import screen
from streams.demo.account_audit import account_audit
from streams.demo.audit import Check, audit
from streams.demo.day import HOUR_MS, MINUTE_MS, at
from streams.demo.headlines import Headlines
from streams.demo.programs import events_of
from streams.demo.sender import Sender
from streams.demo.supervisor import DemoError
from streams.demo.traffic import Traffic, read_evidence
from streams.runtime.clock import real_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from streams.core.policy import Policy
    from streams.demo.day import Day
    from streams.demo.evidence import Evidence
    from streams.demo.supervisor import Supervisor
    from streams.runtime.clock import FastClock

KILL_AT_MS: Final = at(timedelta(hours=15, minutes=40))
DECIDED_TIMEOUT_S: Final = 30.0
INTRODUCED_TIMEOUT_S: Final = 60.0
CHECK_S: Final = 0.1
OPENING_MS: Final = 5 * MINUTE_MS
"""What goes out this soon after quiet hours was waiting for their end."""


async def play(day: Day, policy: Policy, worker: Supervisor) -> tuple[Evidence, list[Check]]:
    """Play the day and audit it. Raises DemoError where it cannot be played to the end."""
    settings, clock = worker.settings, worker.clock
    await topics.ensure(settings)
    worker.start()
    await worker.ready()
    screen.opening(settings, policy, day, clock.speed)
    events, sender = events_of(day, settings.partitions), Sender(day.seed)
    began = time.monotonic()
    async with (
        Traffic(settings, clock, events, sender) as traffic,
        _beside(traffic.watch(), worker.keep_alive()),
    ):
        async with _beside(traffic.produce(), traffic.deliver()):
            await _introduced(day, traffic)
            screen.introduced(len(day.relations), time.monotonic() - began)
            clock.begin(real_ms())
            worker.tell_beginning()
            async with _beside(_tell_news(traffic)):
                await asyncio.gather(_tell_hours(day, policy, traffic), _kill(day, worker))
        await traffic.flush()
        # Where it never comes true, the audit says what is missing.
        with suppress(TimeoutError):
            await asyncio.wait_for(_all_decided(traffic, policy), DECIDED_TIMEOUT_S)
        unbalanced = int(await worker.metric("decorum_unbalanced"))
    worker.stop()
    evidence = await read_evidence(settings)
    evidence.accounts.read_ms = traffic.seen.accounts.read_ms
    evidence.accounts.down_ms = worker.down_ms
    context = _around(worker, traffic, evidence, unbalanced)
    return evidence, [*audit(evidence, policy), *account_audit(evidence, policy), *context]


def _around(
    worker: Supervisor, traffic: Traffic, evidence: Evidence, unbalanced: int
) -> list[Check]:
    """What the programs around the engine know besides."""
    sender, lost = traffic.sender, abs(traffic.intents - evidence.intents)
    return [
        Check(lost, f"{traffic.intents:,} records produced = {evidence.intents:,} on the topic"),
        Check(
            sender.repeats,
            f"{sender.sent:,} messages sent, {sender.repeats} twice; {sender.too_late:,} withheld:"
            " their last moment had passed",
        ),
        Check(
            worker.died,
            f"the worker was killed {worker.killed} × on purpose, died {worker.died} × by itself",
        ),
        Check(abs(unbalanced), f"its own metric said so too: decorum_unbalanced {unbalanced}"),
    ]


async def _introduced(day: Day, traffic: Traffic) -> None:
    """Return when the accounts' limits know who knows whom. Raises DemoError."""
    deadline = time.monotonic() + INTRODUCED_TIMEOUT_S
    while True:
        latest = traffic.seen.accounts.latest.values()
        if sum(limits["relations"] for limits in latest) == len(day.relations):
            return
        if time.monotonic() > deadline:
            raise DemoError("the worker did not take in who knows whom in time")
        await asyncio.sleep(CHECK_S)


async def _all_decided(traffic: Traffic, policy: Policy) -> None:
    """Return when every intent produced is seen, decided, forwarded or refused, and every complaint
    has found its way into its account's limits.
    """
    seen, reputation = traffic.seen, policy.reputation
    while (  # noqa: ASYNC110 (what it waits for is a sum of many records)
        seen.intents < traffic.intents
        or (seen.strays - seen.in_place)
        or seen.letters.total() < len(seen.unreadable)
        or seen.asked > sum(seen.outcomes.values())
        or (reputation and seen.accounts.unsettled(reputation.weights))
    ):
        await asyncio.sleep(CHECK_S)


async def _tell_hours(day: Day, policy: Policy, traffic: Traffic) -> None:
    seen, clock = traffic.seen, traffic.clock
    asked, before = 0, Counter[str]()
    for end_ms in range(day.start_ms + HOUR_MS, day.end_ms + 1, HOUR_MS):
        await _until(clock, end_ms)
        _tell_opening(end_ms, policy, seen)
        done = seen.outcomes - before
        screen.hour(end_ms, seen.asked - asked, done, seen.outcomes["deferred"])
        asked, before = seen.asked, seen.outcomes.copy()


async def _tell_news(traffic: Traffic) -> None:
    """Tell what happens to accounts and campaigns as soon as it is known, until cancelled."""
    headlines = Headlines()
    while True:
        for at_ms, text in headlines.fresh(traffic.seen.accounts):
            screen.event(at_ms, text)
        await asyncio.sleep(CHECK_S)


def _tell_opening(end_ms: int, policy: Policy, seen: Evidence) -> None:
    """How many went out as soon as quiet hours ended, if they ended in the last hour."""
    if policy.quiet_hours is None:
        return
    opens_ms = at(timedelta(milliseconds=policy.quiet_hours.to_ms))
    while opens_ms <= end_ms - HOUR_MS:
        opens_ms += 24 * HOUR_MS
    if opens_ms >= end_ms:
        return
    released = sum(
        last["outcome"] == "approved" and 0 <= last["decided_at_ms"] - opens_ms < OPENING_MS
        for request in seen.asks.values()
        for _, last in pairwise(request.decisions)
    )
    screen.event(opens_ms, f"quiet hours end: {released:,} held messages go out, most urgent first")


async def _kill(day: Day, worker: Supervisor) -> None:
    """Kill the worker in the afternoon, with thousands held."""
    if not day.start_ms < KILL_AT_MS < day.end_ms:
        return
    clock = worker.clock
    await _until(clock, KILL_AT_MS)
    screen.event(clock(), "kill -9: the worker dies in the middle of its work, without a word")
    await worker.kill()
    seconds, minutes = worker.down_seconds, worker.down_seconds * clock.speed / 60
    text = f"started again and ready {seconds:.1f} s later, {minutes:.0f} minutes of this day"
    screen.event(clock(), text)


async def _until(clock: FastClock, moment_ms: int) -> None:
    while (seconds := clock.seconds_until(moment_ms)) > 0:  # noqa: ASYNC110 (to be exact)
        await asyncio.sleep(seconds)


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run endless work beside the block, and cancel it at the end; its first failure is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
            yield
            for task in tasks:
                task.cancel()
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
