"""The course of the demo: begin the day, tell it hour by hour, kill the worker, and add up."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from streams import topics_admin
from streams.local import demo_screen as screen
from streams.local.clock import real_ms
from streams.local.demo_audit import Check, audit
from streams.local.demo_day import HOUR_MS, at
from streams.local.demo_programs import events_of
from streams.local.demo_sender import Sender
from streams.local.demo_supervisor import DemoError
from streams.local.demo_traffic import Traffic, all_decided, read_evidence

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from streams.core.policy import Policy
    from streams.local.clock import FastClock
    from streams.local.demo_day import Day
    from streams.local.demo_evidence import Evidence
    from streams.local.demo_supervisor import Supervisor

KILL_AT_MS: Final = at(timedelta(hours=15, minutes=40))
DECIDED_TIMEOUT_S: Final = 60.0
OPENING_MS: Final = 5 * 60_000
"""What goes out this soon after quiet hours was waiting for their end."""


async def play(day: Day, policy: Policy, worker: Supervisor) -> tuple[Evidence, list[Check]]:
    """Play the day and audit it. Raises DemoError where it cannot be played to the end."""
    settings, clock = worker.settings, worker.clock
    await topics_admin.ensure(settings)
    worker.start()
    await worker.ready()
    screen.opening(settings, policy, day, clock.speed)
    sender = Sender(day.seed)
    async with Traffic(settings, clock, events_of(day, settings.partitions), sender) as traffic:
        clock.begin(real_ms())
        worker.tell_beginning()
        await _day(day, policy, worker, traffic)
        try:
            async with asyncio.timeout(DECIDED_TIMEOUT_S):
                await traffic.flush()
                await all_decided(settings)
        except TimeoutError:
            raise DemoError("the worker does not keep up:\n" + worker.log_end()) from None
    unbalanced = await worker.metric("decorum_unbalanced")
    worker.stop()
    evidence = await read_evidence(settings)
    checks = [*audit(evidence, policy), *_supervised(worker, sender, int(unbalanced))]
    return evidence, checks


def _supervised(worker: Supervisor, sender: Sender, unbalanced: int) -> list[Check]:
    return [
        Check(sender.repeats, f"{sender.sent:,} messages sent, {sender.repeats} of them twice"),
        Check(abs(unbalanced), f"the worker's own metric: decorum_unbalanced {unbalanced}"),
        Check(
            worker.died,
            f"the worker was killed {worker.killed} × on purpose and died {worker.died} × by itself",
        ),
    ]


async def _day(day: Day, policy: Policy, worker: Supervisor, traffic: Traffic) -> None:
    """Until the day is over; the programs around the engine run beside it."""
    around = [traffic.produce(), traffic.deliver(), traffic.watch(), worker.keep_alive()]
    tasks = [asyncio.ensure_future(each) for each in around]
    telling = asyncio.gather(_tell_hours(day, policy, traffic), _kill(day, worker))
    await asyncio.wait([*tasks, telling], return_when=asyncio.FIRST_COMPLETED)
    for task in [*tasks, telling]:
        task.cancel()
    for ended in await asyncio.gather(*tasks, telling, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


async def _tell_hours(day: Day, policy: Policy, traffic: Traffic) -> None:
    seen, clock = traffic.seen, traffic.clock
    asked, before = 0, Counter[str]()
    for start_ms in range(day.start_ms, day.end_ms, HOUR_MS):
        await _until(clock, start_ms + HOUR_MS)
        done = seen.outcomes - before
        screen.hour(start_ms, seen.asked - asked, done, seen.outcomes["deferred"])
        asked, before = seen.asked, seen.outcomes.copy()
        _tell_opening(start_ms, policy, seen)


def _tell_opening(start_ms: int, policy: Policy, seen: Evidence) -> None:
    """How many went out as soon as quiet hours ended, if they ended in this hour."""
    if policy.quiet_hours is None:
        return
    day_ms = timedelta(days=1) // timedelta(milliseconds=1)
    midnight_ms = at(timedelta())
    opens_ms = midnight_ms + (start_ms - midnight_ms) // day_ms * day_ms + policy.quiet_hours.to_ms
    if not start_ms <= opens_ms < start_ms + HOUR_MS:
        return
    released = sum(
        last["outcome"] == "approved" and 0 <= last["decided_at_ms"] - opens_ms < OPENING_MS
        for ask in seen.asks.values()
        for _, last in pairwise(ask.decisions)
    )
    screen.event(opens_ms, f"quiet hours end: {released:,} held messages went out, by priority")


async def _kill(day: Day, worker: Supervisor) -> None:
    """Kill the worker in the middle of the afternoon's campaign."""
    if not day.start_ms < KILL_AT_MS < day.end_ms:
        return
    await _until(worker.clock, KILL_AT_MS)
    screen.event(worker.clock(), "kill -9: the worker dies in the middle of its transactions")
    await worker.kill()
    screen.event(worker.clock(), f"a new worker is ready, {worker.down_seconds:.1f} s later")


async def _until(clock: FastClock, moment_ms: int) -> None:
    while (seconds := clock.seconds_until(moment_ms)) > 0:
        await asyncio.sleep(seconds)
