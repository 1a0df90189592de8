"""The public door of the runtime: stages in, one running worker out.

`StreamApp(...).run()` runs in one event loop: Faust's group membership, the units of the stages,
the global tables and the services beside them. It ends on SIGTERM or SIGINT (exit 0), or on any
failure (exit 70; 2 if an operator has to act first).

Rules of this file: no failure is swallowed; a supervisor restarts the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Protocol

import uvloop
from aiokafka.errors import KafkaError
from yarl import URL

from streams.runtime.assignor import StickyUnits
from streams.runtime.clients import partition_counts
from streams.runtime.clock import WALL_CLOCK
from streams.runtime.context import UnitContext
from streams.runtime.failure import end_process
from streams.runtime.faust_adapter import AppTransport, faust_app
from streams.runtime.preflight import check_topics, topics_needed
from streams.runtime.tasks import run_or_exit, silence_settled_errors
from streams.runtime.unit_manager import UnitManager
from streams.runtime.units import Units

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    import faust

    from streams.runtime.clock import Clock
    from streams.runtime.context import Observer, Source
    from streams.runtime.global_table import GlobalTable
    from streams.runtime.snapshot import StageSnapshot
    from streams.runtime.stage import Stage
    from streams.runtime.state import State

LINGER_S: Final = 0.015  # best at 1,000 records/s, where the broker limits: measured
WATCH_S: Final = 0.5
HANDOVER_PATIENCE_S: Final = 30.0  # for other workers to warm up what this one has
CLOSE_PATIENCE_S: Final = 15.0  # after that the broker aborts an open transaction
LEAVE_PATIENCE_S: Final = 3.0

log = logging.getLogger("decorum.lane")


class AppSettings(Protocol):
    """The part of Decorum's settings that the runtime reads."""

    @property
    def prefix(self) -> str:
        """Stands before the group and every transactional id."""

    @property
    def instance(self) -> str | None:
        """A lasting name for static membership."""

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for every aiokafka client."""


class Extras(NamedTuple):
    """What a worker runs or needs beside the stages."""

    start_conditions: Mapping[str, Callable[[], Awaitable[None]]] = {}
    """By stage name: awaited before the stage's partitions accept records."""
    global_tables: Sequence[GlobalTable] = ()
    services: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    """Run in the same loop from the start to the end, and cancelled at the end."""
    topics: Sequence[str] = ()
    """Topics that must exist besides the stages' own: those they write to."""
    address: str = ""
    """host:port where this worker serves look-ups; all workers learn it."""


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
        self._manager: UnitManager | None = None

    def snapshot(self) -> dict[str, StageSnapshot]:
        """The state of each stage on this worker, by its name."""
        return self._manager.snapshot() if self._manager else {}

    @property
    def joined(self) -> bool:
        """Whether this worker has acted on a first assignment: from then on a snapshot shows what
        it decides and what it warms up.
        """
        return self._manager is not None and self._manager.has_joined

    def state(self, stage: str, partition: int) -> State | None:
        """A partition's state to look at, never to change; None if not owned or not restored."""
        return self._manager.state(stage, partition) if self._manager else None

    def owner(self, stage: str, partition: int) -> str | None:
        """The address of the worker that decides this partition, as of the last rebalance."""
        first = next(s.sources[0] for s in self._stages if s.name == stage)
        return self._assignor.owners.get((first, partition))

    def run(self) -> NoReturn:
        """Work until SIGTERM, SIGINT or a failure; never returns."""
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # Faust's threads too
        silence_settled_errors()
        try:
            asyncio.run(self._run())
        except BaseException as exc:  # noqa: BLE001
            end_process("worker", exc)
        logging.shutdown()
        os._exit(os.EX_OK)  # everything is committed: skip the shutdown of Faust and its threads

    async def _run(self) -> None:
        stopping = _stop_signal()
        if await _is_stopped_before_done(self._check(), stopping.wait()):
            return
        app, manager = self._build()
        work = [table.run(self._options) for table in self._extras.global_tables]
        work += [service() for service in self._extras.services]
        work += [_end_on_crash(app), manager.watch()]
        work.append(app.start())
        tasks = [asyncio.create_task(run_or_exit("worker", coroutine)) for coroutine in work]
        await stopping.wait()
        await self._hand_over(manager)
        async with asyncio.timeout(CLOSE_PATIENCE_S):
            await manager.close()
        await _leave_group(manager, tasks)

    async def _hand_over(self, manager: UnitManager) -> None:
        """Keep deciding until other workers have warmed up what this one has, up to a limit."""
        try:
            async with asyncio.timeout(HANDOVER_PATIENCE_S):
                await manager.hand_over()
        except TimeoutError:
            log.warning("other workers are not warm yet; they restore after this worker has ended")

    async def _check(self) -> None:
        others = self._extras.topics
        counts = await partition_counts(self._options, topics_needed(self._stages, others))
        check_topics(self._stages, others, counts)
        self._partitions = {s.name: counts[s.changelog] for s in self._stages}

    def _build(self) -> tuple[faust.App, UnitManager]:
        app = faust_app(self._group, self._instance)
        units = Units(self._stages, self._partitions)
        manager = self._manager = UnitManager(units, self._options, self._assignor)
        transport = AppTransport([URL("kafka://")], app, manager)
        manager.attach(transport, self._context(manager))
        app.transport = app.producer_transport = transport
        for topic in sorted({t for stage in self._stages for t in stage.sources}):
            app.topics.add(app.topic(topic, value_serializer="raw", acks=False))
        app.on_partitions_revoked.connect(manager.on_revoked)
        app.on_partitions_assigned.connect(manager.on_assigned)
        return app, manager

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


def _stop_signal() -> asyncio.Event:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


async def _is_stopped_before_done(
    work: Coroutine[Any, Any, Any], stop: Coroutine[Any, Any, Any]
) -> bool:
    """Do the work until it is done or `stop` ends; whether `stop` came first."""
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
    """Raise Faust's own failures, so that they end the process like any other."""
    while not app.crashed:  # noqa: ASYNC110 (another thread sets it)
        await asyncio.sleep(WATCH_S)
    raise app.crash_reason or RuntimeError("Faust crashed without a reason")


async def _leave_group(manager: UnitManager, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Leave the group, so that others take over at once and not after the session timeout."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=WATCH_S)
    try:
        async with asyncio.timeout(LEAVE_PATIENCE_S):
            await manager.leave()
    except (TimeoutError, KafkaError):
        log.warning("could not leave the group; others take over after the session timeout")
