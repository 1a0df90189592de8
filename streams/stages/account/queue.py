"""What the account stage keeps of one account: its book, its pace and what waits in its queue.

In the state stand the book (under the account's key), the pace, and one value for each slice of an
intent that waits; in memory, beside the state, the same opened, and the order of the queue. Rules
of this file: bytes and timers in and out; who may go on is `admission`'s affair.
"""

from __future__ import annotations

from collections import Counter
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.account import book as books
from streams.core.account.line import Line, Place
from streams.core.ask import Ask  # noqa: TC001 (msgspec reads what it decodes)
from streams.core.kinds import Kind
from streams.core.reasons import Reason
from streams.events.keys import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.lane.stage import Due
    from streams.lane.state import State

# No identifier holds a `/`, so none of these begins like a key of an account or a campaign.
_PACE: Final = b"/pace/"
_SLICE: Final = b"/slice/"
_SEEN: Final = b"/seen/"
_INDEX: Final = "accounts"
_SEQ: Final = 8

CUT_MOST: Final = 10_000
"""Places of which one batch learns that they are cut off: more than it can end."""


class Slice(msgspec.Struct, frozen=True, array_like=True):
    """Customers of one intent that wait together; `step`: of their campaign's stages.

    `again`: the customer stage holds the ask and waits for leave.
    """

    enterprise: str
    ask: Ask
    customers: list[str]
    step: int
    deadline_ms: int
    again: bool


class Pace(msgspec.Struct, array_like=True):
    """What an account's queue knows beside its slices.

    `tat_us`: GCRA's theoretical arrival time, `braked_tat_us`: that of what an operator's brake is
    on. `taken`: of slices passed on in part, how far. `wake_ms`, `review_ms`: the timers that are
    set, 0 for none. `room`: what the enterprise was told of free places. `braked_until_ms`: what
    the customers' partitions were told. `grade`, `told`: the grade and a checksum of the limits
    that everybody was told. `unsaid`: the slices of which it was not said yet that they wait.
    Cut off, and to be ended before anything goes on: all slices below `cut_below`, and those of
    `cut_campaigns`.
    """

    tat_us: int = 0
    next_seq: int = 1
    taken: dict[int, int] = {}
    wake_ms: int = 0
    review_ms: int = 0
    room: int = 0
    braked_until_ms: int = 0
    grade: str = ""
    told: int = 0
    braked_tat_us: int = 0
    unsaid: list[int] = []
    cut_below: int = 0
    cut_campaigns: list[str] = []


_encode = msgspec.msgpack.Encoder().encode
_decode_pace = msgspec.msgpack.Decoder(Pace).decode
_decode_slice = msgspec.msgpack.Decoder(Slice).decode


class Account:
    """One account, opened.

    `waiting`: customers in the queue whom the customer stage does not hold; `counted`: how many of
    them the balance knows. `seen`: the intents that came, for a while.
    """

    __slots__ = (
        *("book", "counted", "enterprise", "fresh", "key", "line", "name", "pace", "seen"),
        *("unsaid", "waiting"),
    )

    def __init__(self, key: bytes, state: State) -> None:
        self.key = key
        self.enterprise, self.name = parts_of(key)
        self.book = books.load(state.get(key))
        pace = state.get(_PACE + key)
        self.pace = Pace() if pace is None else _decode_pace(pace)
        self.line = Line()
        self.unsaid = dict.fromkeys(self.pace.unsaid)
        self.fresh: dict[int, Slice] = {}
        self.waiting = self.counted = 0
        self.seen = state.get(_SEEN + key) or b""

    def add(self, piece: Slice) -> None:
        """Let a slice wait; it is stored at the batch's end, if it is still there."""
        seq = self.pace.next_seq
        self.pace.next_seq += 1
        self.fresh[seq] = piece
        self.unsaid[seq] = None
        self.line.add(_place(seq, piece, len(piece.customers)))
        self._waits(piece, len(piece.customers))

    def found(self, seq: int, piece: Slice) -> None:
        """Put a stored slice in line, as it was left."""
        left = len(piece.customers) - self.pace.taken.get(seq, 0)
        self.line.add(_place(seq, piece, left))
        self._waits(piece, left)
        self.counted = self.waiting

    def _waits(self, piece: Slice, count: int) -> None:
        self.waiting += 0 if piece.again else count

    def slice(self, seq: int, state: State) -> Slice:
        """A slice that waits."""
        fresh = self.fresh.get(seq)
        if fresh is not None:
            return fresh
        return _decode_slice(state.get(_slice_key(self.key, seq)) or b"")

    def take(self, place: Place, count: int, state: State) -> tuple[Slice, list[str]]:
        """Take the next customers out of a slice, whose turn it is; one that is empty is gone."""
        return self._out(place, count, state, self.line.served)

    def drop(self, place: Place, count: int, state: State) -> tuple[Slice, list[str]]:
        """As `take`, for customers who do not go on: they use up nobody's turn."""
        return self._out(place, count, state, self.line.shorten)

    def _out(
        self, place: Place, count: int, state: State, leave: Callable[[int, int], None]
    ) -> tuple[Slice, list[str]]:
        seq, piece = place.seq, self.slice(place.seq, state)
        start = self.pace.taken.get(seq, 0)
        customers = piece.customers[start : start + count]
        self.pace.taken[seq] = start + len(customers)
        leave(seq, len(customers))
        self._waits(piece, -len(customers))
        if self.line.get(seq) is None:
            self._gone(seq, piece, state)
        return piece, customers

    def cut_off(self, campaign: str | None = None) -> None:
        """Everything that waits now, or all of a campaign, is to be ended."""
        if campaign is None:
            self.pace.cut_below = self.pace.next_seq
        elif campaign not in self.pace.cut_campaigns:
            self.pace.cut_campaigns.append(campaign)

    def doomed(self) -> tuple[Reason, list[Place]] | None:
        """Places that were cut off, the oldest first, and why; None when all of them are ended."""
        pace = self.pace
        first = islice(self.line.places(), CUT_MOST)
        places = [place for place in first if place.seq < pace.cut_below]
        if places:
            return Reason.ACCOUNT_RESIGNED, places
        pace.cut_below = 0
        while pace.cut_campaigns:
            theirs = self.line.of(group_of(pace.cut_campaigns[0]))
            places = nsmallest(CUT_MOST, theirs, key=lambda place: place.seq)
            if places:
                return Reason.CAMPAIGN_PAUSED, places
            pace.cut_campaigns.pop(0)
        return None

    def fired(self, timer: Due) -> None:
        """A timer of this account's has come up, and is set no longer."""
        if timer.name[:1] == DRAIN:
            self.pace.wake_ms = 0
        elif timer.name[:1] == REVIEW:
            self.pace.review_ms = 0

    def _gone(self, seq: int, piece: Slice, state: State) -> None:
        self.pace.taken.pop(seq, None)
        self.unsaid.pop(seq, None)
        if self.fresh.pop(seq, None) is None:
            state.delete(_slice_key(self.key, seq))
            state.cancel_timer(piece.deadline_ms + 1, expiry_name(self.key, seq))

    def store(self, state: State) -> None:
        """Write what has changed."""
        for seq, piece in self.fresh.items():
            state.put(_slice_key(self.key, seq), _encode(piece))
            state.set_timer(piece.deadline_ms + 1, expiry_name(self.key, seq))
        self.fresh.clear()
        self.pace.unsaid = list(self.unsaid)
        _put(state, self.key, books.dump(self.book))
        _put(state, _PACE + self.key, _encode(self.pace))
        if self.seen or _SEEN + self.key in state:
            _put(state, _SEEN + self.key, self.seen)


