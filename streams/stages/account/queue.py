"""What the account stage keeps of one account: its book, its pace and what waits in its queue.

In the state stand the book (under the account's key), the pace, and one value for each slice of an
intent that waits; in memory, beside the state, the same opened, and the order of the queue. Rules
of this file: bytes and timers in and out; who may go on is `admission`'s affair.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.account import book as books
from streams.core.account.line import Line, Place
from streams.core.ask import Ask  # noqa: TC001 (msgspec reads what it decodes)
from streams.core.kinds import Kind
from streams.events.keys import parts_of

if TYPE_CHECKING:
    from streams.lane.state import State

# No identifier holds a `/`, so none of these begins like a key of an account or a campaign.
_PACE: Final = b"/pace/"
_SLICE: Final = b"/slice/"
_SEEN: Final = b"/seen/"
_INDEX: Final = "accounts"
_SEQ: Final = 8


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
    that everybody was told.
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
        "waiting",
    )

    def __init__(self, key: bytes, state: State) -> None:
        self.key = key
        self.enterprise, self.name = parts_of(key)
        self.book = books.load(state.get(key))
        pace = state.get(_PACE + key)
        self.pace = Pace() if pace is None else _decode_pace(pace)
        self.line = Line()
        self.fresh: dict[int, Slice] = {}
        self.waiting = self.counted = 0
        self.seen = state.get(_SEEN + key) or b""

    def add(self, piece: Slice) -> None:
        """Let a slice wait; it is stored at the batch's end, if it is still there."""
        seq = self.pace.next_seq
        self.pace.next_seq += 1
        self.fresh[seq] = piece
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
        """Take the next customers out of a slice; one that is empty is gone."""
        seq, piece = place.seq, self.slice(place.seq, state)
        start = self.pace.taken.get(seq, 0)
        self.pace.taken[seq] = start + count
        self.line.served(seq, count)
        self._waits(piece, -count)
        if self.line.get(seq) is None:
            self._gone(seq, piece, state)
        return piece, piece.customers[start : start + count]

    def drop(self, place: Place, state: State) -> tuple[Slice, list[str]]:
        """Take out all that is left of a slice."""
        seq, piece = place.seq, self.slice(place.seq, state)
        left = piece.customers[self.pace.taken.get(seq, 0) :]
        self.line.remove(seq)
        self._waits(piece, -len(left))
        self._gone(seq, piece, state)
        return piece, left

    def _gone(self, seq: int, piece: Slice, state: State) -> None:
        self.pace.taken.pop(seq, None)
        if self.fresh.pop(seq, None) is None:
            state.delete(_slice_key(self.key, seq))
            state.cancel_timer(piece.deadline_ms + 1, expiry_name(self.key, seq))

    def store(self, state: State) -> None:
        """Write what has changed."""
        for seq, piece in self.fresh.items():
            state.put(_slice_key(self.key, seq), _encode(piece))
            state.set_timer(piece.deadline_ms + 1, expiry_name(self.key, seq))
        self.fresh.clear()
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
        for key in list(self._state):
            if key.startswith(_SLICE):
                account = self.open(key[len(_SLICE) : -_SEQ - 1])
                seq = int.from_bytes(key[-_SEQ:], "big")
                account.found(seq, _decode_slice(self._state.get(key) or b""))
                self.waiting.add(account.key)
            elif key.startswith(_PACE):
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
