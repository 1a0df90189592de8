"""Who holds something for an account or a campaign: an index beside a partition's state.

Made when somebody asks for the first time, `READ` ledgers a batch, and kept from then on. Rules of
this file: it is never stored and decides nothing; whoever asks before it is ready asks again.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from streams.core.customer.ledger import load
from streams.events.keys import account_key, campaign_key, parts_of
from streams.stages.state_keys import SWEEP_TIMER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.customer.ledger import Ledger
    from streams.runtime.state import State

READ: Final = 5_000
"""Ledgers read at once: some tens of milliseconds."""

TIMER_HEAD: Final = 9
"""Bytes before the customer's key in the name of a held intent's timer: urgency and age."""

_INDEX: Final = "held"


def waiting_customers(state: State) -> list[bytes]:
    """The customers with something held: each has one timer, which carries the key."""
    return [name[TIMER_HEAD:] for name in state.timer_names() if not name.startswith(SWEEP_TIMER)]


class HeldIndex:
    """The customers of a partition by the accounts and campaigns of what they hold."""

    def __init__(self, state: State, others: Iterable[bytes]) -> None:
        """`others`: customers without a timer at this moment."""
        self._state = state
        self._by_name: dict[bytes, dict[bytes, None]] = {}
        self._names: dict[bytes, set[bytes]] = {}
        self._unread = iter(dict.fromkeys([*waiting_customers(state), *others]))
        self._ready = False

    def find(self, name: bytes) -> list[bytes] | None:
        """Who holds something for it, in order; None while that is still being read."""
        if not self._ready:
            chosen = list(islice(self._unread, READ))
            for key in chosen:
                self.note(key, load(self._state.get(key)))
            self._ready = len(chosen) < READ
        return sorted(self._by_name.get(name, ())) if self._ready else None

    def note(self, key: bytes, ledger: Ledger) -> None:
        """What a customer holds now."""
        before, after = self._names.get(key, set()), _names_in(key, ledger)
        for name in before - after:
            holders = self._by_name[name]
            del holders[key]
            if not holders:
                del self._by_name[name]
        for name in after - before:
            self._by_name.setdefault(name, {})[key] = None
        if after:
            self._names[key] = after
        else:
            self._names.pop(key, None)


def held_of(state: State, others: Iterable[bytes]) -> HeldIndex:
    """The index of a partition."""
    index: HeldIndex | None = state.derived.get(_INDEX)
    if index is None:
        index = state.derived[_INDEX] = HeldIndex(state, others)
    return index


def note_held(state: State, key: bytes, ledger: Ledger) -> None:
    """Keep the index, where there is one, in step with a ledger."""
    index: HeldIndex | None = state.derived.get(_INDEX)
    if index is not None:
        index.note(key, ledger)


def name_of(enterprise: str, account: str | None, campaign: str | None) -> bytes:
    """What an account or a campaign is found by."""
    if account is not None:
        return account_key(enterprise, account)
    return campaign_key(enterprise, campaign or "")


def _names_in(key: bytes, ledger: Ledger) -> set[bytes]:
    if not ledger.held:
        return set()
    enterprise, _ = parts_of(key)
    names = set()
    for held in ledger.held:
        if held.ticket:  # in its account's queue, which looks after it
            continue
        request = held.request
        names.add(account_key(enterprise, request.account_id))
        if request.to_account_id is not None:
            names.add(account_key(enterprise, request.to_account_id))
        if request.campaign_id is not None:
            names.add(campaign_key(enterprise, request.campaign_id))
    return names
