"""Interactions in: each record is applied to its ledger, refused, or sent to its own partition.

Rules of this file: what an event changes is `interactions`' part. An event that may change answers
has the customer's held requests decided again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.core.reasons import Reason
from streams.events.envelope import Rejected
from streams.events.identity import fingerprint
from streams.events.interactions import AccountStatus, Erase, content_of
from streams.events.internal import StatusNews, StatusSweep, encode_sweep
from streams.events.keys import account_key, key_of
from streams.events.salvage import decode_or_salvage
from streams.stages.customer.feedback import ties_of
from streams.stages.customer.interactions import BINDING, QUIET, apply, is_duplicate
from streams.stages.customer.past import is_past
from streams.stages.customer.restrictions import is_news
from streams.stages.routing import news_for, reroute, to_every_partition
from streams.topics import INTERACTIONS

if TYPE_CHECKING:
    from streams.events.interactions import AccountStatusChange, Interaction
    from streams.runtime.records import Record
    from streams.stages.customer.batch import Batch

NO_SUPPRESSION_KEY: Final = (
    "$.type: erase is not accepted before DECORUM_SUPPRESSION_KEY is set: without it nothing could"
    " keep a forgotten customer from being contacted again"
)


def take_interaction(batch: Batch, record: Record) -> None:
    """Apply an interaction, write a dead letter, or reroute the record."""
    event, rejected = decode_or_salvage(record.value)
    if event is not None:
        key, context = key_of(event), batch.context
        if context.router.is_misrouted(record, key, batch.state):
            moved = reroute(context.topics, context.router, record, key, batch.state)
            batch.outputs.append(moved)
            return
        if isinstance(event, Erase) and context.erasure.mark(key) is None:
            rejected = Rejected("invalid", NO_SUPPRESSION_KEY)
        _take(batch, key, event, record, rejected)
    elif rejected is not None:
        batch.reject(record, rejected)


def _take(
    batch: Batch, key: bytes, event: Interaction, record: Record, rejected: Rejected | None
) -> None:
    """`rejected`: what is wrong with a part of the event; the rest of it counts."""
    if rejected is not None:
        batch.reject(record, rejected)
    batch.state.counters["interactions_total", str(event.__struct_config__.tag)] += 1
    if isinstance(event, Erase):
        _erase(batch, event, key)
    elif isinstance(event, AccountStatus):
        _broadcast_status(batch, event.data)
    else:
        _apply(batch, key, event, record.timestamp)


def _apply(batch: Batch, key: bytes, event: Interaction, heard_ms: int) -> None:
    customer = batch.ledgers.open(key)
    if customer.ledger.erased:
        erased_ms = batch.context.erasure.erased_ms(key, batch.state)
        if is_past(customer.ledger, event, erased_ms):
            return
    if is_duplicate(customer, event):
        _count_repeat(batch)
        return
    before = ties_of(customer.ledger) if isinstance(event, BINDING) else None
    for charge in apply(customer, event):
        batch.feedback.count(customer.enterprise, charge, heard_ms)
    if before is not None:
        batch.feedback.compare(customer.enterprise, before, ties_of(customer.ledger))
    if not isinstance(event, QUIET):
        batch.publish(key, customer, customer.reconsider())


def _broadcast_status(batch: Batch, data: AccountStatusChange) -> None:
    """Send an account's new status to every partition, and to the account itself."""
    sweep = StatusSweep(
        enterprise=data.enterprise_id,
        account=data.account_id,
        status=data.status,
        status_ms=min(data.occurred_at_ms, batch.now_ms),
    )
    if not is_news(batch.state, sweep):
        _count_repeat(batch)
        return
    topics, router = batch.context.topics, batch.context.router
    batch.outputs += to_every_partition(topics.sweeps, router.partitions, encode_sweep(sweep))
    key = account_key(data.enterprise_id, data.account_id)
    news = StatusNews(data.status, sweep.status_ms)
    batch.outputs.append(news_for(key, news, topics, router))


def _erase(batch: Batch, event: Erase, key: bytes) -> None:
    """Forget the customer; cancel what waits."""
    erasure, state = batch.context.erasure, batch.state
    mark = erasure.mark(key)
    if mark is None:
        return
    customer = batch.ledgers.open(key)
    erase_id = fingerprint(event.source, event.id, content_of(event))
    remember_ms = customer.rules[0].remember_ms
    value = erasure.with_event(state.get(mark) or b"", erase_id, batch.now_ms, remember_ms)
    if value is None:
        _count_repeat(batch)
        return
    batch.publish(key, customer, customer.cancel(Reason.SUPPRESSED))
    batch.feedback.compare(customer.enterprise, ties_of(customer.ledger), {})
    batch.ledgers.forget(key, mark, value)


def _count_repeat(batch: Batch) -> None:
    batch.state.counters["repeats_total", INTERACTIONS] += 1
