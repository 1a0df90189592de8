"""The order of an account's queue: whose turn it is among what waits for the account's pace.

1. The highest priority first, strictly.
2. Within a priority, fair between groups (campaigns): each has a turn of `QUANTUM` customers, then
   the next one (round robin). A campaign of a million delays one of a hundred by a turn at a time.
3. Within a group the oldest first.

This is deficit round robin (Shreedhar and Varghese 1995): what a turn takes too much is off the
group's next one. An *entry* is one slice of an intent. Entries that share priority, group, kind,
campaign and step stand in one *sub-queue*: they open and close together (a step is released, a
campaign paused, a kind under a control), so only the first of a sub-queue is ever asked whether it
is open. The cost of a turn grows with the sub-queues passed over, never with their entries.

Rules of this file: an index in memory, made anew from the state's slices, in any order. Whose turn
it is must survive that, or a restart would change who goes when: so each group's turn has a number,
which is stored when it moves (`moved`) and resumed after a restart (`resume`). It knows nothing of
why an entry is closed.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
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


class _SubQueue:
    """Entries that are open or closed together, the oldest first; removed ones are passed later."""

    __slots__ = ("heap", "live")

    def __init__(self) -> None:
        self.live: dict[int, Entry] = {}
        self.heap: list[tuple[int, int]] = []

    def add(self, entry: Entry) -> None:
        self.live[entry.seq] = entry
        heappush(self.heap, (entry.accepted_ms, entry.seq))

    def remove(self, seq: int) -> None:
        del self.live[seq]
        if len(self.heap) > 2 * len(self.live):  # bounded by what lives; amortised O(1)
            self.heap = [(entry.accepted_ms, entry.seq) for entry in self.live.values()]
            heapify(self.heap)

    def first(self) -> Entry:
        while self.heap[0][1] not in self.live:
            heappop(self.heap)
        return self.live[self.heap[0][1]]


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """A group's turn: the lowest number of a priority is next; `used`: of its `QUANTUM`."""

    number: int
    used: int = 0


class _Group:
    """A group's sub-queues of one priority, and its turn."""

    __slots__ = ("sub_queues", "turn")

    def __init__(self, turn: Turn) -> None:
        self.sub_queues: dict[SubQueueKey, _SubQueue] = {}
        self.turn = turn

    def entries(self) -> Iterator[Entry]:
        for sub_queue in self.sub_queues.values():
            yield from sub_queue.live.values()

    def next(self, is_open: Callable[[Entry], bool], closed: Container[int]) -> Entry | None:
        asked = [queue for key, queue in self.sub_queues.items() if key[0] not in closed]
        if not asked:
            return None
        firsts = sorted((sub_queue.first() for sub_queue in asked), key=_age)
        return next((entry for entry in firsts if is_open(entry)), None)


class _Level:
    """One priority: its groups in the order of their turns, and its customers in all."""

    __slots__ = ("customers", "groups")

    def __init__(self) -> None:
        self.groups: OrderedDict[str, _Group] = OrderedDict()
        self.customers = 0

    def sub_queue(self, entry: Entry) -> _SubQueue:
        group = self.groups.get(entry.group)
        if group is None:
            group = self.groups[entry.group] = _Group(Turn(self.last() + 1))
        key = sub_queue_key(entry)
        sub_queue = group.sub_queues.get(key)
        if sub_queue is None:
            sub_queue = group.sub_queues[key] = _SubQueue()
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


