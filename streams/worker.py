"""One worker: the stages, the lane under them, and its window to the outside.

The one place where the parts are put together. Rules of this file: wiring only.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn

from aiokafka.errors import KafkaError

from streams import policies, topics_admin
from streams.lane.clients import CONNECT_PATIENCE_S, CONNECT_PAUSE_S
from streams.lane.failure import EXIT_REFUSED
from streams.lane.follower import Follower
from streams.lane.lane import WALL_CLOCK, Extras, Lane
from streams.ops.http import Health, HttpServer
from streams.ops.metrics import Observer
from streams.stages.account import AccountStage
from streams.stages.balance import Balance, balance_of
from streams.stages.customer import CustomerStage
from streams.stages.erasure import Erasure
from streams.stages.routing import Router
from streams.stages.rules import Rules, RulesStage
from streams.topics import TOPICS, Topics

if TYPE_CHECKING:
    from streams.core.policy import Policy
    from streams.lane.partition import Clock
    from streams.settings import Settings

log = logging.getLogger("decorum.worker")

RARE_COLLECTIONS: Final = (50_000, 20, 100)
"""A batch makes thousands of small values that die with it and form no cycles: at Python's default
of 700 the search for cycles took a quarter of the customer stage's time."""

STALLED_S: Final = 60.0
"""A partition with work waiting that commits nothing for so long is not alive: four times the
longest a transaction may stay open."""


class Worker:
    """A worker of the group `decorum`, built from settings. `clock`: the time to decide by."""

    def __init__(self, settings: Settings, clock: Clock = WALL_CLOCK) -> None:
        topics = Topics(settings.prefix)
        router = Router(settings.partitions)
        self.rules = Rules(_default_policy(settings))
        self.observer = Observer(settings.prefix)
        self.http = HttpServer(
            settings.http_address, metrics=self._metrics, live=self._live, ready=self._ready
        )
        follower = Follower(topics.rules_state, self.rules.apply)

        async def rules_known() -> None:
            await follower.caught_up_with(topics.policies, topics.controls)

        stages = (
            RulesStage(topics, settings.partitions),
            AccountStage(topics, router),
            CustomerStage(topics, router, self.rules, Erasure(_secret(settings))),
        )
        self.lane = Lane(
            settings,
            stages,
            self.observer,
            Extras(
                gates={"account": rules_known, "customer": rules_known},
                followers=[follower],
                services=[self._serve],
                topics=[topics.physical(topic.name) for topic in TOPICS],
                address=settings.http,
            ),
            clock=clock,
        )

    def run(self) -> NoReturn:
        """Work until SIGTERM (exit 0) or the first failure (exit 70, or 2 to be mended by hand)."""
        self.lane.run()

    async def _serve(self) -> None:
        await self.http.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.http.stop()

    def _metrics(self) -> bytes:
        """The counters as committed, and the gauges as the partitions stand now."""
        for name, stage in self.lane.snapshot().items():
            balance = Balance()
            for number in stage.assigned:
                state = self.lane.state(name, number)
                if state is not None:
                    here = balance_of(state)
                    balance.accepted += here.accepted
                    balance.settled += here.settled
                    balance.held += here.held
            self.observer.stands(name, stage, balance)
        return self.observer.exposition()

    def _live(self) -> Health:
        stalled = [
            name
            for name, stage in self.lane.snapshot().items()
            if stage.waiting_records and stage.progress_age_seconds > STALLED_S
        ]
        return Health(not stalled, {"stalled_stages": stalled, "at": time.time()})

    def _ready(self) -> Health:
        stages = self.lane.snapshot()
        behind = [name for name, stage in stages.items() if stage.accepting != stage.assigned]
        assigned = any(stage.assigned for stage in stages.values())
        detail: dict[str, Any] = {
            name: {"assigned": stage.assigned, "accepting": stage.accepting}
            for name, stage in stages.items()
        }
        return Health(assigned and not behind, {"recovering": behind, "stages": detail})


def _default_policy(settings: Settings) -> Policy:
    if settings.policy is None:
        return policies.packaged()[1]
    return policies.load_file(settings.policy)[1]


def _secret(settings: Settings) -> bytes | None:
    key = settings.suppression_key
    return None if key is None else key.get_secret_value().encode()


async def _topic_faults(settings: Settings) -> list[str]:
    """What is wrong with the topics. Waits for a broker that is starting; raises KafkaError."""
    give_up_at = time.monotonic() + CONNECT_PATIENCE_S
    while True:
        try:
            return await topics_admin.check(settings)
        except KafkaError as error:
            if not error.retriable or time.monotonic() > give_up_at:
                raise
        await asyncio.sleep(CONNECT_PAUSE_S)


def run(settings: Settings, clock: Clock = WALL_CLOCK) -> int:
    """Run one worker until it is told to stop; 2 where the topics are not what it needs."""
    faults = asyncio.run(_topic_faults(settings))
    for fault in faults:
        log.critical("%s: run `decorum topics`, or correct DECORUM_PARTITIONS", fault)
    if not faults:
        worker = Worker(settings, clock)
        gc.freeze()
        gc.set_threshold(*RARE_COLLECTIONS)
        worker.run()
    return EXIT_REFUSED
