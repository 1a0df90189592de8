"""What the wire shows of transactions: which records a worker wrote in one, and where they stand.

A transaction is all that one producer writes between two requests to end one (or to begin anew).
Whatever became of it, either everything of it is committed or nothing: the audit compares this
with what is to be read (`torn`). It knows nothing of what the records say, so that it sees half a
transaction where the other half is missed by nobody.

Rules of this file: what is not known, as where the answer to a write was lost, is left out; so a
transaction may be known in part, and is never taken for torn because of that.
"""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka.protocol import produce, transaction
from aiokafka.protocol.api import RequestStruct

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator


KINDS: Final = {
    produce.ProduceRequest.API_KEY: "Produce",
    transaction.InitProducerIdRequest.API_KEY: "InitProducerId",
    transaction.AddPartitionsToTxnRequest.API_KEY: "AddPartitionsToTxn",
    transaction.AddOffsetsToTxnRequest.API_KEY: "AddOffsetsToTxn",
    transaction.TxnOffsetCommitRequest.API_KEY: "TxnOffsetCommit",
    transaction.EndTxnRequest.API_KEY: "EndTxn",
}
"""Every request of a transaction, by its key."""
HEAD: Final = struct.Struct(">hhih")
"""Key, version, correlation id, length of the client's id."""
LENGTH: Final = struct.Struct(">i")
FORMS: Final = {(form.API_KEY, form.API_VERSION): form for form in RequestStruct.__subclasses__()}
PRODUCE: Final = produce.ProduceRequest.API_KEY
BORDERS: Final = {
    transaction.EndTxnRequest.API_KEY,
    transaction.InitProducerIdRequest.API_KEY,
}


class Request(NamedTuple):
    """A request as it was sent; `frame`: with the length before it."""

    key: int
    version: int
    correlation: int
    transactional_id: str
    frame: bytes

    @property
    def kind(self) -> str:
        """Its name."""
        return KINDS[self.key]


class Place(NamedTuple):
    """Where a batch of records begins."""

    topic: str
    partition: int
    offset: int


Transaction = set[Place]


class Wire:
    """The transactions of one worker, its successors' on the same way after its own."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []
        self._open: defaultdict[str, Transaction] = defaultdict(self._begin)

    def asked(self, request: Request) -> Transaction | None:
        """The transaction that a request writes in, if it writes."""
        if request.key in BORDERS:
            self._open.pop(request.transactional_id, None)
        return self._open[request.transactional_id] if request.key == PRODUCE else None

    def named(self, name: Callable[[str], str]) -> list[Transaction]:
        """All of them, with other names for the topics."""
        return [
            {place._replace(topic=name(place.topic)) for place in one} for one in self.transactions
        ]

    def _begin(self) -> Transaction:
        begun: Transaction = set()
        self.transactions.append(begun)
        return begun


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer with its length before it; empty at the end."""
    try:
        length = await reader.readexactly(LENGTH.size)
        return length + await reader.readexactly(LENGTH.unpack(length)[0])
    except asyncio.IncompleteReadError:
        return b""


async def answers(
    reader: asyncio.StreamReader, open_writes: dict[int, tuple[Request, Transaction]]
) -> AsyncIterator[bytes]:
    """One after the other; those to writes tell where a transaction stands."""
    while frame := await read_frame(reader):
        (correlation,) = LENGTH.unpack_from(frame, LENGTH.size)
        if asked := open_writes.pop(correlation, None):
            request, target = asked
            target.update(written(read_answer(request, frame)))
        yield frame


def read_request(frame: bytes) -> Request | None:
    """What a frame is, if it belongs to a transaction."""
    if len(frame) < LENGTH.size + HEAD.size:
        return None
    key, version, correlation, length = HEAD.unpack_from(frame, LENGTH.size)
    if key not in KINDS:
        return None
    place = LENGTH.size + HEAD.size + max(length, 0)
    (size,) = struct.unpack_from(">h", frame, place)  # each of these begins with its producer's id
    if size < 0:
        return None
    name = frame[place + 2 : place + 2 + size].decode()
    return Request(key, version, correlation, name, frame)


def read_answer(request: Request, frame: bytes) -> dict[str, Any]:
    """The answer to it. `frame`: with the length before it. Raises ValueError for another's."""
    form, said = FORMS[request.key, request.version], BytesIO(frame)
    said.seek(LENGTH.size)
    head = form.parse_response_header(form, said)
    if head.correlation_id != request.correlation:
        raise ValueError(f"answer {head.correlation_id} to question {request.correlation}")
    answer: dict[str, Any] = form.RESPONSE_TYPE.decode(said).to_object()
    return answer


def written(answer: dict[str, Any]) -> Iterator[Place]:
    """Where the batches stand that an answer says are written."""
    for topic in answer["topics"]:
        for part in topic["partitions"]:
            if part["error_code"] == 0 and part["offset"] >= 0:
                yield Place(topic["topic"], part["partition"], part["offset"])


def torn(transactions: Iterable[Transaction], committed: set[Place]) -> Iterator[str]:
    """Those of which a part is committed and a part is not."""
    for number, places in enumerate(transactions):
        seen = places & committed
        if seen and seen != places:
            gone = ", ".join("/".join(map(str, place)) for place in sorted(places - seen))
            yield f"transaction {number}: {len(seen)} batches are committed, and not {gone}"
