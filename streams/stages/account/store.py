"""What the account stage keeps of one account: its book, its pace and what waits in its queue.

In the state stand the book (under the account's key), the pace, the slices of intents that wait and
whose turn it is; in memory, beside the state, the same opened, and the order of the queue. Rules of
this file: bytes and timers in and out; who may go on is `admission`'s affair.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.account import account as books
from streams.core.account.deadlines import Deadlines
from streams.core.account.fair_queue import Entry, FairQueue, Turn
from streams.core.campaign_state import position_of
from streams.core.kinds import STAGED, Kind
from streams.core.reasons import Reason
from streams.events.keys import parts_of
from streams.stages.account import slices
from streams.stages.account.aggregates import released_share

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from streams.core.customer.request import Request
    from streams.runtime.state import DueTimer, State
    from streams.stages.account.slices import QueuedSlice

# No identifier holds a `/`, so none of these begins like a key of an account or a campaign.
_PACE: Final = b"/pace/"
_TURN: Final = b"/turn/"
_INDEX: Final = "accounts"

CUT_MOST: Final = 10_000
"""Places of which one batch learns that they are cut off: more than it can end."""


class QueueState(msgspec.Struct, array_like=True):
    """What an account's queue knows beside its slices.

    `tat_us`: GCRA's theoretical arrival time, `braked_tat_us`: that of what an operator's brake is
    on. `wake_ms`, `review_ms`, `expiry_ms`: the timers that are set, 0 for none. `room`: what the
    enterprise was told of free places, `room_before`: and what before `room_ms`. `open`: what it
    was told of friend requests under way.
    `braked_until_ms`: what the customers' partitions were told. `grade`, `told`: the grade and a
    checksum of the limits that everybody was told. `unsaid`: the slices of which the customer stage
    does not know yet that they wait. Cut off, and to be ended before anything goes on: all slices
    below `cut_below`, and those of `cut_campaigns`. `under_way`: by kind, how much leave for an add
    or a place is on its way to the customer stage and may come back.
    """

    tat_us: int = 0
    next_seq: int = 1
    wake_ms: int = 0
    review_ms: int = 0
    expiry_ms: int = 0
    room: int = 0
    braked_until_ms: int = 0
    grade: str = ""
    told: int = 0
    braked_tat_us: int = 0
    unpublished: list[int] = []
    cut_below: int = 0
    cut_campaigns: list[str] = []
    under_way: dict[int, int] = {}
    room_before: int = 0
    room_ms: int = 0
    open: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode_pace = msgspec.msgpack.Decoder(QueueState).decode
_decode_turn = msgspec.msgpack.Decoder(Turn).decode


class StoredAccount:
    """One account, opened. `fresh`: slices that came with this batch, and who waits in them."""

    __slots__ = (
        *(
            "state",
            "deadlines",
            "enterprise",
            "fresh",
            "key",
            "queue",
            "name",
            "pace",
            "unpublished",
        ),
    )

    def __init__(self, key: bytes, state: State) -> None:
        self.key = key
        self.enterprise, self.name = parts_of(key)
        self.state = books.load(state.get(key))
        queue_state = state.get(_PACE + key)
        self.pace = QueueState() if queue_state is None else _decode_pace(queue_state)
        self.queue = FairQueue()
        self.deadlines = Deadlines()
        self.unpublished = dict.fromkeys(self.pace.unpublished)
        self.fresh: dict[int, tuple[QueuedSlice, list[str]]] = {}

    def add(self, slice_: QueuedSlice, customers: list[str], state: State) -> None:
        """Let a slice wait; it is stored at the batch's end, if it is still there."""
        seq = self.pace.next_seq
        self.pace.next_seq += 1
        self.fresh[seq] = slice_, customers
        self.unpublished[seq] = None
        self.found(seq, slice_, len(customers), state)

    def found(self, seq: int, slice_: QueuedSlice, left: int, state: State) -> None:
        """Put a slice in line, as it was left."""
        entry = _place(seq, slice_, left)
        entry.share, entry.step = self._next_share(entry, state)
        self.queue.add(entry)
        self.deadlines.add(seq, slice_.request, self.queue)

    def apply_release(self, campaign: str, state: State) -> None:
        """Another share of a campaign is released than before."""
        released = released_share(state, self.enterprise, campaign)
        for entry in list(self.queue.of(group_of(campaign))):
            self.queue.move(entry, entry.share, int(entry.share >= released))

    def campaigns(self) -> list[str]:
        """The campaigns that customers wait for here."""
        entries = self.queue.entries()
        return list(dict.fromkeys(p.campaign for p in entries if p.campaign is not None))

    def _next_share(self, entry: Entry, state: State) -> tuple[float, int]:
        """The place of the next customer in a campaign's audience, and whether it is to wait."""
        if entry.campaign is None:
            return 0.0, 0
        fresh = self.fresh.get(entry.seq)
        name = slices.first(self.key, entry.seq, state) if fresh is None else fresh[1][0]
        share = position_of(entry.campaign, name)
        return share, int(share >= released_share(state, self.enterprise, entry.campaign))

    def ticket(self, entry: Entry) -> int:
        """What the customer stage knows a slice by; 0 for one that it has not heard of."""
        return 0 if entry.seq in self.unpublished else entry.seq

    def slice(self, seq: int, state: State) -> QueuedSlice:
        """A slice that waits."""
        fresh = self.fresh.get(seq)
        return slices.read(self.key, seq, state) if fresh is None else fresh[0]

    def names(self, entry: Entry, state: State) -> list[str]:
        """Who waits in it."""
        fresh = self.fresh.get(entry.seq)
        if fresh is not None:
            return list(fresh[1])
        return slices.names(self.key, entry.seq, entry.left, state)

    def take(
        self, entry: Entry, count: int, may: Callable[[str], bool] | None, state: State
    ) -> tuple[QueuedSlice, list[str]]:
        """Take the next customers out of a slice, whose turn it is; one that is empty is gone.

        `may`: whether a customer's own turn has come; the first one's has.
        """
        slice_, customers = self._out(entry, count, may, state)
        self.queue.served(entry.seq, len(customers))
        self._settle(entry.seq, state)
        return slice_, customers

    def drop(self, entry: Entry, count: int, state: State) -> tuple[QueuedSlice, list[str]]:
        """As `take`, for customers who do not go on: they use up nobody's turn."""
        slice_, customers = self._out(entry, count, None, state)
        self.queue.shorten(entry.seq, len(customers))
        self._settle(entry.seq, state)
        return slice_, customers

    def _out(
        self, entry: Entry, count: int, may: Callable[[str], bool] | None, state: State
    ) -> tuple[QueuedSlice, list[str]]:
        seq, slice_ = entry.seq, self.slice(entry.seq, state)
        fresh = self.fresh.get(seq)
        if fresh is None:
            return slice_, slices.take(self.key, seq, entry.left, count, may, state)
        customers = slices.up_to(fresh[1][:count], may)
        del fresh[1][: len(customers)]
        return slice_, customers

    def take_out(self, seq: int, gone: Collection[str], state: State) -> None:
        """Customers wait in a stored slice no longer, and nothing more is to be said of them."""
        entry = self.queue.get(seq)
        if entry is None or seq in self.fresh:
            return
        count = slices.take_out(self.key, seq, entry.left, gone, state)
        if count:
            self.queue.shorten(seq, count)
            self._settle(seq, state)

    def cut_off(self, campaign: str | None = None) -> None:
        """Everything that waits now, or all of a campaign, is to be ended."""
        if campaign is None:
            self.pace.cut_below = self.pace.next_seq
        elif campaign not in self.pace.cut_campaigns:
            self.pace.cut_campaigns.append(campaign)

    def doomed(self) -> tuple[Reason, list[Entry]] | None:
        """Places that were cut off, the oldest first, and why; None when all of them are ended."""
        pace = self.pace
        first = islice(self.queue.entries(), CUT_MOST)
        entries = [p for p in first if p.seq < pace.cut_below and p.kind != Kind.TRANSFER]
        if entries:
            return Reason.ACCOUNT_RESIGNED, entries
        pace.cut_below = 0
        while pace.cut_campaigns:
            theirs = self.queue.of(group_of(pace.cut_campaigns[0]))
            entries = nsmallest(CUT_MOST, theirs, key=lambda entry: entry.seq)
            if entries:
                return Reason.CAMPAIGN_PAUSED, entries
            pace.cut_campaigns.pop(0)
        return None

    def fired(self, timer: DueTimer) -> None:
        """A timer of this account's has come up, and is set no longer."""
        if timer.name[:1] == DRAIN:
            self.pace.wake_ms = 0
        elif timer.name[:1] == REVIEW:
            self.pace.review_ms = 0
        elif timer.name[:1] == EXPIRY:
            self.pace.expiry_ms = 0

    def _settle(self, seq: int, state: State) -> None:
        """Forget a slice in which nobody waits any more; else see who is the next in it."""
        entry = self.queue.get(seq)
        if entry is not None:
            self.queue.move(entry, *self._next_share(entry, state))
        else:
            self.unpublished.pop(seq, None)
            if self.fresh.pop(seq, None) is None:
                slices.forget(self.key, seq, state)

    def store(self, state: State) -> None:
        """Write what has changed."""
        for seq, (slice_, customers) in self.fresh.items():
            slices.write(self.key, seq, slice_, customers, state)
        self.fresh.clear()
        for (priority, group), turn in self.queue.moved():
            key = _TURN + self.key + b"/" + bytes([priority]) + group.encode()
            if turn is None:
                state.delete(key)
            else:
                state.put(key, _encode(turn))
        self.pace.unpublished = list(self.unpublished)
        _put(state, self.key, books.dump(self.state))
        _put(state, _PACE + self.key, _encode(self.pace))


