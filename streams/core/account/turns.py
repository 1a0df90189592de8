"""The parts of an account's queue: entries in sub-queues, sub-queues in groups, groups in levels.

A level is a priority; its groups take turns (`fair_queue` says why so). Rules of this file: an
index in memory; only the turns are stored.
"""

from __future__ import annotations

from collections import OrderedDict
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

QUANTUM: Final = 50
"""Customers of one group's turn: five seconds of a green account's packaged rate. Much smaller, and
each turn rewrites another slice for a handful of customers; much larger, and a small campaign waits
minutes for its turn at an amber account's rate. No outcome depends on it, only the order."""


class Entry(msgspec.Struct):
    """One slice that waits; `left`: its customers not yet passed on.

    `seq` names it within its account and grows with time. `group`: the campaign, or what stands
    for one where there is none. Of a campaign's customers, `share` is the position of the next one
    in its audience, and `step` 0 where that is released and 1 where it is not.
    """

    seq: int
    priority: int
    accepted_ms: int
    group: str
    kind: int
    campaign: str | None
    step: int
    left: int
    share: float = 0.0


SubQueueKey = tuple[int, str | None, int]


class SubQueue:
    """Entries that are open or closed together, the oldest first; removed ones are passed later."""

    __slots__ = ("heap", "live")

    def __init__(self) -> None:
        self.live: dict[int, Entry] = {}
        self.heap: list[tuple[int, int]] = []

    def add(self, entry: Entry) -> None:
        """Let an entry wait."""
        self.live[entry.seq] = entry
        heappush(self.heap, (entry.accepted_ms, entry.seq))

    def remove(self, seq: int) -> None:
        """Let an entry wait no longer."""
        del self.live[seq]
        if len(self.heap) > 2 * len(self.live):  # bounded by what lives; amortised O(1)
            self.heap = [(entry.accepted_ms, entry.seq) for entry in self.live.values()]
            heapify(self.heap)

    def first(self) -> Entry:
        """The oldest entry that waits."""
        while self.heap[0][1] not in self.live:
            heappop(self.heap)
        return self.live[self.heap[0][1]]


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """A group's turn: the lowest number of a priority is next; `used`: of its `QUANTUM`."""

    number: int
    used: int = 0


class Group:
    """A group's sub-queues of one priority, and its turn."""

    __slots__ = ("sub_queues", "turn")

    def __init__(self, turn: Turn) -> None:
        self.sub_queues: dict[SubQueueKey, SubQueue] = {}
        self.turn = turn

    def entries(self) -> Iterator[Entry]:
        """Every entry, in no particular order."""
        for sub_queue in self.sub_queues.values():
            yield from sub_queue.live.values()

    def next(self, is_open: Callable[[Entry], bool], closed: Container[int]) -> Entry | None:
        """The oldest first entry of a sub-queue that is open; of `closed` kinds none is asked."""
        asked = [queue for key, queue in self.sub_queues.items() if key[0] not in closed]
        if not asked:
            return None
        firsts = sorted((sub_queue.first() for sub_queue in asked), key=_age)
        return next((entry for entry in firsts if is_open(entry)), None)


class Level:
    """One priority: its groups in the order of their turns, and its customers in all."""

    __slots__ = ("customers", "groups")

    def __init__(self) -> None:
        self.groups: OrderedDict[str, Group] = OrderedDict()
        self.customers = 0

    def sub_queue(self, entry: Entry) -> SubQueue:
        """The sub-queue that an entry belongs to, made if there is none."""
        group = self.groups.get(entry.group)
        if group is None:
            group = self.groups[entry.group] = Group(Turn(self.last() + 1))
        key = sub_queue_key(entry)
        sub_queue = group.sub_queues.get(key)
        if sub_queue is None:
            sub_queue = group.sub_queues[key] = SubQueue()
        return sub_queue

    def last(self) -> int:
        """The number of the last turn."""
        return next(reversed(self.groups.values())).turn.number if self.groups else 0

    def serve(self, name: str, count: int) -> None:
        """A group has used up so much of its turn; then it is the next one's."""
        group = self.groups[name]
        used = group.turn.used + count
        if used >= QUANTUM:
            group.turn = Turn(self.last() + 1, used % QUANTUM)
            self.groups.move_to_end(name)
        else:
            group.turn = Turn(group.turn.number, used)

    def resume(self, turns: Mapping[str, Turn]) -> None:
        """Go on with these turns."""
        for name, group in self.groups.items():
            group.turn = turns.get(name, group.turn)
        by_turn = sorted(self.groups.items(), key=lambda item: item[1].turn.number)
        self.groups = OrderedDict(by_turn)


def sub_queue_key(entry: Entry) -> SubQueueKey:
    """What the entries of a sub-queue have in common within their group."""
    return entry.kind, entry.campaign, entry.step


def _age(entry: Entry) -> tuple[int, int]:
    return entry.accepted_ms, entry.seq
