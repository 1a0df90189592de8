"""The room for what is private in Faust, and in aiokafka as Faust drives it.

Faust keeps membership, assignment and its thread for heartbeats; the lane takes whole fetches of
its topics before Faust's streams, acks and commits see them. For that this file overrides names
that are not public. Each is listed in PRIVATE_NAMES and held by a contract test, so that an upgrade
fails there, loudly, and not in a running worker. `aiokafka_patches` mends the clients themselves,
`fetch_patches` what they make of what they fetch; no other file may touch a private name.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer import group_coordinator
from aiokafka.errors import IllegalStateError, InconsistentGroupProtocolError, KafkaError
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.runtime.aiokafka_patches import is_member, leave_group
from streams.runtime.failure import StartRefusedError
from streams.runtime.fetch_patches import KEEP_UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import ConsumerRecord, TopicPartition
    from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
    from faust.types import AppT
    from yarl import URL

PRIVATE_NAMES: Final = (
    (driver.Consumer, ("_getmany", "_new_consumer_thread", "_thread")),
    (driver.AIOKafkaConsumerThread, ("_consumer", "_create_worker_consumer", "_ensure_consumer")),
    (group_coordinator.GroupCoordinator, ("check_errors", "request_rejoin", "close", "_send_req")),
    (driver.Producer, ("_new_producer",)),
    (driver.Transport, ("Consumer", "Producer")),
    (TableManager, ("_update_channels",)),
)

POLL_S: Final = 0.2  # how long one look at the fetcher may keep a partition from being opened
SHORT_POLL_S: Final = 0.02  # while a partition is held back, idle ones must not delay it
NOTHING_WANTED_S: Final = 0.01
POSITION_PATIENCE_S: Final = 1.0  # the caller holds locks that a rebalance waits for
# The broker gathers for this long, unless so much is there: few fat fetches, because without fetch
# sessions each costs by the partition, and yet what arrives is fresh.
FETCH_WAIT_MS: Final = 10
FETCH_MIN_BYTES: Final = 64 << 10
OTHER_RULE: Final = (
    "the group has workers that divide partitions by another rule, of another version of Decorum:"
    " stop all of them, then start this one"
)


class FetchHandler(Protocol):
    """What the room needs from the lane."""

    @property
    def client_options(self) -> Mapping[str, Any]:
        """Where the brokers are and how connections are secured."""

    @property
    def assignor(self) -> AbstractPartitionAssignor:
        """Who gets which partition."""

    def owns(self, topic: str) -> bool:
        """Whether the topic is the lane's and not Faust's."""

    def wants(self, topic: str, partition: int) -> bool:
        """Whether a partition of a lane topic takes more records now."""

    def offer(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Accept fetched records of a lane topic."""


def _hub(transport: object) -> FetchHandler:
    """The lane behind a transport; Faust's own types do not know it."""
    if not isinstance(transport, AppTransport):
        raise TypeError(f"the lane's consumer and producer need its transport, not {transport!r}")
    return transport.hub