class FairQueue:
    """What waits for one account."""

    def __init__(self) -> None:
        self._moved: set[tuple[int, str]] = set()
        self._entries: dict[int, Entry] = {}
        self._levels: dict[int, _Level] = {}
        self._order: list[int] = []  # priorities that wait, the highest first
        self._kinds: Counter[int] = Counter()
        self.emptied: set[str] = set()
        """Groups of which the last entry of some priority went; for the owner to clear."""

    def __len__(self) -> int:
        """How many entries wait."""
        return len(self._entries)

    def __contains__(self, seq: object) -> bool:
        """Whether the entry of this number waits."""
        return seq in self._entries

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the order in which they were added."""
        yield from self._entries.values()

    def waits_for(self, group: str) -> bool:
        """Whether anything of a group waits."""
        return any(group in level.groups for level in self._levels.values())

    def has(self, kind: int) -> bool:
        """Whether anything of a kind waits."""
        return self._kinds[kind] > 0

    def of(self, group: str) -> Iterator[Entry]:
        """Every entry of a group, in no particular order."""
        for level in self._levels.values():
            if group in level.groups:
                yield from level.groups[group].entries()

    def get(self, seq: int) -> Entry | None:
        """The entry of this number, if it still waits."""
        return self._entries.get(seq)

    def customers(self, priority: int = 0) -> int:
        """Customers that wait with this priority or a higher one."""
        return sum(level.customers for at, level in self._levels.items() if at >= priority)

    def add(self, entry: Entry) -> None:
        """Let an entry wait. ValueError if one of its number does already, or it is empty."""
        if entry.seq in self._entries or entry.left < 1:
            raise ValueError(f"entry {entry.seq} waits already, or for nobody")
        self._entries[entry.seq] = entry
        self._kinds[entry.kind] += 1
        level = self._level(entry.priority)
        level.customers += entry.left
        if entry.group not in level.groups:
            self._moved.add((entry.priority, entry.group))
        level.sub_queue(entry).add(entry)

    def remove(self, seq: int) -> None:
        """Let an entry wait no longer: forwarded or ended. Unknown ones change nothing."""
        entry = self._entries.pop(seq, None)
        if entry is None:
            return
        self._kinds[entry.kind] -= 1
        level = self._levels[entry.priority]
        level.customers -= entry.left
        group = level.groups[entry.group]
        sub_queue = group.sub_queues[sub_queue_key(entry)]
        sub_queue.remove(seq)
        if not sub_queue.live:
            del group.sub_queues[sub_queue_key(entry)]
        if not group.sub_queues:
            del level.groups[entry.group]
            self._moved.add((entry.priority, entry.group))
            self.emptied.add(entry.group)
        if not level.groups:
            del self._levels[entry.priority]
            self._order.remove(entry.priority)

    def move(self, entry: Entry, share: float, step: int) -> None:
        """Let an entry wait for another share; it keeps its turn."""
        entry.share = share
        if step == entry.step:
            return
        level = self._levels[entry.priority]
        sub_queues = level.groups[entry.group].sub_queues
        sub_queue = sub_queues[sub_queue_key(entry)]
        sub_queue.remove(entry.seq)
        if not sub_queue.live:
            del sub_queues[sub_queue_key(entry)]
        entry.step = step
        level.sub_queue(entry).add(entry)

    def next(self, is_open: Callable[[Entry], bool], closed: Container[int] = ()) -> Entry | None:
        """Whose turn it is; None if nothing is open. Of kinds that are `closed`, nobody is asked:
        `is_open` may add to them.

        `is_open` may look at priority, group, kind, campaign and step alone: it is asked for one
        entry of a sub-queue, and its answer is taken for all of them.
        """
        for priority in self._order:
            for group in self._levels[priority].groups.values():
                entry = group.next(is_open, closed)
                if entry is not None:
                    return entry
        return None

    def turn(self, entry: Entry) -> int:
        """How many of the entry's customers may go before it is the next group's turn."""
        return min(entry.left, QUANTUM - self._levels[entry.priority].groups[entry.group].turn.used)

    def served(self, seq: int, count: int) -> None:
        """`count` customers of the entry were forwarded; at `QUANTUM` it is the next group's turn.

        Raises KeyError for an entry that does not wait.
        """
        entry = self._entries[seq]
        level = self._levels[entry.priority]
        level.serve(entry.group, count)
        self._moved.add((entry.priority, entry.group))
        self.shorten(seq, count)

    def shorten(self, seq: int, count: int) -> None:
        """`count` customers of the entry wait no longer, and it was nobody's turn."""
        entry = self._entries[seq]
        gone = min(count, entry.left)
        if gone == entry.left:
            self.remove(seq)
        else:
            entry.left -= gone
            self._levels[entry.priority].customers -= gone

    def moved(self) -> Iterator[tuple[tuple[int, str], Turn | None]]:
        """The turns that have changed since they were last asked for; None: the group is gone."""
        for priority, name in sorted(self._moved):
            level = self._levels.get(priority)
            group = None if level is None else level.groups.get(name)
            yield (priority, name), None if group is None else group.turn
        self._moved.clear()

    def resume(self, turns: Mapping[tuple[int, str], Turn]) -> None:
        """Take turns up where they were left, in a queue that was made anew."""
        for priority, level in self._levels.items():
            level.resume({name: turn for (at, name), turn in turns.items() if at == priority})
        self._moved.clear()

    def _level(self, priority: int) -> _Level:
        level = self._levels.get(priority)
        if level is None:
            level = self._levels[priority] = _Level()
            self._order = sorted(self._levels, reverse=True)
        return level


def sub_queue_key(entry: Entry) -> SubQueueKey:
    """What the entries of a sub-queue have in common within their group."""
    return entry.kind, entry.campaign, entry.step


def _age(entry: Entry) -> tuple[int, int]:
    return entry.accepted_ms, entry.seq
