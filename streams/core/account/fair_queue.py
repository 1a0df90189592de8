"""The order of an account's queue: whose turn it is among what waits for the account's pace.

1. The highest priority first, strictly.
2. Within a priority, fair between groups (campaigns): each has a turn of `QUANTUM` customers, then
   the next one (round robin). A campaign of a million delays one of a hundred by a turn at a time.
3. Within a group the oldest first.

A *place* is one slice of an intent. Places that share priority, group, kind, campaign and step
stand in one *lane*: they open and close together (a step is released, a campaign paused, a kind
under a control), so only the first of a lane is ever asked whether it is open. The cost of a turn
grows with the lanes passed over, never with the places in them.

Rules of this file: an index in memory, made anew from the state's slices, in any order. Whose turn
it is must survive that, or a restart would change who goes when: so each group's turn has a number,
which is stored when it moves (`moved`) and taken up again (`resume`). It knows nothing of why a
place is closed.
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
    for one where there is none. Of a campaign's customers, `share` is the place of the next one in
    its audience, and `step` 0 where that is released and 1 where it is not.
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
    """Places that are open or closed together, the oldest first; removed ones are passed later."""

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
    """A campaign's lanes of one priority, and its turn."""

    __slots__ = ("lanes", "turn")

    def __init__(self, turn: Turn) -> None:
        self.lanes: dict[SubQueueKey, _SubQueue] = {}
        self.turn = turn

    def places(self) -> Iterator[Entry]:
        for lane in self.lanes.values():
            yield from lane.live.values()

    def next(self, is_open: Callable[[Entry], bool], closed: Container[int]) -> Entry | None:
        lanes = [lane for key, lane in self.lanes.items() if key[0] not in closed]
        if not lanes:
            return None
        firsts = sorted((lane.first() for lane in lanes), key=_age)
        return next((entry for entry in firsts if is_open(entry)), None)


class _Level:
    """One priority: its groups in the order of their turns, and its customers in all."""

    __slots__ = ("customers", "groups")

    def __init__(self) -> None:
        self.groups: OrderedDict[str, _Group] = OrderedDict()
        self.customers = 0

    def lane(self, entry: Entry) -> _SubQueue:
        group = self.groups.get(entry.group)
        if group is None:
            group = self.groups[entry.group] = _Group(Turn(self.last() + 1))
        key = sub_queue_key(entry)
        lane = group.lanes.get(key)
        if lane is None:
            lane = group.lanes[key] = _SubQueue()
        return lane

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
        """Take up these turns."""
        for name, group in self.groups.items():
            group.turn = turns.get(name, group.turn)
        by_turn = sorted(self.groups.items(), key=lambda item: item[1].turn.number)
        self.groups = OrderedDict(by_turn)


