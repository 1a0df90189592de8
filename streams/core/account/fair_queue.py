"""The order of an account's queue: whose turn it is among what waits for the account's pace.

1. The highest priority first, strictly.
2. Within a priority, fair between groups (campaigns): each has a turn of `QUANTUM` customers, then
   the next one (round robin). A campaign of a million delays one of a hundred by a turn at a time.
3. Within a group the oldest first.

This is deficit round robin (Shreedhar and Varghese 1996): what a turn takes too much is off the
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

from collections import Counter
from typing import TYPE_CHECKING

from streams.core.account.turns import QUANTUM, Level, sub_queue_key

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

    from streams.core.account.turns import Entry, Turn


class FairQueue:
    """What waits for one account."""

    def __init__(self) -> None:
        self._moved: set[tuple[int, str]] = set()
        self._entries: dict[int, Entry] = {}
        self._levels: dict[int, Level] = {}
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

    def _level(self, priority: int) -> Level:
        level = self._levels.get(priority)
        if level is None:
            level = self._levels[priority] = Level()
            self._order = sorted(self._levels, reverse=True)
        return level
