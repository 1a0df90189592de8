"""The ledgers of one batch: each is opened once, and stored once with its timer.

Rules of this file: bytes and timers, to and from the state. The core changes ledgers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.customer.customer import Customer
from streams.core.customer.held import Wake, next_wake
from streams.core.customer.ledger import dump, load
from streams.core.customer.upkeep import entries, has_too_many_idle, is_large, shrink
from streams.events.keys import parts_of
from streams.stages.customer.feedback import ties_of
from streams.stages.customer.held import update_held
from streams.stages.customer.restrictions import PartitionRestrictions
from streams.stages.customer.timers import timer_name
from streams.topics import RECORD_BYTES

if TYPE_CHECKING:
    from streams.core.customer.case import RestrictionSource
    from streams.core.customer.ledger import Ledger
    from streams.core.customer.rules import KindRules
    from streams.runtime.state import State
    from streams.stages.customer.erasure import Erasure
    from streams.stages.customer.feedback import Feedback
    from streams.stages.rules import Rules

LARGEST: Final = RECORD_BYTES - 65_536
"""Bytes of a ledger at most: the bound of a record, less its key and a batch's overhead."""

MORE: Final = 64
"""Entries that one batch may add to a ledger before it expires at once, and not when it is opened
next."""

_GROWS: Final = 256
"""Bytes by which a ledger and its timer may grow in a batch; decisions promise more themselves."""


class _Opened(msgspec.Struct, gc=False):
    """An open ledger, and how it was before; `wake`: the timer that is set for it."""

    customer: Customer
    value: bytes | None
    wake: Wake | None
    held: int
    queued: int
    entries: int = 0


class LedgerSession:
    """Opens and stores the ledgers of one batch, under the rules of its moment."""

    def __init__(
        self, rules: Rules, erasure: Erasure, state: State, now_ms: int, feedback: Feedback
    ) -> None:
        self._feedback = feedback
        self._rules = rules
        self._erasure = erasure
        self._state = state
        self._now_ms = now_ms
        self._opened: dict[bytes, _Opened] = {}
        self._rules_by_enterprise: dict[str, tuple[tuple[KindRules, ...], RestrictionSource]] = {}
        self._held = self._queued = 0

    def open(self, key: bytes) -> Customer:
        """The customer with this key; the ledger has expired what it no longer needs."""
        opened = self._opened.get(key)
        if opened is None:
            opened = self._opened[key] = self._load(key)
            self._expire(opened.customer)
            opened.entries = entries(opened.customer.ledger)
        return opened.customer

    def _expire(self, customer: Customer) -> None:
        """Expire a ledger's entries; an account that it forgets is notified."""
        before = ties_of(customer.ledger) if has_too_many_idle(customer.ledger) else None
        customer.expire()
        if before is not None:
            self._feedback.compare(customer.enterprise, before, ties_of(customer.ledger))

    def open_for_timer(self, key: bytes) -> Customer:
        """As `open`, for a customer whose timer has fired: what still waits needs a new one."""
        customer = self.open(key)
        self._opened[key].wake = None
        return customer

    def opened_keys(self) -> list[bytes]:
        """The keys of the open ledgers."""
        return list(self._opened)

    def close(self) -> tuple[int, int]:
        """Store all ledgers. Returns by how many the held requests have grown, and how many of
        these wait in their accounts' queues.
        """
        for key, opened in self._opened.items():
            self._store(key, opened)
        return self._held, self._queued

    def forget(self, key: bytes, mark: bytes, value: bytes) -> None:
        """Delete an open ledger; only this mark remains, with this value."""
        self._store(key, self._opened.pop(key))
        self._state.delete(key)
        self._state.put(mark, value)

    def _load(self, key: bytes) -> _Opened:
        value = self._state.get(key)
        ledger, size = _ledger_of(key, value, self._erasure, self._state), len(value or b"")
        # The ledger is written, and permits may be asked for its held requests.
        self._state.budget.promise((2 * size if ledger.held else size) + _GROWS)
        enterprise, customer = parts_of(key)
        known = self._rules_by_enterprise.get(enterprise)
        kind_rules, restrictions = known or self._rules_of(enterprise)
        opened = Customer(ledger, enterprise, customer, kind_rules, self._now_ms, restrictions)
        return _Opened(opened, value, next_wake(ledger), len(ledger.held), _queued(ledger))

    def _rules_of(self, enterprise: str) -> tuple[tuple[KindRules, ...], RestrictionSource]:
        """The enterprise's rules and restrictions, the same to the batch's end."""
        kind_rules = self._rules.kind_rules(enterprise, self._now_ms)
        restrictions = PartitionRestrictions(self._rules.controls, self._state, enterprise)
        self._rules_by_enterprise[enterprise] = kind_rules, restrictions
        return kind_rules, restrictions

    def _store(self, key: bytes, opened: _Opened) -> None:
        customer = opened.customer
        ledger = customer.ledger
        if is_large(ledger, opened.entries + MORE):
            self._expire(customer)
        if customer.permits_wanted:
            self._feedback.permit_wanted(
                customer.enterprise, customer.customer, customer.permits_wanted
            )
        if customer.withdrawn:
            self._feedback.withdrawn(customer.enterprise, customer.customer, customer.withdrawn)
        self._held += len(ledger.held) - opened.held
        self._queued += _queued(ledger) - opened.queued
        if ledger.held or opened.held:
            update_held(self._state, key, ledger)
        self._set_timer(key, opened.wake, next_wake(ledger) if ledger.held else None)
        value = dump(ledger)
        if value is not None and len(value) > LARGEST:
            shrink(ledger, customer.rules[0].retention, self._now_ms)
            value = dump(ledger)
        if value is None:
            self._state.delete(key)
        elif value != opened.value:
            self._state.put(key, value)

    def _set_timer(self, key: bytes, before: Wake | None, after: Wake | None) -> None:
        if before == after:
            return
        if before is not None:
            self._state.cancel_timer(before.due_ms, timer_name(before, key))
        if after is not None:
            self._state.set_timer(after.due_ms, timer_name(after, key))


def read_customer(
    rules: Rules, erasure: Erasure, state: State, key: bytes, now_ms: int
) -> Customer:
    """A copy of a customer as of `now_ms`, for readers: nothing of it is ever stored."""
    ledger = _ledger_of(key, state.get(key), erasure, state)
    enterprise, name = parts_of(key)
    restrictions = PartitionRestrictions(rules.controls, state, enterprise)
    kind_rules = rules.kind_rules(enterprise, now_ms)
    customer = Customer(ledger, enterprise, name, kind_rules, now_ms, restrictions)
    customer.expire()
    return customer


def _ledger_of(key: bytes, value: bytes | None, erasure: Erasure, state: State) -> Ledger:
    """The ledger of a stored value; without one, an empty one that remembers an erasure."""
    ledger = load(value)
    if value is None and erasure.is_marked(key, state):
        ledger.erased = True
    return ledger


def _queued(ledger: Ledger) -> int:
    return sum(1 for held in ledger.held if held.ticket)


def timer_of(customer: Customer, key: bytes) -> tuple[int, bytes] | None:
    """Time and name of the timer that this customer needs; None if nothing waits here."""
    wake = next_wake(customer.ledger)
    return None if wake is None else (wake.due_ms, timer_name(wake, key))
