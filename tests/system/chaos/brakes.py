"""The brake: what an account's pause forbids from the change on, and what was on its way by then.

A pause is told as a change of limits (`limit-changes`), in the transaction of the account's batch
that put it on, and with it goes a word to every partition of customers (the internal `sweeps`).
Judged is safety: whether the pause was right is the business of the tests of figures and of the
core, for the order in which receipts and complaints met is not on the topics.

- Within a pause, by the account's own clock, no leave is given for what the brake holds.
- Every change is told in every partition, and nothing else is told there.
- A customer's partition obeys from the batch on that read the word (`Replay`). What it approved
  before was on its way.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import orjson

from streams.core.kinds import KIND_NAMES
from streams.topics import CANDIDATES, CUSTOMER_STATE, LIMIT_CHANGES, SWEEPS
from tests.system.chaos.checkpoints import read_batches
from tests.system.chaos.pace import ACCOUNT, KIND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.system.chaos.evidence import Evidence, Seen
    from tests.system.chaos.laws import Law
    from tests.system.chaos.referee import Ask

BRAKE: Final = "brake"
SWEPT: Final = slice(3, 5)
SWEPT_UNTIL: Final = 8
"""The tag of a brake's sweep, and the places of enterprise, account and the brake's end in it."""


class Pause(NamedTuple):
    """A pause of one account, `[from_ms, until_ms)` of its partition's clock."""

    account: str
    from_ms: int
    until_ms: int
    written_ms: int
    """When it was told, by its record's own time."""


class _Word(NamedTuple):
    offset: int
    account: str
    until_ms: int


class Brakes:
    """All pauses, and which customers' partition knew of which when."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.pauses = list(_pauses(evidence))
        self._batches = read_batches(evidence, CUSTOMER_STATE, SWEEPS)
        self._words: dict[int, list[_Word]] = defaultdict(list)
        for record in evidence.topics[SWEEPS]:
            sweep = msgspec.msgpack.decode(record.value or b"")
            if sweep[0] == BRAKE:
                word = _Word(record.offset, "/".join(sweep[SWEPT]), sweep[SWEPT_UNTIL])
                self._words[record.partition].append(word)

    def covers(self, ask: Ask, data: dict[str, Any], written_ms: int) -> bool:
        """Whether an account's own word may have been given within one of its pauses: after it was
        put on and before the word was written down, by the records' own times, for the clocks of
        account and customer may be apart; and not over when the ask was accepted.
        """
        account = f"{data['enterprise_id']}/{data['account_id']}"
        first_ms = min(ask.accepted_ms, data["decided_at_ms"])
        return any(
            p.account == account and p.written_ms <= written_ms and first_ms < p.until_ms
            for p in self.pauses
        )

    def known_ms(self, record: Seen, data: dict[str, Any]) -> set[int]:
        """The ends of its account's pause by which a decision may have been taken, 0 for none."""
        least, most = self._batches[record.partition].reach(data["decided_at_ms"])
        account = f"{data['enterprise_id']}/{data['account_id']}"
        words = [w for w in self._words[record.partition] if w.account == account]
        before = [w.until_ms for w in words if w.offset < least][-1:] or [0]
        return {*before, *(w.until_ms for w in words if least <= w.offset < most)}

    def faults(self, laws: Iterable[Law]) -> Iterator[str]:
        """Leave under a pause; pauses that were not told, or told and not put on."""
        kinds = frozenset[str].intersection(*(law.braked for law in laws))
        yield from self._leave(kinds)
        told = {(p.account, p.until_ms) for p in self.pauses}
        for partition in range(self._evidence.partitions):
            heard = {(w.account, w.until_ms) for w in self._words[partition] if w.until_ms}
            yield from (f"{pause} was not told in partition {partition}" for pause in told - heard)
            yield from (f"{pause} was told, and never put on" for pause in heard - told)

    def _leave(self, kinds: frozenset[str]) -> Iterator[str]:
        pauses: dict[str, list[Pause]] = defaultdict(list)
        for pause in self.pauses:
            pauses[pause.account].append(pause)
        for record in self._evidence.topics[CANDIDATES]:
            ask, leave_ms = msgspec.msgpack.decode(record.value or b"")[:2]
            account = f"{(record.key or b'').decode().split('/')[0]}/{ask[ACCOUNT]}"
            for pause in pauses[account] if KIND_NAMES[ask[KIND]] in kinds else ():
                if pause.from_ms < leave_ms < pause.until_ms:
                    yield f"{account} gave leave to {ask[:2]} at {leave_ms}, within {pause}"


def _pauses(evidence: Evidence) -> Iterator[Pause]:
    for record in evidence.topics[LIMIT_CHANGES]:
        data = orjson.loads(record.value or b"{}")["data"]
        if data["what"] == "pause" and data["after"]:
            name = (record.key or b"").decode()
            yield Pause(name, data["changed_at_ms"], data["after"], record.timestamp)
