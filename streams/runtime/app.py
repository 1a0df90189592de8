"""The public door of the lane: stages in, one running worker out.

`Lane(...).run()` runs Faust's membership, the stages' partitions, the followers of broadcast state
and the services beside them in one event loop, until SIGTERM or SIGINT (exit 0) or any failure
(exit 70; 2 if an operator has to act first). It must never swallow a failure: supervisors restart.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Protocol

import faust
import uvloop
from aiokafka.errors import KafkaError
from yarl import URL

from streams.runtime.assignor import StickyUnits
from streams.runtime.clients import partition_counts
from streams.runtime.context import UnitContext
from streams.runtime.failure import end_process
from streams.runtime.faust_adapter import AppTransport, NoTables
from streams.runtime.preflight import check_topics, topics_needed
from streams.runtime.tasks import run_or_exit, silence_settled_errors
from streams.runtime.unit_manager import UnitManager

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from streams.runtime.context import Clock, Observer, Source
    from streams.runtime.global_table import GlobalTable
    from streams.runtime.snapshot import StageSnapshot
    from streams.runtime.stage import Stage
    from streams.runtime.state import State

LINGER_S: Final = 0.015  # at low load: measured best at 1,000/s, where the broker is what is short
SESSION_S: Final = 6.0  # the broker's minimum: how long a dead worker keeps its partitions
HEARTBEAT_S: Final = 0.3  # also how long a rebalance waits for the last to hear of it
REBALANCE_S: Final = 10.0
WATCH_S: Final = 0.5
HANDOVER_PATIENCE_S: Final = 30.0  # for others to read ahead what this worker has
CLOSE_PATIENCE_S: Final = 15.0  # an open transaction is aborted by the broker after that
LEAVE_PATIENCE_S: Final = 3.0

log = logging.getLogger("decorum.lane")


class WallClock:
    """UTC milliseconds as the machine has them."""

    def __call__(self) -> int:
        """The time now."""
        return time.time_ns() // 1_000_000

    def seconds_until(self, moment_ms: int) -> float:
        """Seconds until then; negative once it has passed."""
        return (moment_ms - self()) / 1000


WALL_CLOCK: Final = WallClock()


class AppSettings(Protocol):
    """The part of Decorum's settings that the lane reads."""

    @property
    def prefix(self) -> str:
        """Put before the group and every transactional id."""

    @property
    def instance(self) -> str | None:
        """A lasting name for static membership."""

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for every aiokafka client."""


class Extras(NamedTuple):
    """What runs or is needed beside the stages."""

    start_conditions: Mapping[str, Callable[[], Awaitable[None]]] = {}
    """For a stage's name: awaited before its partitions accept records."""
    global_tables: Sequence[GlobalTable] = ()
    services: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    """Run in the same loop from the start to the end, cancelled at the end."""
    topics: Sequence[str] = ()
    """Topics that have to exist besides the stages' own: what the stages write to."""
    address: str = ""
    """host:port where this worker serves look-ups; told to all workers."""


