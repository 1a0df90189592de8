"""The index of held requests: which customers hold one for an account or a campaign.

It stands beside a partition's state, in memory. The first question starts it: it reads `READ`
ledgers a batch, and from then on it follows every change.

Rules of this file: the index is never stored and decides nothing. Before it is complete, `find`
answers None and the caller asks again.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from streams.core.customer.ledger import load
from streams.events.keys import account_key, campaign_key, parts_of
from streams.stages.customer.timers import waiting_customers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.customer.ledger import Ledger
    from streams.runtime.state import State

READ: Final = 5_000
"""Ledgers that one question reads: some tens of milliseconds."""

_INDEX: Final = "held"


class HeldIndex:
    """A partition's customers by the accounts and campaigns of their held requests."""

    def __init__(self, state: State, others: Iterable[bytes]) -> None:
        """`others`: customers to read besides those that have a timer."""
        self._state = state
        self._by_name: dict[bytes, dict[bytes, None]] = {}
        self._names: dict[bytes, set[bytes]] = {}
        self._unread = iter(dict.fromkeys([*waiting_customers(state), *others]))
        self._ready = False

    def find(self, name: bytes) -> list[bytes] | None:
        """The customers that hold a request for it, sorted; None before the index is complete."""
        if not self._ready:
            chosen = list(islice(self._unread, READ))
            for key in chosen:
                self.update(key, load(self._state.get(key)))
            self._ready = len(chosen) < READ
        return sorted(self._by_name.get(name, ())) if self._ready else None

    def update(self, key: bytes, ledger: Ledger) -> None:
        """Enter what a customer holds now."""
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
    """The index of a partition; `others`: see `HeldIndex`."""
    index: HeldIndex | None = state.derived.get(_INDEX)
    if index is None:
        index = state.derived[_INDEX] = HeldIndex(state, others)
    return index


def update_held(state: State, key: bytes, ledger: Ledger) -> None:
    """Enter a changed ledger into the index, if there is one."""
    index: HeldIndex | None = state.derived.get(_INDEX)
    if index is not None:
        index.update(key, ledger)


def index_name(enterprise: str, account: str | None, campaign: str | None) -> bytes:
    """The name under which the index knows an account or a campaign."""
    if account is not None:
        return account_key(enterprise, account)
    return campaign_key(enterprise, campaign or "")


def _names_in(key: bytes, ledger: Ledger) -> set[bytes]:
    if not ledger.held:
        return set()
    enterprise, _ = parts_of(key)
    names = set()
    for held in ledger.held:
        if held.ticket:  # in its account's queue: the account stage decides it again
            continue
        request = held.request
        names.add(account_key(enterprise, request.account_id))
        if request.to_account_id is not None:
            names.add(account_key(enterprise, request.to_account_id))
        if request.campaign_id is not None:
            names.add(campaign_key(enterprise, request.campaign_id))
    return names
