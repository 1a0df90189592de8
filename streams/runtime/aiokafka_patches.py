"""The room for what has to be mended or set in aiokafka's own clients.

What classes and constants need is done by importing it; the rest is called. It decides nothing and
knows nothing of the lane. Each private name is listed in PRIVATE_NAMES and held by a contract test,
so that an upgrade fails there and not in a running worker. What lies between Faust and aiokafka is
in `faust_adapter`, and how a consumer unpacks what it has fetched in `fetch_patches`; no other file
may touch a private name.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    IllegalGenerationError,
    IncompatibleBrokerVersion,
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    NoError,
    RebalanceInProgressError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.producer import sender
from aiokafka.protocol.group import HeartbeatRequest, LeaveGroupRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    TxnOffsetCommitRequest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka.consumer.group_coordinator import GroupCoordinator
    from aiokafka.protocol.api import Request, Response

PRIVATE_NAMES: Final = (
    (sender, ("BACKOFF_OVERRIDE",)),
    (sender.Sender, ("sender_task", "_fail_all")),
)

# A transaction begun before the last one's markers are written is told to try again; aiokafka then
# waits 20 ms, which is more than the markers take.
TRANSACTION_RETRY_S: Final = 0.003


class InDoubtError(Exception):
    """A request of a transaction was sent and not answered: it may have arrived, or arrive later.

    It is no KafkaError, after which aiokafka would send the request again.
    """


# A second one of these in the same epoch could act on a later transaction than it was meant for.
ONCE: Final = (
    AddPartitionsToTxnRequest,
    AddOffsetsToTxnRequest,
    TxnOffsetCommitRequest,
    ProduceRequest,
    EndTxnRequest,
)
GIVE_UP_S: Final = 1.0


class OnceProducer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka ships no types
    """A transactional producer that says nothing more after a request without an answer.

    What the broker answers is handled by aiokafka, which tries again where that helps: the broker
    did not act. Without an answer, aiokafka's sender ends, and with it the producer. Also, another
    node is asked when the one that was asked for a coordinator dies, which aiokafka takes for the
    end of the producer.
    """

    def __init__(self, **options: Any) -> None:
        """As aiokafka's."""
        super().__init__(**options)
        self._doubt: InDoubtError | None = None
        self._send, self.client.send = self.client.send, self._send_once
        self._lookup = self.client.coordinator_lookup
        self.client.coordinator_lookup = self._retry_coordinator_lookup

    async def start(self) -> None:
        """As aiokafka's; a fence that another one overtook is a try that may be repeated."""
        try:
            await super().start()
        except InvalidProducerEpoch as error:
            raise NodeNotReadyError("another fence of this id came in between") from error

    def cause_of(self, error: BaseException) -> BaseException:
        """Why a transaction failed: what ended the sender, over which all else trips later."""
        task = self._sender.sender_task
        if task is None or not task.done() or task.cancelled():
            return error
        ended = task.exception()
        return (ended.__cause__ or ended) if ended else error

    async def give_up(self) -> None:
        """Break off, whatever is under way: what was sent may yet arrive, no more is sent."""
        self._doubt = self._doubt or InDoubtError("given up")
        self._close_connections()
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVE_UP_S):
                await self.stop()
        await self.client.close()

    def _close_connections(self) -> None:
        for connection in list(self.client._conns.values()):  # noqa: SLF001
            connection.close()

    async def _send_once(
        self, node: int, request: Request, *, group: ConnectionGroup = ConnectionGroup.DEFAULT
    ) -> Response:
        if not isinstance(request, ONCE):
            return await self._send(node, request, group=group)
        self._refuse_if_in_doubt()
        if not await self.client.ready(node, group=group):
            raise NodeNotReadyError(f"node {node} cannot be reached, so nothing was sent")
        self._refuse_if_in_doubt()
        try:
            return await self._send(node, request, group=group)
        except (NodeNotReadyError, IncompatibleBrokerVersion):  # before anything is sent
            raise
        except KafkaError as error:
            self._refuse_if_in_doubt()
            self._doubt = InDoubtError(f"{type(request).__name__} was sent and not answered")
            raise self._doubt from error

    def _refuse_if_in_doubt(self) -> None:
        """The first error ends the sender; a task that it leaves behind ends without a word."""
        task = self._sender.sender_task
        if self._doubt is not None:
            self._close_connections()  # also what was being connected in the meantime
            raise asyncio.CancelledError if task is not None and task.done() else self._doubt

    async def _retry_coordinator_lookup(self, kind: int, key: str) -> int:
        self._refuse_if_in_doubt()
        try:
            node: int = await self._lookup(kind, key)
        except KafkaConnectionError as error:
            raise NodeNotReadyError(str(error)) from error
        return node


async def leave_group(options: Mapping[str, Any], group: str, member: str) -> None:
    """Take a member out of its group, on a connection of its own: on the member's, a join that is
    under way would come first. Raises KafkaError.
    """
    client = AIOKafkaClient(**options)
    try:
        await client.bootstrap()
        node = await client.coordinator_lookup(CoordinationType.GROUP, group)
        await client.send(node, LeaveGroupRequest(group, member))
    finally:
        await client.close()


async def is_member(coordinator: GroupCoordinator) -> bool:
    """Whether the group still has this member in the generation that it knows. Raises KafkaError
    where nobody can say so now.
    """
    known = (coordinator.group_id, coordinator.generation, coordinator.member_id)
    answer = await coordinator._send_req(HeartbeatRequest(*known))  # noqa: SLF001
    error = for_code(answer.error_code)
    if error in {NoError, RebalanceInProgressError}:  # the next generation is not there yet
        return True
    if error in {UnknownMemberIdError, IllegalGenerationError}:
        return False
    raise error


sender.BACKOFF_OVERRIDE = TRANSACTION_RETRY_S
