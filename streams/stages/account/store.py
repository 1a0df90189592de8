"""One account as the account stage keeps it: its state, its queue's state, and who waits in it.

Stored are the account's state, the queue's, the slices that wait and whose turn it is; in memory,
beside the partition's state, stand the same, decoded, and the order of the queue. Rules of this
file: bytes and timers in and out; who may go on is the core's to say.
"""

from __future__ import annotations

from collections import Counter
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.account.case import QueueState
from streams.core.account.deadlines import Deadlines
from streams.core.account.fair_queue import FairQueue
from streams.core.account.state import dump, load
from streams.core.account.turns import Entry
from streams.core.campaign_state import position_of
from streams.core.kinds import STAGED, Kind
from streams.core.reasons import Reason
from streams.events.keys import parts_of
from streams.stages.account.slices import Slices
from streams.stages.account.totals import released_share
from streams.stages.state_keys import DRAIN_TIMER, EXPIRY_TIMER, QUEUE_STATE, REVIEW_TIMER, TURN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from streams.core.customer.request import Request
    from streams.core.customer.rules import KindRules
    from streams.runtime.state import DueTimer, State
    from streams.stages.account.slices import QueuedSlice

CUT_MOST: Final = 10_000
"""Entries that are cut off at once: more than one batch can end."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(QueueState).decode


class StoredAccount:
    """One account, decoded, and its queue."""

    __slots__ = (
        "_store",
        "deadlines",
        "enterprise",
        "key",
        "name",
        "queue",
        "queue_state",
        "slices",
        "state",
        "unpublished",
    )

    def __init__(self, key: bytes, store: State) -> None:
        """`store`: the partition's state."""
        self.key = key
        self.enterprise, self.name = parts_of(key)
        self._store = store
        self.state = load(store.get(key))
        self.queue_state = load_queue_state(store.get(QUEUE_STATE + key))
        self.queue = FairQueue()
        self.deadlines = Deadlines()
        self.unpublished = dict.fromkeys(self.queue_state.unpublished)
        self.slices = Slices(key, store)

    # --- in ---

    def add(self, slice_: QueuedSlice, customers: list[str]) -> None:
        """Let customers wait; they are stored at the batch's end, if they still wait then.

        Who is named twice stands in a slice of their own as well: a ticket is one customer's.
        """
        for names in _each_once(customers):
            seq = self.queue_state.next_seq
            self.queue_state.next_seq += 1
            self.slices.add(seq, slice_, names)
            self.unpublished[seq] = None
            self.enter(seq, slice_, len(names))

    def enter(self, seq: int, slice_: QueuedSlice, left: int) -> None:
        """Enter a slice, in which so many customers wait, into the queue's order."""
        entry = _entry(seq, slice_, left)
        entry.share, entry.step = self._next_share(entry)
        self.queue.add(entry)
        self.deadlines.add(seq, slice_.request, self.queue)

    # --- who waits ---

    def campaigns(self) -> list[str]:
        """The campaigns that customers wait for here."""
        campaigns = (entry.campaign for entry in self.queue.entries())
        return list(dict.fromkeys(name for name in campaigns if name is not None))

    def apply_release(self, campaign: str) -> None:
        """Another share of a campaign is released than before."""
        released = released_share(self._store, self.enterprise, campaign)
        for entry in list(self.queue.of(group_of(campaign))):
            self.queue.move(entry, entry.share, int(entry.share >= released))

    def _next_share(self, entry: Entry) -> tuple[float, int]:
        """The position of the next customer in a campaign's audience, and whether it must wait."""
        if entry.campaign is None:
            return 0.0, 0
        share = position_of(entry.campaign, self.slices.first(entry.seq))
        return share, int(share >= released_share(self._store, self.enterprise, entry.campaign))

    def ticket(self, entry: Entry) -> int:
        """What the customer stage knows a slice by; 0 for one that it has not heard of."""
        return 0 if entry.seq in self.unpublished else entry.seq

    # --- out ---

    def take(
        self, entry: Entry, count: int, may: Callable[[str], bool] | None
    ) -> tuple[QueuedSlice, list[str]]:
        """Take the next customers out of a slice, whose turn it is; an empty slice is gone.

        `may`: whether a customer's own turn has come; the first one's has.
        """
        slice_ = self.slices.read(entry.seq)
        customers = self.slices.take(entry.seq, entry.left, count, may)
        self.queue.served(entry.seq, len(customers))
        self._update_entry(entry.seq)
        return slice_, customers

    def drop(self, entry: Entry, count: int) -> tuple[QueuedSlice, list[str]]:
        """As `take`, for customers who do not go on: they use up nobody's turn."""
        slice_ = self.slices.read(entry.seq)
        customers = self.slices.take(entry.seq, entry.left, count, None)
        self.queue.shorten(entry.seq, len(customers))
        self._update_entry(entry.seq)
        return slice_, customers

    def withdraw(self, seq: int, customers: Collection[str]) -> None:
        """Customers no longer wait in a stored slice, and nothing more is published of them."""
        entry = self.queue.get(seq)
        count = 0 if entry is None else self.slices.withdraw(seq, entry.left, customers)
        if count:
            self.queue.shorten(seq, count)
            self._update_entry(seq)

    def _update_entry(self, seq: int) -> None:
        """Forget a slice in which nobody waits any more; else see who is the next in it."""
        entry = self.queue.get(seq)
        if entry is not None:
            self.queue.move(entry, *self._next_share(entry))
        else:
            self.unpublished.pop(seq, None)
            self.slices.forget(seq)

    def cut_off(self, campaign: str | None = None) -> None:
        """Everything that waits now, or all of a campaign, is to be ended."""
        if campaign is None:
            self.queue_state.cut_below = self.queue_state.next_seq
        elif campaign not in self.queue_state.cut_campaigns:
            self.queue_state.cut_campaigns.append(campaign)

    def next_cut_off(self) -> tuple[Reason, list[Entry]] | None:
        """Entries that were cut off, the oldest first, and why; None when all of them are ended."""
        queue_state = self.queue_state
        first = islice(self.queue.entries(), CUT_MOST)
        entries = [e for e in first if e.seq < queue_state.cut_below and e.kind != Kind.TRANSFER]
        if entries:
            return Reason.ACCOUNT_RESIGNED, entries
        queue_state.cut_below = 0
        while queue_state.cut_campaigns:
            theirs = self.queue.of(group_of(queue_state.cut_campaigns[0]))
            entries = nsmallest(CUT_MOST, theirs, key=lambda entry: entry.seq)
            if entries:
                return Reason.CAMPAIGN_PAUSED, entries
            queue_state.cut_campaigns.pop(0)
        return None

    # --- stored ---

    def timer_fired(self, timer: DueTimer) -> None:
        """A timer of this account's has come up, and is set no longer."""
        head = timer.name[:1]
        if head == DRAIN_TIMER:
            self.queue_state.wake_ms = 0
        elif head == REVIEW_TIMER:
            self.queue_state.review_ms = 0
        elif head == EXPIRY_TIMER:
            self.queue_state.expiry_ms = 0

    def store(self, wake_ms: int, review_ms: int, kind_rules: Sequence[KindRules]) -> None:
        """Write what has changed, and set the timers for these times (0: none) and for the first
        deadline under these rules.
        """
        self._set_timers(wake_ms, review_ms, kind_rules)
        self._store_queue()
        self.queue_state.unpublished = list(self.unpublished)
        self._put(self.key, dump(self.state))
        self._put(QUEUE_STATE + self.key, _encode(self.queue_state))

    def _set_timers(self, wake_ms: int, review_ms: int, kind_rules: Sequence[KindRules]) -> None:
        times = self.queue_state
        first = self.deadlines.first(kind_rules, self.queue)
        expiry_ms = 0 if first is None else first[0] + 1
        times.wake_ms = self._set_timer(DRAIN_TIMER, times.wake_ms, wake_ms)
        times.review_ms = self._set_timer(REVIEW_TIMER, times.review_ms, review_ms)
        times.expiry_ms = self._set_timer(EXPIRY_TIMER, times.expiry_ms, expiry_ms)

    def _set_timer(self, head: bytes, before_ms: int, after_ms: int) -> int:
        if before_ms != after_ms:
            if before_ms:
                self._store.cancel_timer(before_ms, head + self.key)
            if after_ms:
                self._store.set_timer(after_ms, head + self.key)
        return after_ms

    def _store_queue(self) -> None:
        self.slices.store()
        for (priority, group), turn in self.queue.moved():
            key = turn_key(self.key, priority, group)
            if turn is None:
                self._store.delete(key)
            else:
                self._store.put(key, _encode(turn))

    def _put(self, key: bytes, value: bytes) -> None:
        if self._store.get(key) != value:
            self._store.put(key, value)


def _each_once(customers: list[str]) -> Iterator[list[str]]:
    """The customers, and those who are named again in lists of their own."""
    names = list(dict.fromkeys(customers))
    yield names
    if len(names) < len(customers):
        yield from _each_once(list((Counter(customers) - Counter(names)).elements()))


def _entry(seq: int, slice_: QueuedSlice, left: int) -> Entry:
    request = slice_.request
    campaign = campaign_of(request)
    group = f"source {request.source}" if campaign is None else group_of(campaign)
    return Entry(seq, request.priority, request.accepted_ms, group, request.kind, campaign, 0, left)


def campaign_of(request: Request) -> str | None:
    """The campaign that a request waits for; of most kinds none."""
    return request.campaign_id if request.kind in STAGED else None


def group_of(campaign: str) -> str:
    """The name of a campaign among the groups of the queue that take turns."""
    return f"campaign {campaign}"


def load_queue_state(value: bytes | None) -> QueueState:
    """A stored value, or that of a new queue."""
    return QueueState() if value is None else _decode(value)


def turn_key(account: bytes, priority: int, group: str) -> bytes:
    """Where it is stored whose turn it is."""
    return TURN + account + b"/" + bytes([priority]) + group.encode()
