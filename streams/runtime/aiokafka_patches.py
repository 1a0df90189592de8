"""Patches of aiokafka's clients: what has to be repaired or set in them.

Importing this file sets the constants; the rest is called or subclassed.

Rules of this file: it decides nothing and knows nothing of the rest of the runtime. Each private
name is listed in PRIVATE_NAMES and held by a contract test, so that an upgrade fails in a test and
not in a running worker; see `faust_adapter` for the other files that may use private names.
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

# A transaction that begins before the markers of the last one are written has to try again.
# aiokafka then waits 20 ms, which is longer than the markers take.
TRANSACTION_RETRY_S: Final = 0.003


class InDoubtError(Exception):
    """A request of a transaction got no answer: it may have arrived, or arrive later.

    It is not a KafkaError: after one, aiokafka would send the request again.
    """


# A second one of these in the same epoch could act on a later transaction than its own.
ONCE: Final = (
    AddPartitionsToTxnRequest,
    AddOffsetsToTxnRequest,
    TxnOffsetCommitRequest,
    ProduceRequest,
    EndTxnRequest,
)
GIVE_UP_S: Final = 1.0


class OnceProducer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka ships no types
    """A transactional producer that sends nothing more after a request without an answer.

    aiokafka handles the broker's answers, and tries again if the broker did not act. Without an
    answer, aiokafka's sender ends, and with it the producer. Besides, if the node that is asked for
    a coordinator dies, this producer asks another one; aiokafka's own would end.
    """

    def __init__(self, **options: Any) -> None:
        """As aiokafka's."""
        super().__init__(**options)
        self._doubt: InDoubtError | None = None
        self._send, self.client.send = self.client.send, self._send_once
        self._lookup = self.client.coordinator_lookup
        self.client.coordinator_lookup = self._retry_coordinator_lookup

    async def start(self) -> None:
        """As aiokafka's; if another fence overtakes this one, it may be tried again."""
        try:
            await super().start()
        except InvalidProducerEpoch as error:
            raise NodeNotReadyError("another fence of this id came in between") from error

    def cause_of(self, error: BaseException) -> BaseException:
        """Why a transaction failed: the error that ended the sender, if it has ended."""
        task = self._sender.sender_task
        if task is None or not task.done() or task.cancelled():
            return error
        ended = task.exception()
        return (ended.__cause__ or ended) if ended else error

    async def give_up(self) -> None:
        """Stop at once: what was sent may still arrive, and nothing more is sent."""
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
        """Raise the doubt, which ends the sender; its leftover tasks are cancelled silently."""
        task = self._sender.sender_task
        if self._doubt is not None:
            self._close_connections()  # also those opened meanwhile
            raise asyncio.CancelledError if task is not None and task.done() else self._doubt

    async def _retry_coordinator_lookup(self, kind: int, key: str) -> int:
        self._refuse_if_in_doubt()
        try:
            node: int = await self._lookup(kind, key)
        except KafkaConnectionError as error:
            raise NodeNotReadyError(str(error)) from error
        return node


async def leave_group(options: Mapping[str, Any], group: str, member: str) -> None:
    """Remove a member from its group. Raises KafkaError.

    It uses its own connection: on the member's connection it would wait for a join in progress.
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
    if the group cannot answer now.
    """
    known = (coordinator.group_id, coordinator.generation, coordinator.member_id)
    answer = await coordinator._send_req(HeartbeatRequest(*known))  # noqa: SLF001
    error = for_code(answer.error_code)
    if error in {NoError, RebalanceInProgressError}:  # the next generation has not begun
        return True
    if error in {UnknownMemberIdError, IllegalGenerationError}:
        return False
    raise error


sender.BACKOFF_OVERRIDE = TRANSACTION_RETRY_S