class StreamApp:
    """One worker of a group that runs these stages."""

    def __init__(  # noqa: PLR0913
        self,
        settings: AppSettings,
        stages: Sequence[Stage],
        observer: Observer,
        extras: Extras = Extras(),  # noqa: B008
        *,
        group: str = "decorum",
        clock: Clock = WALL_CLOCK,
        linger_s: float = LINGER_S,
    ) -> None:
        """Nothing is connected before `run`; `clock` gives UTC milliseconds."""
        self._options = settings.client_options()
        self._instance = settings.instance
        self._stages, self._extras = stages, extras
        self._assignor = StickyUnits([s.sources for s in stages], extras.address)
        self._group = settings.prefix + group
        self._observer, self._clock, self._linger_s = observer, clock, linger_s
        self._partitions: dict[str, int] = {}
        self._units: UnitManager | None = None

    def snapshot(self) -> dict[str, StageSnapshot]:
        """How each stage stands on this worker, by its name."""
        return self._units.snapshot() if self._units else {}

    @property
    def joined(self) -> bool:
        """Whether the group has told what is to be decided and what to be read ahead here, and this
        has begun: from then on a snapshot shows it.
        """
        return self._units is not None and self._units.has_joined

    def state(self, stage: str, partition: int) -> State | None:
        """A partition's state to look at, never to change; None if not owned or recovering."""
        return self._units.state(stage, partition) if self._units else None

    def owner(self, stage: str, partition: int) -> str | None:
        """The address of the worker that decides this partition, as of the last rebalance."""
        first = next(s.sources[0] for s in self._stages if s.name == stage)
        return self._assignor.owners.get((first, partition))

    def run(self) -> NoReturn:
        """Work until told to stop; never returns."""
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # Faust's threads too
        silence_settled_errors()
        try:
            asyncio.run(self._run())
        except BaseException as exc:  # noqa: BLE001
            end_process("worker", exc)
        logging.shutdown()
        os._exit(os.EX_OK)  # all is committed and left; Faust and its threads need no farewell

    async def _run(self) -> None:
        stopping = _stop_signal()
        if await _done_before(self._check(), stopping.wait()):
            return
        app, unit_manager = self._build()
        work = [follower.run(self._options) for follower in self._extras.global_tables]
        work += [service() for service in self._extras.services]
        work += [_end_on_crash(app), unit_manager.watch()]
        work.append(app.start())
        tasks = [asyncio.create_task(run_or_exit("worker", coroutine)) for coroutine in work]
        await stopping.wait()
        await self._hand_over(unit_manager)
        async with asyncio.timeout(CLOSE_PATIENCE_S):
            await unit_manager.close()
        await _leave_group(unit_manager, tasks)

    async def _hand_over(self, unit_manager: UnitManager) -> None:
        """Decide on until others have warmed up what is here; they do in vain if they take long."""
        try:
            async with asyncio.timeout(HANDOVER_PATIENCE_S):
                await unit_manager.hand_over()
        except TimeoutError:
            log.warning("others were not ready to take over; they begin when this worker has ended")

    async def _check(self) -> None:
        others = self._extras.topics
        counts = await partition_counts(self._options, topics_needed(self._stages, others))
        check_topics(self._stages, others, counts)
        self._partitions = {s.name: counts[s.changelog] for s in self._stages}

    def _build(self) -> tuple[faust.App, UnitManager]:
        app = _faust_app(self._group, self._instance)
        unit_manager = self._units = UnitManager(
            self._stages, self._options, self._assignor, self._partitions
        )
        transport = AppTransport([URL("kafka://")], app, unit_manager)
        unit_manager.attach(transport, self._context(unit_manager))
        app.transport = app.producer_transport = transport
        for topic in sorted({t for stage in self._stages for t in stage.sources}):
            app.topics.add(app.topic(topic, value_serializer="raw", acks=False))
        app.on_partitions_revoked.connect(unit_manager.on_revoked)
        app.on_partitions_assigned.connect(unit_manager.on_assigned)
        return app, unit_manager

    def _context(self, source: Source) -> UnitContext:
        return UnitContext(
            options=self._options,
            group=self._group,
            source=source,
            observer=self._observer,
            start_conditions=self._extras.start_conditions,
            clock=self._clock,
            linger_s=self._linger_s,
        )


def _faust_app(group: str, instance: str | None) -> faust.App:
    scratch = Path(tempfile.gettempdir()) / "decorum-faust"  # Faust insists on one; stays empty
    scratch.mkdir(exist_ok=True)
    return faust.App(
        group,
        datadir=str(scratch),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        TableManager=NoTables,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=1 << 20,
        consumer_group_instance_id=instance,
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_rebalance_timeout=REBALANCE_S,
    )


def _stop_signal() -> asyncio.Event:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


async def _done_before(work: Coroutine[Any, Any, Any], stop: Coroutine[Any, Any, Any]) -> bool:
    """Do the work unless told to stop meanwhile; whether it was stopped."""
    tasks = [asyncio.create_task(work), asyncio.create_task(stop)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    if tasks[0].done():
        tasks[1].cancel()
        tasks[0].result()
        return False
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    return True


async def _end_on_crash(app: faust.App) -> None:
    """Faust's own failures surface here, and end the process like any other."""
    while not app.crashed:  # noqa: ASYNC110 (told from another thread as well)
        await asyncio.sleep(WATCH_S)
    raise app.crash_reason or RuntimeError("Faust crashed without a reason")


async def _leave_group(unit_manager: UnitManager, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Leave the group, so that others take over at once instead of after the session."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=WATCH_S)
    try:
        async with asyncio.timeout(LEAVE_PATIENCE_S):
            await unit_manager.leave()
    except (TimeoutError, KafkaError):
        log.warning("could not leave the group; others take over after the session")
