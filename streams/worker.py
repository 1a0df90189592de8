"""One worker: the stages, the runtime below them, and the HTTP server.

Rules of this file: it only puts the parts together.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from typing import TYPE_CHECKING, Final, NoReturn

from streams.admin import topics as topics_admin
from streams.ops.health import liveness, readiness
from streams.ops.held_age import OldestHeld
from streams.ops.http import HttpServer
from streams.ops.lookups import Lookups
from streams.ops.metrics import Observer
from streams.ops.views import accounts, campaigns, customers
from streams.policy import files
from streams.runtime.app import Extras, StreamApp
from streams.runtime.clients import retry_until_available
from streams.runtime.clock import WALL_CLOCK
from streams.runtime.failure import EXIT_REFUSED
from streams.runtime.global_table import GlobalTable
from streams.stages.account.index import index_of
from streams.stages.account.stage import AccountStage
from streams.stages.balance import Balance, balance_of
from streams.stages.customer.erasure import Erasure
from streams.stages.customer.stage import CustomerStage
from streams.stages.routing import Router
from streams.stages.rules import Rules
from streams.stages.rules_stage import RulesStage
from streams.topics import TOPICS, Topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.core.policy import Policy
    from streams.ops.http import Health
    from streams.runtime.clock import Clock
    from streams.runtime.state import State
    from streams.settings import Settings

log = logging.getLogger("decorum.worker")

RARE_COLLECTIONS: Final = (50_000, 20, 100)
"""A batch makes thousands of small values that live only during the batch and form no cycles. With
Python's default of 700, the search for cycles took a quarter of the customer stage's time."""


class Worker:
    """A worker of the group `decorum`, built from settings; it decides by `clock`."""

    def __init__(self, settings: Settings, clock: Clock = WALL_CLOCK) -> None:
        topics = Topics(settings.prefix)
        router = Router(settings.partitions)
        self.rules = Rules(_default_policy(settings))
        self.observer = Observer(settings.prefix)
        self.oldest = OldestHeld(self._states)
        self.clock = clock
        erasure = Erasure(_secret(settings))
        rules_table = GlobalTable(topics.rules_state, self.rules.apply)

        async def rules_known() -> None:
            await rules_table.caught_up_with(topics.policies, topics.controls)
            self.rules.refuse_unread(clock())

        stages = (
            RulesStage(topics, settings.partitions),
            AccountStage(topics, router, self.rules),
            CustomerStage(topics, router, self.rules, erasure),
        )
        counts = {topics.physical(t.name): t.partition_count(settings.partitions) for t in TOPICS}
        self.observer.record_expected({stage.name: counts[stage.changelog] for stage in stages})
        self.app = StreamApp(
            settings,
            stages,
            self.observer,
            Extras(
                start_conditions={"account": rules_known, "customer": rules_known},
                global_tables=[rules_table],
                # As a service too, so that the start conditions are met sooner.
                services=[self._serve, self.oldest.refresh_forever, rules_known],
                topics=[topics.physical(topic.name) for topic in TOPICS],
                address=settings.http,
            ),
            clock=clock,
        )
        lookups = Lookups(self.app, settings.partitions, settings.http, clock)
        subjects = (customers(self.rules, erasure), accounts(self.rules), campaigns(self.rules))
        self.http = HttpServer(
            settings.http_address,
            metrics=self._metrics,
            live=self._live,
            ready=self._ready,
            routes=lookups.routes(subjects),
        )

    def run(self) -> NoReturn:
        """Work until SIGTERM (exit 0) or a failure (exit 70; 2 if an operator has to act)."""
        self.app.run()

    async def _serve(self) -> None:
        await self.http.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.http.stop()

    def _metrics(self) -> bytes:
        """The counters of all commits, and the gauges of the present state."""
        now_ms = self.clock()
        for name, stage in self.app.snapshot().items():
            balance, due_ms = Balance(), now_ms
            for state in self._states(name):
                here = balance_of(state)
                balance.accepted += here.accepted
                balance.settled += here.settled
                balance.held += here.held
                balance.queued += here.queued
                due_ms = min(due_ms, state.next_due_ms() or now_ms)
            self.observer.record_stage(name, stage, balance)
            oldest_seconds = self.oldest.age_seconds(name, now_ms)
            self.observer.record_ages(name, oldest_seconds, (now_ms - due_ms) / 1000)
        grades: Counter[str] = Counter()
        queued = 0
        for state in self._states(AccountStage.name):
            index = index_of(state)
            grades.update(index.grades)
            queued += index.queued()
        self.observer.record_grades(grades)
        self.observer.record_queued(AccountStage.name, queued)
        return self.observer.exposition()

    def _states(self, stage: str) -> Iterator[State]:
        """The states of a stage's partitions that are here and restored."""
        snapshot = self.app.snapshot().get(stage)
        for number in snapshot.assigned if snapshot else ():
            state = self.app.state(stage, number)
            if state is not None:
                yield state

    def _live(self) -> Health:
        return liveness(self.app.snapshot())

    def _ready(self) -> Health:
        return readiness(self.app.snapshot(), joined=self.app.joined)


def _default_policy(settings: Settings) -> Policy:
    if settings.policy is None:
        return files.packaged()[1]
    return files.load_file(settings.policy)[1]


def _secret(settings: Settings) -> bytes | None:
    key = settings.suppression_key
    return None if key is None else key.get_secret_value().encode()


async def _topic_faults(settings: Settings) -> list[str]:
    """The faults of the topics. Waits for a broker that is starting; raises KafkaError."""
    return await retry_until_available(lambda: topics_admin.check(settings))


def run(settings: Settings, clock: Clock = WALL_CLOCK) -> int:
    """Run one worker until SIGTERM; returns 2 if the topics are not what it needs."""
    faults = asyncio.run(_topic_faults(settings))
    for fault in faults:
        log.critical("%s: run `decorum topics`, or correct DECORUM_PARTITIONS", fault)
    if not faults:
        worker = Worker(settings, clock)
        gc.freeze()
        gc.set_threshold(*RARE_COLLECTIONS)
        worker.run()
    return EXIT_REFUSED
