"""Held requests decided again: when their timers fire, and when a sweep asks for it.

Rules of this file: it chooses whom to decide again; the core decides.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from streams.events.internal import BrakeSweep, CampaignSweep, StatusSweep, decode_sweep
from streams.stages.customer.held import held_of, index_name
from streams.stages.customer.ledgers import timer_of
from streams.stages.customer.restrictions import store_brake, store_campaign, store_status
from streams.stages.customer.timers import customer_of, waiting_customers
from streams.stages.sweeps import SweepVisits, begin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events.internal import Sweep
    from streams.runtime.records import Record
    from streams.runtime.state import DueTimer
    from streams.stages.customer.batch import Batch


def on_timers(batch: Batch, timers: Sequence[DueTimer]) -> None:
    """Decide one held request for each timer, and a customer's next ones when their turn comes.

    A customer's next request may come after timers that did not fit into this batch. So what is
    later than the last timer here keeps a timer of its own, and if the batch has no room for more,
    all that is left does.
    """
    turns = [(timer.due_ms, timer.name) for timer in timers]  # sorted, and so a heap
    last = turns[-1] if turns else None
    while turns and batch.state.budget.has_room():
        _, name = heappop(turns)
        key = customer_of(name)
        customer = batch.ledgers.open_for_timer(key)
        batch.publish(key, customer, customer.on_timer())
        turn = timer_of(customer, key)
        if last is not None and turn is not None and turn <= last:
            heappush(turns, turn)
    left = set(turns)
    for timer in timers:
        if (timer.due_ms, timer.name) in left:
            batch.state.put_back(timer)


def take_sweep(batch: Batch, record: Record) -> None:
    """Store an account's status or a killed campaign; have held requests decided again."""
    sweep = decode_sweep(record.value or b"")
    if _may_change_answers(batch, sweep):
        begin(sweep, batch.state, batch.now_ms)


def _may_change_answers(batch: Batch, sweep: Sweep) -> bool:
    match sweep:
        case StatusSweep():
            return store_status(batch.state, sweep)
        case BrakeSweep():
            return store_brake(batch.state, sweep)
        case CampaignSweep():
            return store_campaign(batch.state, sweep)
    return True


def continue_sweeps(batch: Batch, timers: Sequence[DueTimer]) -> None:
    """Decide again what the next customers of running sweeps hold."""
    visits = SweepVisits(batch.state, batch.now_ms, lambda sweep: _concerned(batch, sweep))
    for key, _ in visits.visits(timers, batch.context.rules.generation):
        customer = batch.ledgers.open(key)
        batch.publish(key, customer, customer.reconsider())


def _concerned(batch: Batch, sweep: Sweep) -> list[bytes] | None:
    """The customers with held requests that a sweep is about; None: not known yet."""
    opened = batch.ledgers.opened_keys()
    if sweep.account is not None or sweep.campaign is not None:
        name = index_name(sweep.enterprise or "", sweep.account, sweep.campaign)
        return held_of(batch.state, opened).find(name)
    head = b"" if sweep.enterprise is None else f"{sweep.enterprise}/".encode()
    # A customer opened in this batch may have no timer at this moment.
    waiting = [*waiting_customers(batch.state), *opened]
    return sorted({key for key in waiting if key.startswith(head)})
