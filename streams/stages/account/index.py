"""The accounts of a partition that are known in memory, beside its state, and who waits for what.

Rules of this file: an index, made anew from the state after a restart, and never stored.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.account.turns import Turn
from streams.stages.account import slices
from streams.stages.account.store import StoredAccount, campaign_of, group_of, load_queue_state
from streams.stages.state_keys import QUEUE_STATE, TURN

if TYPE_CHECKING:
    from streams.core.customer.request import Request
    from streams.runtime.state import State

_INDEX: Final = "accounts"

_decode_turn = msgspec.msgpack.Decoder(Turn).decode


class AccountIndex:
    """The accounts of a partition that were met since its state was read.

    `grades`: how many accounts have which grade. `waiting`: the keys of those for which customers
    wait.
    """

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

    def has_waiting(self, key: bytes, kind: int) -> bool:
        """Whether messages of this kind wait in an account's queue."""
        return key in self.waiting and self.open(key).queue.has(kind)

    def queued(self) -> int:
        """How many customers wait."""
        return sum(self._accounts[key].queue.customers() for key in self.waiting)

    def joins(self, account: StoredAccount, request: Request) -> None:
        """Customers of this request wait for the account."""
        campaign = campaign_of(request)
        if campaign is not None:
            group = account.enterprise, group_of(campaign)
            self._by_group.setdefault(group, set()).add(account.key)

    def settle(self, account: StoredAccount) -> None:
        """Bring up to date what waits for an account and what no longer does."""
        queue = account.queue
        (self.waiting.add if len(queue) else self.waiting.discard)(account.key)
        for group in queue.emptied:
            waiting = self._by_group.get((account.enterprise, group))
            if waiting is not None and not queue.waits_for(group):
                waiting.discard(account.key)
                if not waiting:
                    del self._by_group[account.enterprise, group]
        queue.emptied.clear()

    def waiting_for(self, enterprise: str, campaign: str) -> set[bytes]:
        """The accounts at which customers wait for a campaign."""
        return self._by_group.get((enterprise, group_of(campaign)), set())

    def apply_release(self, enterprise: str, campaign: str) -> None:
        """Another share of a campaign is released than before, for all who wait for it."""
        for key in self.waiting_for(enterprise, campaign):
            self.open(key).apply_release(campaign)

    def _read(self) -> None:
        """Enter the stored slices, which alone say what waits; resume turns; count the grades."""
        for key, seq, slice_, left in slices.found(self._state):
            self.open(key).enter(seq, slice_, left)
            self.waiting.add(key)
            self.joins(self.open(key), slice_.request)
        turns: defaultdict[bytes, dict[tuple[int, str], Turn]] = defaultdict(dict)
        for key in self._state:
            value = self._state.get(key) or b""
            if key.startswith(QUEUE_STATE):
                self.grades[load_queue_state(value).grade] += 1
            elif key.startswith(TURN):
                account, priority, group = _whose_turn(key)
                turns[account][priority, group] = _decode_turn(value)
        for account, known in turns.items():
            self.open(account).queue.resume(known)


def _whose_turn(key: bytes) -> tuple[bytes, int, str]:
    enterprise, account, tail = key.removeprefix(TURN).split(b"/", 2)
    return enterprise + b"/" + account, tail[0], tail[1:].decode()


def index_of(state: State) -> AccountIndex:
    """The accounts of a partition, opened once and kept beside its state."""
    index = state.derived.get(_INDEX)
    if index is None:
        index = state.derived[_INDEX] = AccountIndex(state)
    return index
