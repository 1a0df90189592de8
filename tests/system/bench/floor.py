"""What a decision costs without Kafka: the pure parts, in this process, on one core.

From the intent's bytes to the decision's: decode, open the ledger, decide by the packaged policy
`wecom`, encode the decision and the approved message, close the ledger. Then both stages over a
whole load, with routing, candidates, state and counts. `time.process_time`, best of the rounds.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.customer.customer import Customer
from streams.core.customer.ledger import dump
from streams.core.customer.ledger import load as open_ledger
from streams.core.customer.request import Candidate
from streams.core.reasons import Outcome
from streams.events.identity import mark_of
from streams.events.internal import request_of
from streams.policy.files import packaged
from streams.runtime.batch import MAX_RECORDS, decide_batch
from streams.runtime.checkpoint import Checkpoint
from streams.runtime.state import State
from streams.runtime.testing import DriverRecord
from streams.stages.account.stage import AccountStage
from streams.stages.customer.erasure import Erasure
from streams.stages.customer.interactions import apply
from streams.stages.customer.stage import CustomerStage
from streams.stages.decisions import decision_event, decision_id_of
from streams.stages.routing import Router
from streams.stages.rules import Rules
from streams.topics import Topics
from streams.worker import RARE_COLLECTIONS
from tests.system.bench import load
from tests.system.bench.machine import placed
from tests.system.bench.report import BenchError, Row, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.core.customer.rules import KindRules
    from streams.runtime.stage import Stage
    from tests.system.bench.cluster import Item
    from tests.system.bench.run import Run

ROUNDS: Final = 7
PASSES: Final = 3
NOW_MS: Final = load.MORNING_MS


class Mix(NamedTuple):
    """One sort of intent: what came before it for the same customer, and how it must end."""

    name: str
    kind: str
    before: tuple[str, ...]
    """Kinds of earlier intents; `repeat` is the same intent, `wrote` a word of the customer's."""
    outcome: Outcome


MIXES: Final = (
    Mix("fresh customer, approved", "direct", (), Outcome.APPROVED),
    Mix("second message of the day, deferred", "direct", ("direct",), Outcome.DEFERRED),
    Mix("order notice, approved", "transactional", ("direct", "transactional"), Outcome.APPROVED),
    Mix("reply, approved", "reply", ("direct", "wrote"), Outcome.APPROVED),
    Mix("repeat of an intent", "direct", ("repeat",), Outcome.DUPLICATE),
)


async def run(run: Run) -> list[Row]:
    count = run.choose(20_000, 2_000)
    with placed(run.worker_cores):
        rows = [_mix(mix, count) for mix in MIXES]
        return rows + _stages(run.choose(100_000, 10_000))


class _Case(NamedTuple):
    value: bytes
    ledger: bytes | None


def _mix(mix: Mix, count: int) -> Row:
    rules = Rules(packaged()[1])
    laws = rules.kind_rules(load.ENTERPRISE, NOW_MS)
    cases = [_case(mix, number, laws) for number in range(count)]
    for case in cases[:100]:
        outcome = _decide(case, laws, NOW_MS)
        if outcome is not mix.outcome:
            raise BenchError(f"{mix.name}: it ended as {outcome}")
    seconds = _best(lambda: [_decide(case, laws, NOW_MS) for case in cases])
    how = f"bytes in to bytes out; {counted(count)} customers, best of {ROUNDS} rounds"
    return Row("floor", mix.name, f"{seconds / count * 1e6:.1f} µs", how)


def _case(mix: Mix, number: int, laws: Sequence[KindRules]) -> _Case:
    """An intent, and the ledger that what came before has left."""
    who, account = load.customer(number), load.account_of(number)
    value = load.intent(f"f-{number:06d}", account, [who], mix.kind)
    desk = Customer(open_ledger(None), load.ENTERPRISE, who, laws, NOW_MS - load.HOUR_MS)
    for place, kind in enumerate(mix.before):
        if kind == "wrote":
            apply(desk, load.wrote(f"w-{number}", account, who, NOW_MS - load.HOUR_MS))
            continue
        earlier = load.intent(f"b-{place}-{number}", account, [who], kind)
        _judge(value if kind == "repeat" else earlier, desk)
    return _Case(value, dump(desk.ledger))


def _judge(value: bytes, customer: Customer) -> None:
    ask = request_of(load.accepted(value), customer.now_ms)
    customer.decide_request(Candidate(ask, customer.now_ms), mark_of(decision_id_of(customer, ask)))


def _decide(case: _Case, laws: Sequence[KindRules], now_ms: int) -> Outcome:
    """As the two stages do it, less what is theirs: routing, candidates, state, counts."""
    intent = load.accepted(case.value)
    ledger = open_ledger(case.ledger)
    desk = Customer(ledger, intent.enterprise_id, intent.customer_ids[0], laws, now_ms)
    desk.expire()
    ask = request_of(intent, now_ms)
    (settled,) = desk.decide_request(
        Candidate(ask, desk.now_ms), mark_of(decision_id_of(desk, ask))
    )
    said = decision_event(settled, desk)
    said.decision()
    if settled.verdict.outcome is Outcome.APPROVED:
        said.approved()
    dump(ledger)
    return settled.verdict.outcome


def _best(work: Callable[[], object]) -> float:
    """Processor seconds of the quickest round."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


# ---- both stages, as in `drain`, but for Kafka ---------------------------------------------------


def _stages(count: int) -> list[Row]:
    topics, router = Topics(), Router(1)
    rules = Rules(packaged()[1])
    account = AccountStage(topics, router, rules)
    customer = CustomerStage(topics, router, rules, Erasure(None))
    intents = list(load.mixed(count, count // 3))
    candidates = list(load.candidates(iter(intents), NOW_MS))
    account_s = _through(account, _records(topics.intents, intents))
    customer_s = _through(customer, _records(topics.candidates, candidates))
    how = f"the load of `drain`, {counted(count)} intents in full batches, best of {PASSES} passes"
    parts = {"account stage": account_s, "customer stage": customer_s}
    parts["both stages"] = account_s + customer_s
    return [
        Row("floor", f"{name} in memory", f"{seconds / count * 1e6:.1f} µs", how)
        for name, seconds in parts.items()
    ]


def _records(topic: str, items: Sequence[Item]) -> list[DriverRecord]:
    return [DriverRecord(topic, 0, n, 0, key, value) for n, (key, value) in enumerate(items)]


def _through(stage: Stage, records: Sequence[DriverRecord]) -> float:
    """Processor seconds for all of them, from an empty state."""
    # A worker's records come and go; here they lie about, and the collector need not look at them.
    gc.collect()
    gc.freeze()
    usual = gc.get_threshold()
    gc.set_threshold(*RARE_COLLECTIONS)
    try:
        return min(_pass(stage, records) for _ in range(PASSES))
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def _pass(stage: Stage, records: Sequence[DriverRecord]) -> float:
    state, checkpoint = State(), Checkpoint()
    began = time.process_time()
    for first in range(0, len(records), MAX_RECORDS):
        batch = records[first : first + MAX_RECORDS]
        decide_batch(stage, 0, state, checkpoint, batch, NOW_MS)
    return time.process_time() - began
