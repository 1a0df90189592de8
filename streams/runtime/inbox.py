"""Records that wait for a partition's next batch.

Rules of this file: it is bounded by count and bytes, so that a slow partition pushes back on the
fetcher. Records of one topic leave in offset order. Several topics are merged by record time, but
only with records that are already here: a best effort, and no rule may depend on it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from streams.runtime.batch import MAX_BYTES, MAX_RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import ConsumerRecord

    Records = Sequence[ConsumerRecord[bytes, bytes]]
    Queue = deque[ConsumerRecord[bytes, bytes]]

HIGH_RECORDS: Final = 4 * MAX_RECORDS  # of one topic: about two fetches
HIGH_BYTES: Final = 2 * MAX_BYTES  # of all topics together


class Inbox:
    """The queues of one partition, one for each source topic."""

    __slots__ = ("_expected", "_queues", "waiting", "waiting_bytes")

    def __init__(self, topics: Iterable[str]) -> None:
        """Start empty."""
        self._queues: dict[str, Queue] = {topic: deque() for topic in topics}
        self._expected: dict[str, int] = {}
        self.waiting = self.waiting_bytes = 0

    @property
    def oldest_ms(self) -> int | None:
        """The timestamp of the oldest waiting record, UTC milliseconds; None if none waits."""
        return min((_head_ms(queue) for queue in self._queues.values() if queue), default=None)

    def has_room(self, topic: str) -> bool:
        """Whether more records of this topic may be added."""
        return len(self._queues[topic]) < HIGH_RECORDS and self.waiting_bytes < HIGH_BYTES

    def add(self, topic: str, records: Records) -> None:
        """Queue records of one topic, in offset order, and drop those that were added before.

        Exactness depends on the drop: if the fetcher moves back, nothing is decided twice.
        """
        expected = self._expected.get(topic, 0)
        if records[0].offset < expected:
            records = [record for record in records if record.offset >= expected]
            if not records:
                return
        self._expected[topic] = records[-1].offset + 1
        self._queues[topic].extend(records)
        self.waiting += len(records)
        self.waiting_bytes += sum(map(_size, records))

    def restart(self, next_offset: Mapping[str, int]) -> None:
        """Drop everything and take records from these offsets on, by topic."""
        self.clear()
        self._expected = dict(next_offset)

    def clear(self) -> None:
        """Drop everything."""
        for queue in self._queues.values():
            queue.clear()
        self.waiting = self.waiting_bytes = 0

    def take(self, most_records: int = MAX_RECORDS, most_bytes: int = MAX_BYTES) -> Records:
        """The next batch: at most `most_records`, and no more once `most_bytes` are reached."""
        queues = [queue for queue in self._queues.values() if queue]
        taken: list[ConsumerRecord[bytes, bytes]] = []
        bytes_left = most_bytes
        while queues and bytes_left > 0 and len(taken) < most_records:
            queues.sort(key=_head_ms)
            until_ms = _head_ms(queues[1]) if len(queues) > 1 else None
            bytes_left -= _take_run(queues[0], until_ms, bytes_left, taken, most_records)
            queues = [queue for queue in queues if queue]
        self.waiting -= len(taken)
        self.waiting_bytes -= most_bytes - bytes_left
        return taken

    def put_back(self, records: Records) -> None:
        """Queue the last records of the batch taken again, before all others."""
        for record in reversed(records):
            self._queues[record.topic].appendleft(record)
        self.waiting += len(records)
        self.waiting_bytes += sum(map(_size, records))


def take_together(inboxes: Mapping[int, Inbox]) -> dict[int, Records]:
    """The records for one batch of several partitions, with the bounds of one inbox.

    A partition with less than an equal share gives all its records, and leaves the rest of its
    share to others. A partition with any records gives at least one, so that another partition's
    huge records cannot starve it.
    """
    taken: dict[int, Records] = {}
    records_left, bytes_left = MAX_RECORDS, MAX_BYTES
    ordered = sorted(inboxes, key=lambda number: inboxes[number].waiting_bytes)
    for left, number in zip(range(len(ordered), 0, -1), ordered, strict=True):
        inbox = inboxes[number]
        before = inbox.waiting_bytes
        taken[number] = inbox.take(records_left // left, max(1, bytes_left // left))
        records_left -= len(taken[number])
        bytes_left -= before - inbox.waiting_bytes
    return taken


def _take_run(
    queue: Queue,
    until_ms: int | None,
    bytes_left: int,
    taken: list[ConsumerRecord[bytes, bytes]],
    most_records: int,
) -> int:
    """Move records up to `until_ms` while bytes are left; returns the bytes moved."""
    moved = 0
    while queue and moved < bytes_left and len(taken) < most_records:
        record = queue[0]
        if until_ms is not None and record.timestamp > until_ms:
            break
        taken.append(queue.popleft())
        moved += _size(record)
    return moved


def _head_ms(queue: Queue) -> int:
    return int(queue[0].timestamp)


def _size(record: ConsumerRecord[bytes, bytes]) -> int:
    return max(0, int(record.serialized_value_size))  # -1 for a tombstone