class FairQueue:
    """What waits for one account."""

    def __init__(self) -> None:
        self._moved: set[tuple[int, str]] = set()
        self._places: dict[int, Entry] = {}
        self._levels: dict[int, _Level] = {}
        self._order: list[int] = []  # priorities that wait, the highest first
        self._kinds: Counter[int] = Counter()
        self.emptied: set[str] = set()
        """Groups of which the last place of some priority went; for the owner to clear."""

    def __len__(self) -> int:
        """How many places wait."""
        return len(self._places)

    def __contains__(self, seq: object) -> bool:
        """Whether the place of that name waits."""
        return seq in self._places

    def entries(self) -> Iterator[Entry]:
        """Every place, in the order in which they were added."""
        yield from self._places.values()

    def waits_for(self, group: str) -> bool:
        """Whether anything of a group waits."""
        return any(group in level.groups for level in self._levels.values())

    def has(self, kind: int) -> bool:
        """Whether anything of a kind waits."""
        return self._kinds[kind] > 0

    def of(self, group: str) -> Iterator[Entry]:
        """Every place of a group, in no particular order."""
        for level in self._levels.values():
            if group in level.groups:
                yield from level.groups[group].places()

    def get(self, seq: int) -> Entry | None:
        """The place of that name, if it still waits."""
        return self._places.get(seq)

    def customers(self, priority: int = 0) -> int:
        """Customers that wait with this priority or a higher one."""
        return sum(level.customers for at, level in self._levels.items() if at >= priority)

    def add(self, entry: Entry) -> None:
        """Let a place wait. Raises ValueError if one of that name already does, or it is empty."""
        if entry.seq in self._places or entry.left < 1:
            raise ValueError(f"place {entry.seq} waits already, or for nobody")
        self._places[entry.seq] = entry
        self._kinds[entry.kind] += 1
        level = self._level(entry.priority)
        level.customers += entry.left
        if entry.group not in level.groups:
            self._moved.add((entry.priority, entry.group))
        level.lane(entry).add(entry)

    def remove(self, seq: int) -> None:
        """Let a place wait no longer: passed, expired or cancelled. Unknown ones change nothing."""
        entry = self._places.pop(seq, None)
        if entry is None:
            return
        self._kinds[entry.kind] -= 1
        level = self._levels[entry.priority]
        level.customers -= entry.left
        group = level.groups[entry.group]
        lane = group.lanes[sub_queue_key(entry)]
        lane.remove(seq)
        if not lane.live:
            del group.lanes[sub_queue_key(entry)]
        if not group.lanes:
            del level.groups[entry.group]
            self._moved.add((entry.priority, entry.group))
            self.emptied.add(entry.group)
        if not level.groups:
            del self._levels[entry.priority]
            self._order.remove(entry.priority)

    def move(self, entry: Entry, share: float, step: int) -> None:
        """Let a place wait for another share; it keeps its turn."""
        entry.share = share
        if step == entry.step:
            return
        level = self._levels[entry.priority]
        lanes = level.groups[entry.group].lanes
        lane = lanes[sub_queue_key(entry)]
        lane.remove(entry.seq)
        if not lane.live:
            del lanes[sub_queue_key(entry)]
        entry.step = step
        level.lane(entry).add(entry)

    def next(self, is_open: Callable[[Entry], bool], closed: Container[int] = ()) -> Entry | None:
        """Whose turn it is; None if nothing is open. Of kinds that are `closed`, nobody is asked:
        `is_open` may add to them.

        `is_open` may look at priority, group, kind, campaign and step alone: it is asked for one
        place of a lane, and its answer is taken for all of them.
        """
        for priority in self._order:
            for group in self._levels[priority].groups.values():
                entry = group.next(is_open, closed)
                if entry is not None:
                    return entry
        return None

    def turn(self, entry: Entry) -> int:
        """How many of the place's customers may go before it is the next group's turn."""
        return min(entry.left, QUANTUM - self._levels[entry.priority].groups[entry.group].turn.used)

    def served(self, seq: int, count: int) -> None:
        """`count` customers of the place were passed on; at `QUANTUM` the turn is the next group's.

        What a turn took too much is off the group's next one. Raises KeyError for a place that does
        not wait.
        """
        entry = self._places[seq]
        level = self._levels[entry.priority]
        level.serve(entry.group, count)
        self._moved.add((entry.priority, entry.group))
        self.shorten(seq, count)

    def shorten(self, seq: int, count: int) -> None:
        """`count` customers of the place wait no longer, and it was nobody's turn."""
        entry = self._places[seq]
        passed = min(count, entry.left)
        if passed == entry.left:
            self.remove(seq)
        else:
            entry.left -= passed
            self._levels[entry.priority].customers -= passed

    def moved(self) -> Iterator[tuple[tuple[int, str], Turn | None]]:
        """The turns that have changed since they were last asked for; None: the group is gone."""
        for priority, name in sorted(self._moved):
            level = self._levels.get(priority)
            group = None if level is None else level.groups.get(name)
            yield (priority, name), None if group is None else group.turn
        self._moved.clear()

    def resume(self, turns: Mapping[tuple[int, str], Turn]) -> None:
        """Take turns up where they were left, in a line that was made anew."""
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
    """What the places of a lane have in common within their group."""
    return entry.kind, entry.campaign, entry.step


def _age(entry: Entry) -> tuple[int, int]:
    return entry.accepted_ms, entry.seq