def _put(state: State, key: bytes, value: bytes) -> None:
    if state.get(key) != value:
        state.put(key, value)


def campaign_of(request: Request) -> str | None:
    """The campaign that an ask waits for; of most kinds none."""
    return request.campaign_id if request.kind in STAGED else None


def group_of(campaign: str) -> str:
    """How the queue's order names a campaign among the groups that take turns."""
    return f"campaign {campaign}"


def _place(seq: int, slice_: QueuedSlice, left: int) -> Entry:
    request = slice_.request
    campaign = campaign_of(request)
    group = f"source {request.source}" if campaign is None else group_of(campaign)
    return Entry(seq, request.priority, request.accepted_ms, group, request.kind, campaign, 0, left)


# --- the timers' names ----------------------------------------------------------------------------

EXPIRY: Final = b"x"
DRAIN: Final = b"d"
REVIEW: Final = b"r"
"""Each is followed by the account's key."""


# --- all accounts of a partition ------------------------------------------------------------------


class AccountIndex:
    """The accounts of a partition that were met since its state was read."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._accounts: dict[bytes, StoredAccount] = {}
        self.grades: Counter[str] = Counter()
        self.waiting: set[bytes] = set()
        self._by_group: dict[tuple[str, str], set[bytes]] = {}
        self._read()

    def open(self, key: bytes) -> StoredAccount:
        """An account of this partition, known or new."""
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = StoredAccount(key, self._state)
        return account

    def queued(self) -> int:
        """How many customers wait."""
        return sum(self._accounts[key].queue.customers() for key in self.waiting)

    def joins(self, account: StoredAccount, request: Request) -> None:
        """Customers of this ask wait for the account."""
        campaign = campaign_of(request)
        if campaign is not None:
            group = account.enterprise, group_of(campaign)
            self._by_group.setdefault(group, set()).add(account.key)

    def settle(self, account: StoredAccount) -> None:
        """Know again what waits for an account and what does no longer."""
        line = account.queue
        (self.waiting.add if len(line) else self.waiting.discard)(account.key)
        for group in line.emptied:
            waiting = self._by_group.get((account.enterprise, group))
            if waiting is not None and not line.waits_for(group):
                waiting.discard(account.key)
                if not waiting:
                    del self._by_group[account.enterprise, group]
        line.emptied.clear()

    def waiting_for(self, enterprise: str, campaign: str) -> set[bytes]:
        """The accounts at which somebody waits for a campaign."""
        return self._by_group.get((enterprise, group_of(campaign)), set())

    def _read(self) -> None:
        """What waits is put in line, the slices alone say what does; and who has which grade."""
        for key, seq, slice_, left in slices.found(self._state):
            self.open(key).found(seq, slice_, left, self._state)
            self.waiting.add(key)
            self.joins(self.open(key), slice_.request)
        turns: defaultdict[bytes, dict[tuple[int, str], Turn]] = defaultdict(dict)
        for key in self._state:
            value = self._state.get(key) or b""
            if key.startswith(_PACE):
                self.grades[_decode_pace(value).grade] += 1
            elif key.startswith(_TURN):
                account, priority, group = _whose_turn(key)
                turns[account][priority, group] = _decode_turn(value)
        for account, known in turns.items():
            self.open(account).queue.resume(known)


def _whose_turn(key: bytes) -> tuple[bytes, int, str]:
    enterprise, account, tail = key.removeprefix(_TURN).split(b"/", 2)
    return enterprise + b"/" + account, tail[0], tail[1:].decode()


def is_account(key: bytes) -> bool:
    """Whether a key of the state is an account's."""
    return key.count(b"/") == 1


def index_of(state: State) -> AccountIndex:
    """The accounts of a partition, opened once and kept beside its state."""
    index = state.derived.get(_INDEX)
    if index is None:
        index = state.derived[_INDEX] = AccountIndex(state)
    return index
