"""The rules stage: the gate that every policy and control passes, once for all workers.

It takes `policies` and `controls`, refuses invalid ones, and keeps accepted ones as its state. All
workers follow that state's changelog (`rules`). So an invalid record on a compacted topic cannot
displace what is in force.

Rules of this file: accepting, refusing and deleting documents; `Rules` reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import orjson

from streams.core.controls import Action, Control
from streams.core.local_calendar import DAY_MS
from streams.core.policy_versions import EVERYONE, since_ms
from streams.core.written import rfc3339
from streams.events.decode import decode_control, decode_policy
from streams.events.envelope import Rejected
from streams.events.internal import Sweep, SweepBroadcast, encode_news, encode_sweep
from streams.policy.parse import parse_policy
from streams.runtime.records import Unreadable
from streams.stages.dead_letters import dead_letter, unreadable_letter
from streams.stages.routing import to_every_partition
from streams.stages.rules import decode_kept_control, split_policy_key
from streams.stages.state_keys import CONTROL, GENERATION, POLICY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.policy.faults import Fault
    from streams.runtime.records import Output, Record
    from streams.runtime.state import DueTimer, State
    from streams.topics import Topics

CLOCK_AHEAD_MS: Final = 60_000
"""How far a publisher's clock may be ahead: far more than two machines' clocks differ. A version
from a clock further ahead counts from its acceptance; otherwise it would come into force hours or
years late, and nobody would know."""

KEPT_MS: Final = DAY_MS
"""What has ended is kept for a day: no worker's clock is so far behind this stage's."""


class _InvalidError(Exception):
    """A policy or control that is refused; the message is the dead letter's `error`."""


class RulesStage:
    """`Stage` over `policies` and `controls`, one partition each: their order is total."""

    name = "rules"

    def __init__(self, topics: Topics, partitions: int) -> None:
        """`partitions`: how many the other stages have; each hears of a change."""
        self.topics = topics
        self.partitions = partitions
        self.sources = (topics.policies, topics.controls)
        self.changelog = topics.rules_state

    def on_records(
        self, partition: int, records: Iterator[Record], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Accept a record into the state, or write a dead letter."""
        outputs = state.budget.collect()
        changes: list[Sweep | None] = []
        for record in records:
            if isinstance(record, Unreadable):
                outputs.append(unreadable_letter(self.topics, record, state, now_ms))
                continue
            policies = record.topic == self.topics.policies
            try:
                accept = _accept_policy if policies else _accept_control
                changes.append(accept(record, state, now_ms))
            except _InvalidError as broken:
                reason = "refused_policy" if policies else "refused_control"
                outputs.append(dead_letter(self.topics, record, reason, str(broken), state, now_ms))
        outputs += self._broadcast([change for change in changes if change is not None], state)
        return outputs

    def on_timers(
        self, partition: int, due: Sequence[DueTimer], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Delete what ended at least `KEPT_MS` ago."""
        for timer in due:
            if timer.name.startswith(POLICY):
                _forget_below(timer.name, state)
            else:
                _forget_ended(timer.name, state, now_ms)
        return ()

    def _broadcast(self, changes: Sequence[Sweep], state: State) -> Iterator[Output]:
        """Have held requests decided again by every worker that knows this generation."""
        if not changes:
            return
        generation = int(state.get(GENERATION) or b"0") + 1
        state.put(GENERATION, b"%d" % generation)
        for change in dict.fromkeys(changes):
            sweep = msgspec.structs.replace(change, generation=generation)
            yield from to_every_partition(self.topics.sweeps, self.partitions, encode_sweep(sweep))
            news = encode_news(SweepBroadcast(sweep))
            yield from to_every_partition(self.topics.account_news, self.partitions, news)


def _accept_policy(record: Record, state: State, now_ms: int) -> Sweep | None:
    document = _document_of(record)
    policy, faults = parse_policy(document)
    if policy is None:
        raise _broken(faults)
    key = POLICY + f"{policy.enterprise}/{policy.version}".encode()
    before = state.get(key)
    if before is not None and orjson.loads(before)["document"] == document:
        return None  # published again, as a retry does
    highest = max(_versions(state, policy.enterprise), default=None)
    if highest is not None and policy.version <= highest:
        message = f"$.data.version: must be above {highest}, the highest version accepted"
        raise _InvalidError(message)
    recorded_ms = record.timestamp if record.timestamp <= now_ms + CLOCK_AHEAD_MS else now_ms
    state.put(key, orjson.dumps({"recorded_at_ms": recorded_ms, "document": document}))
    begins_ms = since_ms(policy, recorded_ms)
    state.set_timer(max(begins_ms, now_ms) + KEPT_MS, key)
    enterprise = None if policy.enterprise == EVERYONE else policy.enterprise
    return Sweep(enterprise=enterprise, from_ms=begins_ms)


def _versions(state: State, enterprise: str) -> Iterable[int]:
    head = POLICY + enterprise.encode() + b"/"
    return [split_policy_key(key)[1] for key in state if key.startswith(head)]


def _accept_control(record: Record, state: State, now_ms: int) -> Sweep:
    event = decode_control(record.value)
    if isinstance(event, Rejected):
        raise _InvalidError(event.error)
    data = event.data
    action = Action[data.action.upper()]
    key = CONTROL + data.scope.encode()
    if action is Action.RESUME:
        state.delete(key)
    else:
        _refuse_over(data.until_ms, now_ms)
        control = Control(
            action=action, scope=data.scope, by=data.by, why=data.why, until_ms=data.until_ms
        )
        state.put(key, msgspec.msgpack.encode(control))
        if data.until_ms is not None:
            state.set_timer(data.until_ms + KEPT_MS, key)
    return _about(data.scope)


def _forget_below(key: bytes, state: State) -> None:
    """Delete the versions below one that has been in force for long: none will be again."""
    enterprise, version = split_policy_key(key)
    for lower in _versions(state, enterprise):
        if lower < version:
            state.delete(POLICY + f"{enterprise}/{lower}".encode())


def _forget_ended(key: bytes, state: State, now_ms: int) -> None:
    """Delete a control that has ended, unless another has replaced it for its scope."""
    value = state.get(key)
    control = None if value is None else decode_kept_control(value)
    until_ms = None if control is None else control.until_ms
    if until_ms is not None and until_ms + KEPT_MS <= now_ms:
        state.delete(key)


def _about(scope: str) -> Sweep:
    """The sweep of all that waits in a control's scope; for a kind, in its whole enterprise."""
    enterprise, _, rest = scope.partition("/")
    if enterprise == EVERYONE:
        return Sweep(waiting=True)
    what, _, name = rest.partition("/")
    return Sweep(
        enterprise=enterprise,
        account=name if what == "account" else None,
        campaign=name if what == "campaign" else None,
        waiting=True,
    )


def _refuse_over(until_ms: int | None, now_ms: int) -> None:
    """Refuse a control that was over on arrival: its author must know that it held nothing."""
    if until_ms is not None and until_ms <= now_ms:
        raise _InvalidError(
            f"$.data.until_ms: {rfc3339(until_ms)} was over when this arrived, at "
            f"{rfc3339(now_ms)}; nothing is held. Order it anew, or `resume` to end another"
        )


def _document_of(record: Record) -> object:
    event = decode_policy(record.value)
    if isinstance(event, Rejected):
        raise _InvalidError(event.error)
    return event.data


def _broken(faults: Sequence[Fault]) -> _InvalidError:
    return _InvalidError("; ".join(f"$.data.{fault}" for fault in faults))