class AppThread(driver.AIOKafkaConsumerThread):
    """The thread that talks to the group and fetches."""

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        """Faust's own, but read_committed, with our assignor, and one source of security."""
        conf, hub = self.app.conf, _hub(transport)
        return AIOKafkaConsumer(
            **hub.client_options,
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            partition_assignment_strategy=[hub.assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            check_crcs=KEEP_UNREADABLE,
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            fetch_min_bytes=FETCH_MIN_BYTES,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            retry_backoff_ms=50,
        )

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """For Faust's topics only: it seeks after rebalances, but our truth is the watermark.

        The group's offsets lag behind it, and an operator may have set them to anything.
        """
        consumer: AIOKafkaConsumer = self._ensure_consumer()
        hub = _hub(self.transport)
        theirs = [tp for tp in consumer.assignment() if not hub.owns(tp.topic)]
        if not theirs:
            return {}
        offsets: Mapping[TP, int] = await self.call_thread(consumer.seek_to_committed, *theirs)
        return offsets

    async def current_positions(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The fetcher's positions; empty while a rebalance leaves them open."""
        positions: dict[TopicPartition, int] = await self.call_thread(self._current_positions, tps)
        return positions

    async def _current_positions(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        consumer: AIOKafkaConsumer = self._ensure_consumer()
        try:
            async with asyncio.timeout(POSITION_PATIENCE_S):
                return {tp: await consumer.position(tp) for tp in tps}
        except (IllegalStateError, TimeoutError):
            return {}

    async def check_membership(self) -> None:
        """Raise what the group has answered for good; no error if it is not asked yet."""
        if self._consumer is not None:
            await self.call_thread(self._check_membership)

    async def _check_membership(self) -> None:
        try:
            self._ensure_consumer()._coordinator.check_errors()  # noqa: SLF001
        except InconsistentGroupProtocolError as error:
            raise StartRefusedError(OTHER_RULE) from error
        except KafkaError as error:
            if not error.retriable:
                raise

    async def rejoin(self) -> None:
        """Ask the group for a rebalance; lost if one is under way, so ask until it has come."""
        await self.call_thread(self._rejoin)

    async def _rejoin(self) -> None:
        self._ensure_consumer()._coordinator.request_rejoin()  # noqa: SLF001

    async def is_member(self) -> bool:
        """Whether the group counts this member in now. Raises KafkaError."""
        counted: bool = await self.call_thread(self._is_member)
        return counted

    async def _is_member(self) -> bool:
        return await is_member(self._ensure_consumer()._coordinator)  # noqa: SLF001

    async def stay_away(self) -> str:
        """Do not join again, whatever the group says; under which name it knows this member."""
        name: str = await self.call_thread(self._stay_away)
        return name

    async def _stay_away(self) -> str:
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001
        if not coordinator._closing.done():  # noqa: SLF001
            coordinator._closing.set_result(None)  # noqa: SLF001
        name: str = coordinator.member_id
        return name


class AppConsumer(driver.Consumer):
    """Hands whole fetches of lane topics to the lane, and all others to Faust."""

    _thread: AppThread

    def __init__(self, transport: AppTransport, *args: Any, **kwargs: Any) -> None:
        """Faust makes it; the lane reaches it through the transport."""
        self._hub = transport.hub
        self._fetching = asyncio.Lock()
        super().__init__(transport, *args, **kwargs)
        transport.consumer = self

    def _new_consumer_thread(self) -> AppThread:
        return AppThread(self, loop=self.loop, beacon=self.beacon)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's watch over streams knows nothing of the lane's topics."""
        if not self._hub.owns(tp.topic):
            super().verify_event_path(now, tp)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109
    ) -> Mapping[TP, list[Any]]:
        active = active_partitions or set()
        async with self._fetching:
            wanted = {tp for tp in active if not self._hub.owns(tp.topic) or self._hub.wants(*tp)}
            if not wanted:  # to aiokafka an empty set means all
                await asyncio.sleep(NOTHING_WANTED_S)
                return {}
            patience = POLL_S if len(wanted) == len(active) else SHORT_POLL_S
            fetched = await super()._getmany(wanted, min(timeout, patience))
            return self._hand_over(fetched)

    def _hand_over(self, fetched: Mapping[TP, list[Any]]) -> Mapping[TP, list[Any]]:
        """Lane topics to the lane; what is left is for Faust."""
        left: dict[TP, list[Any]] = {}
        for tp, records in fetched.items():
            if self._hub.owns(tp.topic):
                self._hub.offer(tp, records)
            else:
                left[tp] = records
        return left

    async def seek_all(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Put the fetcher at these offsets; False if one of them is not assigned any more."""
        if not {TP(*tp) for tp in offsets} <= self.assignment():
            return False
        try:
            await self.seek_wait({TP(*tp): offset for tp, offset in offsets.items()})
        except IllegalStateError:  # taken away in between
            return False
        return True

    async def check_membership(self) -> None:
        """Raise what the group has answered for good: StartRefusedError or KafkaError."""
        await self._thread.check_membership()

    async def rejoin(self) -> None:
        """Ask the group for a rebalance; lost if one is under way, so ask until it has come."""
        await self._thread.rejoin()

    async def is_member(self) -> bool:
        """Whether the group counts this member in now. Raises KafkaError."""
        return await self._thread.is_member()

    async def leave(self) -> None:
        """Leave the group for good, with a lasting name too. Raises KafkaError.

        Not the consumer's own way, which spares lasting names and waits for a rebalance under way.
        """
        member = await self._thread.stay_away()
        if member:
            await leave_group(self._hub.client_options, self.app.conf.id, member)

    @property
    def quiet(self) -> asyncio.Lock:
        """Hold it to have no fetch in flight and everything fetched handed over."""
        return self._fetching

    async def positions(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The fetcher's positions; empty if unassigned. Call with `quiet` held."""
        return await self._thread.current_positions(tps)


class NoTables(TableManager):
    """Faust's own, which waits a second for tables that the lane does not have."""

    async def on_start(self) -> None:
        """At once what is done else after that second."""
        await self._update_channels()
        await self.recovery.start()


class AppProducer(driver.Producer):
    """Faust's own producer; the lane writes nothing through it."""

    def _new_producer(self, transactional_id: str | None = None) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **_hub(self.transport).client_options, transactional_id=transactional_id
        )


class AppTransport(driver.Transport):
    """Makes Faust build the classes above."""

    Consumer = AppConsumer
    Producer = AppProducer

    def __init__(self, url: list[URL], app: AppT, hub: FetchHandler) -> None:
        """As Faust's, with the lane behind it."""
        super().__init__(url, app)
        self.hub = hub
        self.consumer: AppConsumer | None = None
