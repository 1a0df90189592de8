"""Held requests: which are due, which one a full ledger evicts, and when the customer wakes next.

A held request waits in one of two places: here, until its `due_ms`; or in its account's queue,
under a `ticket` greater than 0, and then the account stage decides when its turn comes. Each place
has its own bound.

Rules of this file: questions about what is held. The answers change nothing; `customer` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.customer.ledger import HeldRequest, Ledger

QUEUED_MOST: Final = 200
"""Requests for one customer that may wait in accounts' queues: at most 0.2 MB of the ledger. More
accounts never wait to write to one person; the policy's `max_held` does not count these."""


class Wake(NamedTuple):
    """When to look at a ledger again, and how urgent the most urgent request due then is."""

    due_ms: int
    priority: int
    accepted_ms: int


def next_wake(ledger: Ledger) -> Wake | None:
    """The earliest `due_ms` of what waits here; of several, the most urgent. None: nothing waits.

    What waits in an account's queue needs no timer: its account answers.
    """
    here = [held for held in ledger.held if not held.ticket]
    if not here:
        return None
    first = min(here, key=lambda h: (h.due_ms, -h.request.priority, h.request.accepted_ms))
    return Wake(first.due_ms, first.request.priority, first.request.accepted_ms)


def find_held(ledger: Ledger, decision_key: int) -> HeldRequest | None:
    """The held request of that decision."""
    return next((held for held in ledger.held if held.decision_key == decision_key), None)


def due_requests(ledger: Ledger, now_ms: int) -> list[HeldRequest]:
    """The requests that wait here and whose time has come."""
    return [held for held in ledger.held if held.due_ms <= now_ms and not held.ticket]


def by_urgency(held: Iterable[HeldRequest]) -> list[HeldRequest]:
    """The highest priority first; of equal ones, the oldest."""
    return sorted(held, key=lambda h: (-h.request.priority, h.request.accepted_ms))


def least_urgent_if_full(
    ledger: Ledger, newcomer: HeldRequest | None, max_held: int
) -> HeldRequest | None:
    """The request to evict where the newcomer's place is over its bound: perhaps the newcomer.

    Without a newcomer it is the place here, whose bound a new policy may have lowered.
    """
    here = newcomer is None or is_held_here(newcomer)
    beside = [held for held in ledger.held if is_held_here(held) == here]
    return by_urgency(beside)[-1] if len(beside) > (max_held if here else QUEUED_MOST) else None


def is_held_here(held: HeldRequest) -> bool:
    """Whether it counts towards `max_held`: it waits here, or asked for its permit from here.

    A request with `if_not_now: deny` never counts: it stays for some milliseconds until its
    account answers, and must not evict anybody.
    """
    return not held.request.deny and (held.permit_requested or not held.ticket)


def has_same_answer(one: HeldRequest, other: HeldRequest) -> bool:
    """Whether a `deferred` decision for one says the same as for the other."""
    return _published_answer(one) == _published_answer(other)


def _published_answer(held: HeldRequest) -> tuple[str, str | None, int | None, int]:
    return held.reason, held.rule, held.eligible_ms, held.deadline_ms
