"""Records that wait for a partition's next batch.

Bounded by count and bytes, so that a slow partition pushes back on the fetcher. Records of one
topic leave in the order of their offsets; several topics are merged by record time, as far as
their records are here already: a best effort, on which no rule may rest.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from streams.lane.batch import MAX_BYTES, MAX_RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import ConsumerRecord

    Records = Sequence[ConsumerRecord[bytes, bytes]]
    Queue = deque[ConsumerRecord[bytes, bytes]]

HIGH_RECORDS: Final = 4 * MAX_RECORDS  # of one topic: about what two fetches bring
HIGH_BYTES: Final = 2 * MAX_BYTES  # of all topics together


class Inbox:
    """The queues of one partition, one for each source topic."""

    __slots__ = ("_bytes", "_expected", "_queues", "waiting")

    def __init__(self, topics: Iterable[str]) -> None:
        """Start empty."""
        self._queues: dict[str, Queue] = {topic: deque() for topic in topics}
        self._expected: dict[str, int] = {}
        self._bytes = 0
        self.waiting = 0

    @property
    def oldest_ms(self) -> int | None:
        """The time of the oldest record that waits, UTC milliseconds; None when none does."""
        return min((_head_ms(queue) for queue in self._queues.values() if queue), default=None)

    def has_room(self, topic: str) -> bool:
        """Whether more of this topic may come."""
        return len(self._queues[topic]) < HIGH_RECORDS and self._bytes < HIGH_BYTES

    def add(self, topic: str, records: Records) -> None:
        """Queue records of one topic, in offset order; those that were here before are dropped.

        Exactness rests on the drop: whatever moves the fetcher back, nothing is decided twice.
        """
        expected = self._expected.get(topic, 0)
        if records[0].offset < expected:
            records = [record for record in records if record.offset >= expected]
            if not records:
                return
        self._expected[topic] = records[-1].offset + 1
        self._queues[topic].extend(records)
        self.waiting += len(records)
        self._bytes += sum(map(_size, records))

    def restart(self, next_offset: Mapping[str, int]) -> None:
        """Drop everything and take records from these offsets on, by topic."""
        self.clear()
        self._expected = dict(next_offset)

    def clear(self) -> None:
        """Drop everything."""
        for queue in self._queues.values():
            queue.clear()
        self.waiting = self._bytes = 0

    def take(self) -> Records:
        """The next batch: at most MAX_RECORDS, and no more once MAX_BYTES are reached."""
        queues = [queue for queue in self._queues.values() if queue]
        taken: list[ConsumerRecord[bytes, bytes]] = []
        room = MAX_BYTES
        while queues and room > 0 and len(taken) < MAX_RECORDS:
            queues.sort(key=_head_ms)
            until_ms = _head_ms(queues[1]) if len(queues) > 1 else None
            room -= _take_run(queues[0], until_ms, room, taken)
            queues = [queue for queue in queues if queue]
        self.waiting -= len(taken)
        self._bytes -= MAX_BYTES - room
        return taken


def _take_run(
    queue: Queue, until_ms: int | None, room: int, taken: list[ConsumerRecord[bytes, bytes]]
) -> int:
    """Move records no younger than `until_ms` while there is room; the bytes moved."""
    moved = 0
    while queue and moved < room and len(taken) < MAX_RECORDS:
        record = queue[0]
        if until_ms is not None and record.timestamp > until_ms:
            break
        taken.append(queue.popleft())
        moved += _size(record)
    return moved


def _head_ms(queue: Queue) -> int:
    return int(queue[0].timestamp)


def _size(record: ConsumerRecord[bytes, bytes]) -> int:
    return max(0, int(record.serialized_value_size))  # -1 stands for a tombstone
