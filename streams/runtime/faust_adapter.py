"""How the runtime takes records from Faust.

Faust keeps membership, assignment and its heartbeat thread. The runtime takes whole fetches of its
topics before Faust's streams, acks and commits see them. For that, this file and `faust_group`
override names that are private in Faust.

Rules of this file: each private name is listed in PRIVATE_NAMES and held by a contract test, so
that an upgrade fails in a test and not in a running worker. Private names stand in four files only:
`faust_group` and this one (Faust), `aiokafka_patches` (clients), `fetch_patches` (what a consumer
makes of fetched bytes).
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import faust
from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalStateError
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.runtime.aiokafka_patches import leave_group
from streams.runtime.faust_group import AppThread, HandlerTransport, handler_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import TopicPartition
    from faust.types import AppT
    from yarl import URL

    from streams.runtime.faust_group import FetchHandler

PRIVATE_NAMES: Final = (
    (driver.Consumer, ("_getmany", "_new_consumer_thread", "_thread")),
    (driver.Producer, ("_new_producer",)),
    (driver.Transport, ("Consumer", "Producer")),
    (TableManager, ("_update_channels",)),
)

SESSION_S: Final = 6.0  # the broker's minimum: how long a dead worker keeps its partitions
HEARTBEAT_S: Final = 0.3  # also how long a rebalance waits until the last member hears of it
REBALANCE_S: Final = 10.0
MAX_FETCH_BYTES: Final = 1 << 20
POLL_S: Final = 0.2  # how long one poll of the fetcher may delay the opening of a partition
SHORT_POLL_S: Final = 0.02  # while some partition takes no records, idle ones must not delay it
NOTHING_WANTED_S: Final = 0.01


class AppConsumer(driver.Consumer):
    """Hands whole fetches of the stages' topics to the runtime, and all others to Faust."""

    _thread: AppThread

    def __init__(self, transport: AppTransport, *args: Any, **kwargs: Any) -> None:
        """Faust makes it; the runtime reaches it through the transport."""
        self._handler = transport.handler
        self._fetching = asyncio.Lock()
        super().__init__(transport, *args, **kwargs)
        transport.consumer = self

    def _new_consumer_thread(self) -> AppThread:
        return AppThread(self, loop=self.loop, beacon=self.beacon)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's check for stuck streams; the stages' topics have no streams."""
        if not self._handler.owns(tp.topic):
            super().verify_event_path(now, tp)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109
    ) -> Mapping[TP, list[Any]]:
        active, handler = active_partitions or set(), self._handler
        async with self._fetching:
            wanted = {tp for tp in active if not handler.owns(tp.topic) or handler.wants(*tp)}
            if not wanted:  # to aiokafka an empty set means all
                await asyncio.sleep(NOTHING_WANTED_S)
                return {}
            patience = POLL_S if len(wanted) == len(active) else SHORT_POLL_S
            fetched = await super()._getmany(wanted, min(timeout, patience))
            return self._hand_over(fetched)

    def _hand_over(self, fetched: Mapping[TP, list[Any]]) -> Mapping[TP, list[Any]]:
        """Offer records of the stages' topics to the runtime; the rest goes to Faust."""
        left: dict[TP, list[Any]] = {}
        for tp, records in fetched.items():
            if self._handler.owns(tp.topic):
                self._handler.offer(tp, records)
            else:
                left[tp] = records
        return left

    async def seek_all(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Put the fetcher at these offsets; False if a partition is not assigned any more."""
        if not {TP(*tp) for tp in offsets} <= self.assignment():
            return False
        try:
            await self.seek_wait({TP(*tp): offset for tp, offset in offsets.items()})
        except IllegalStateError:  # revoked meanwhile
            return False
        return True

    async def check_membership(self) -> None:
        """Raise the group's final refusal: StartRefusedError or KafkaError."""
        await self._thread.check_membership()

    async def rejoin(self) -> None:
        """Ask the group for a rebalance; see `AppThread.rejoin`."""
        await self._thread.rejoin()

    async def is_member(self) -> bool:
        """Whether the group counts this member in now. Raises KafkaError."""
        return await self._thread.is_member()

    async def leave(self) -> None:
        """Leave the group for good, even as a static member. Raises KafkaError.

        aiokafka's own way keeps static members in the group and waits for a rebalance to end.
        """
        member = await self._thread.stay_away()
        if member:
            await leave_group(self._handler.client_options, self.app.conf.id, member)

    @property
    def quiet(self) -> asyncio.Lock:
        """While you hold it, no fetch is in flight and everything fetched is handed over."""
        return self._fetching

    async def positions(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The fetcher's positions; empty if unassigned. Call with `quiet` held."""
        return await self._thread.current_positions(tps)


class NoTables(TableManager):
    """Faust's own waits one second for tables, and the runtime has none."""

    async def on_start(self) -> None:
        """Do at once what Faust does after that second."""
        await self._update_channels()
        await self.recovery.start()


class AppProducer(driver.Producer):
    """Faust's own producer; the runtime writes nothing through it."""

    def _new_producer(self, transactional_id: str | None = None) -> AIOKafkaProducer:
        options = handler_of(self.transport).client_options
        return AIOKafkaProducer(**options, transactional_id=transactional_id)


class AppTransport(HandlerTransport):
    """Makes Faust build the classes above."""

    Consumer = AppConsumer
    Producer = AppProducer

    def __init__(self, url: list[URL], app: AppT, handler: FetchHandler) -> None:
        """`consumer` is None until Faust has made one."""
        super().__init__(url, app, handler)
        self.consumer: AppConsumer | None = None


def faust_app(group: str, instance: str | None) -> faust.App:
    """A Faust app that keeps membership and nothing else; `instance`: for static membership."""
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
        consumer_max_fetch_size=MAX_FETCH_BYTES,
        consumer_group_instance_id=instance,
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_rebalance_timeout=REBALANCE_S,
    )
