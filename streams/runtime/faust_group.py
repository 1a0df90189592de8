"""The thread in which Faust talks to the consumer group, as the runtime needs it.

Rules of this file: as in `faust_adapter`. Each name that is private in Faust, or in aiokafka as
Faust drives it, is listed in PRIVATE_NAMES and held by a contract test.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import group_coordinator
from aiokafka.errors import IllegalStateError, InconsistentGroupProtocolError, KafkaError
from faust.transport.drivers import aiokafka as driver

from streams.runtime.aiokafka_patches import is_member
from streams.runtime.failure import StartRefusedError
from streams.runtime.fetch_patches import KEEP_UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from aiokafka import ConsumerRecord, TopicPartition
    from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
    from faust.types import TP, AppT
    from yarl import URL

PRIVATE_NAMES: Final = (
    (driver.AIOKafkaConsumerThread, ("_consumer", "_create_worker_consumer", "_ensure_consumer")),
    (group_coordinator.GroupCoordinator, ("check_errors", "request_rejoin", "close", "_send_req")),
)

POSITION_PATIENCE_S: Final = 1.0  # the caller holds locks that a rebalance waits for
# The broker waits this long for FETCH_MIN_BYTES: few large fetches, because without fetch sessions
# each fetch costs something for every partition; and records still arrive fresh.
FETCH_WAIT_MS: Final = 10
FETCH_MIN_BYTES: Final = 64 << 10
OTHER_RULE: Final = (
    "the group has workers that divide partitions by another rule, of another version of Decorum:"
    " stop all of them, then start this one"
)


class FetchHandler(Protocol):
    """What Faust's classes need from the runtime."""

    @property
    def client_options(self) -> Mapping[str, Any]:
        """Where the brokers are and how connections are secured."""

    @property
    def assignor(self) -> AbstractPartitionAssignor:
        """Decides which worker gets which partition."""

    def owns(self, topic: str) -> bool:
        """Whether the topic belongs to the runtime and not to Faust."""

    def wants(self, topic: str, partition: int) -> bool:
        """Whether a partition of a stage's topic takes more records now."""

    def offer(self, tp: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Take fetched records of a stage's topic."""


class HandlerTransport(driver.Transport):
    """Faust's transport, with the runtime behind it."""

    def __init__(self, url: list[URL], app: AppT, handler: FetchHandler) -> None:
        """As Faust's own, plus the handler of what is fetched."""
        super().__init__(url, app)
        self.handler = handler


def handler_of(transport: object) -> FetchHandler:
    """The runtime behind a transport, which Faust's own types do not know."""
    if not isinstance(transport, HandlerTransport):
        raise TypeError(f"consumer and producer need the runtime's transport, not {transport!r}")
    return transport.handler


class AppThread(driver.AIOKafkaConsumerThread):
    """The thread that talks to the group and fetches."""

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        """Faust's own, but read_committed, with our assignor and our connection options alone."""
        conf, handler = self.app.conf, handler_of(transport)
        return AIOKafkaConsumer(
            **handler.client_options,
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            partition_assignment_strategy=[handler.assignor],
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
        """Seek Faust's own topics only; Faust calls this after each rebalance.

        A stage's position is its checkpoint. The group's offsets lag behind it, and an operator may
        have set them to anything.
        """
        consumer: AIOKafkaConsumer = self._ensure_consumer()
        handler = handler_of(self.transport)
        theirs = [tp for tp in consumer.assignment() if not handler.owns(tp.topic)]
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
        """Raise the group's final refusal; no error if the group was not asked yet."""
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
        """Ask the group for a rebalance. During a rebalance the request is lost, so repeat it until
        the next rebalance comes.
        """
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
        """Never join again; returns the name under which the group knows this member."""
        name: str = await self.call_thread(self._stay_away)
        return name

    async def _stay_away(self) -> str:
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001
        if not coordinator._closing.done():  # noqa: SLF001
            coordinator._closing.set_result(None)  # noqa: SLF001
        name: str = coordinator.member_id
        return name
