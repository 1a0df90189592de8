"""The changelogs, compared with what the decisions and interactions say must be in them.

Ledgers are opened with the engine's own `load`: their bytes are its affair, and what they say is
what is judged. Contacts may have been forgotten once nothing asks for them any more, so a ledger
may know fewer than were made, and never more or other ones.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import orjson

from streams.core.customer.ledger import ContactState, load
from streams.core.kinds import KIND_NAMES
from streams.stages.balance import Balance
from streams.stages.state_keys import BALANCE
from streams.topics import ACCOUNT_STATE, CUSTOMER_STATE
from tests.system.chaos.checkpoints import CHECKPOINT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from streams.core.customer.ledger import Ledger
    from tests.system.chaos.evidence import Evidence, Seen
    from tests.system.chaos.laws import Law
    from tests.system.chaos.referee import Known

STATES = {
    ContactState.RESERVED: "reserved",
    ContactState.DELIVERED: "delivered",
    ContactState.RELEASED: "released",
}


def faults_of_states(
    evidence: Evidence,
    known: Mapping[bytes, Known],
    asked: int,
    held: int,
    laws: Iterable[Law],
) -> Iterator[str]:
    """Where the states and the topics differ."""
    customers = _last(evidence.topics[CUSTOMER_STATE])
    accounts = _last(evidence.topics[ACCOUNT_STATE])
    yield from _balance(accounts, customers, asked, held)
    remembered_ms = min((law.remember_ms for law in laws), default=0)
    clocks = {
        part: _clock_ms(value) for (part, key), value in customers.items() if key == CHECKPOINT
    }
    ledgers = {key: (part, value) for (part, key), value in customers.items()}
    for key, past in known.items():
        part, value = ledgers.get(key, (0, None))
        fresh_ms = clocks.get(part, 0) - remembered_ms
        yield from (f"{key.decode()}: {f}" for f in _compare(load(value), past, fresh_ms))


def _last(records: Iterable[Seen]) -> dict[tuple[int, bytes], bytes]:
    state: dict[tuple[int, bytes], bytes] = {}
    for record in records:
        if record.key is not None and record.value is not None:
            state[record.partition, record.key] = record.value
        elif record.key is not None:
            state.pop((record.partition, record.key), None)
    return state


def _balance(
    accounts: Mapping[tuple[int, bytes], bytes],
    customers: Mapping[tuple[int, bytes], bytes],
    asked: int,
    held: int,
) -> Iterator[str]:
    total = _sum_of(accounts, customers)
    wanted = Balance(accepted=asked, settled=asked - held, held=held)
    if total != wanted:
        yield f"the balance is {total}, and should be {wanted}"


def unbalanced(evidence: Evidence) -> int:
    """What the workers' own `decorum_unbalanced` shows, added up: 0 at rest."""
    states = (_last(evidence.topics[name]) for name in (ACCOUNT_STATE, CUSTOMER_STATE))
    total = _sum_of(*states)
    return total.accepted - total.settled - total.held


def _sum_of(*states: Mapping[tuple[int, bytes], bytes]) -> Balance:
    total = Balance()
    for state in states:
        for (_, key), value in state.items():
            if key == BALANCE:
                part = msgspec.msgpack.decode(value, type=Balance)
                total.accepted += part.accepted
                total.settled += part.settled
                total.held += part.held
    return total


def _clock_ms(checkpoint: bytes) -> int:
    found: int = orjson.loads(checkpoint)["clock_ms"]
    return found


def _compare(ledger: Ledger, past: Known, fresh_ms: int) -> Iterator[str]:
    made = Counter(
        (c.ask.account, c.ask.kind, c.decided_ms, c.at_ms, c.state) for c in past.contacts.values()
    )
    found = Counter(
        (account, KIND_NAMES[c.kind], c.decided_ms, c.at_ms, STATES[ContactState(c.state)])
        for account, pair in ledger.relationships.items()
        for c in pair.contacts
    )
    if found - made:
        yield f"the ledger has contacts of its own: {list(found - made)}"
    lacking = [contact for contact in made - found if contact[3] > fresh_ms]
    if lacking:
        yield f"the ledger lacks contacts: {lacking}"
    waiting = {f"{h.request.source}/{h.request.intent_id}": h.deadline_ms for h in ledger.held}
    wanted = {name: held.deadline_ms for name, held in (past.held | past.queued).items()}
    if waiting != wanted:
        yield f"held is {waiting}, and should be {wanted}"