def _put(state: State, key: bytes, value: bytes) -> None:
    if state.get(key) != value:
        state.put(key, value)


def _slice_key(key: bytes, seq: int) -> bytes:
    return _SLICE + key + b"/" + seq.to_bytes(_SEQ, "big")


def group_of(campaign: str) -> str:
    """How the queue's order names a campaign among the groups that take turns."""
    return f"campaign {campaign}"


def _place(seq: int, piece: Slice, left: int) -> Place:
    ask = piece.ask
    campaign = ask.campaign_id if ask.kind in {Kind.BROADCAST, Kind.MOMENT} else None
    group = f"source {ask.source}" if campaign is None else group_of(campaign)
    return Place(seq, ask.priority, ask.accepted_ms, group, ask.kind, campaign, piece.step, left)


# --- the timers' names ----------------------------------------------------------------------------

EXPIRY: Final = b"x"
DRAIN: Final = b"d"
REVIEW: Final = b"r"


def expiry_name(key: bytes, seq: int) -> bytes:
    """The timer that ends what is left of a slice."""
    return EXPIRY + seq.to_bytes(_SEQ, "big") + key


def expiring(name: bytes) -> tuple[bytes, int]:
    """The account and slice of an expiry's name."""
    return name[1 + _SEQ :], int.from_bytes(name[1 : 1 + _SEQ], "big")


# --- all accounts of a partition ------------------------------------------------------------------


class Index:
    """The accounts of a partition that were met since its state was read."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._accounts: dict[bytes, Account] = {}
        self.grades: Counter[str] = Counter()
        self.waiting: set[bytes] = set()
        self._read()

    def open(self, key: bytes) -> Account:
        """An account of this partition, known or new."""
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(key, self._state)
        return account

    def _read(self) -> None:
        """What waits is put in line, the slices alone say what does; and who has which grade."""
        # Sorted, so that an account's slices come in their order: a compacted log has another.
        for key in sorted(key for key in self._state if key.startswith((_SLICE, _PACE))):
            if key.startswith(_SLICE):
                account = self.open(key[len(_SLICE) : -_SEQ - 1])
                seq = int.from_bytes(key[-_SEQ:], "big")
                account.found(seq, _decode_slice(self._state.get(key) or b""))
                self.waiting.add(account.key)
            else:
                self.grades[_decode_pace(self._state.get(key) or b"").grade] += 1


def is_account(key: bytes) -> bool:
    """Whether a key of the state is an account's."""
    return key.count(b"/") == 1


def index_of(state: State) -> Index:
    """The accounts of a partition, opened once and kept beside its state."""
    index = state.derived.get(_INDEX)
    if index is None:
        index = state.derived[_INDEX] = Index(state)
    return index
