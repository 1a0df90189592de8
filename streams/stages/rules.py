"""Policies and controls: one gate for all of them, one view for every worker.

`RulesStage` takes `policies` and `controls`, refuses what is broken, once, and keeps what is
accepted as its state. That state's changelog is what every worker follows into its `Rules`, so all
decide by the same documents in the same order, and a broken record on a compacted topic can
displace nothing that was in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from streams.core.controls import Action, Control, ControlBook
from streams.core.customer.compile import compile_rules
from streams.core.policy_versions import EVERYONE, PolicyVersions, UnreadPolicyError, since_ms
from streams.core.written import rfc3339
from streams.events.decode import decode_control, decode_policy
from streams.events.envelope import Rejected
from streams.events.internal import Sweep, SweepBroadcast, encode_news, encode_sweep
from streams.policy.parse import parse_policy
from streams.runtime.failure import StartRefusedError
from streams.runtime.records import Unreadable
from streams.stages.dead_letters import dead_letter, unreadable_letter
from streams.stages.routing import to_every_partition
from streams.stages.state_keys import CONTROL, GENERATION, POLICY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.core.customer.rules import KindRules
    from streams.core.policy import Policy
    from streams.policy.faults import Fault
    from streams.runtime.records import Output, Record
    from streams.runtime.state import DueTimer, State
    from streams.topics import Topics

CLOCK_AHEAD_MS: Final = 60_000
"""How far a publisher's clock may be ahead: far more than machines with a common time differ by. A
version by a clock still further ahead counts from its acceptance, or it would come into force hours
or years late and nobody would know."""

MOST_NAMED: Final = 3
"""Faults that are told of a version that cannot be read: the line goes to a log."""

KEPT_MS: Final = 86_400_000
"""What is over is kept for a day: far longer than any worker's clock is behind this stage's."""

_decode_control = msgspec.msgpack.Decoder(Control).decode


class _InvalidError(Exception):
    """A policy or control that is refused; the message is the dead letter's `error`."""


class RulesStage:
    """`Stage` over `policies` and `controls`, one partition each: their order is total."""

    name = "rules"

    def __init__(self, topics: Topics, partitions: int) -> None:
        """`partitions`: of the customer stage, each of which is told of a change."""
        self.topics = topics
        self.partitions = partitions
        self.sources = (topics.policies, topics.controls)
        self.changelog = topics.rules_state

    def on_records(
        self, partition: int, records: Iterator[Record], state: State, now_ms: int
    ) -> Iterable[Output]:
        """Accept into the state or refuse into the dead letters."""
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
        """Forget what has been over for `KEPT_MS`."""
        for timer in due:
            if timer.name.startswith(POLICY):
                _forget_below(timer.name, state)
            else:
                _forget_ended(timer.name, state, now_ms)
        return ()

    def _broadcast(self, changes: Sequence[Sweep], state: State) -> Iterator[Output]:
        """Have everything looked at again, once the rules of this generation are known."""
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
    return [int(key[len(head) :]) for key in state if key.startswith(head)]


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
    """Forget the versions below one that is long in force: none of them ever is again."""
    enterprise, _, version = key.removeprefix(POLICY).decode().rpartition("/")
    for lower in _versions(state, enterprise):
        if lower < int(version):
            state.delete(POLICY + f"{enterprise}/{lower}".encode())


def _forget_ended(key: bytes, state: State, now_ms: int) -> None:
    """Forget a control that has ended, unless there is another for its scope by now."""
    value = state.get(key)
    control = None if value is None else _decode_control(value)
    until_ms = None if control is None else control.until_ms
    if until_ms is not None and until_ms + KEPT_MS <= now_ms:
        state.delete(key)


def _about(scope: str) -> Sweep:
    """The sweep of those who wait in a control's scope; of a kind, all of its enterprise."""
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
    """A control that was over on arrival never held anything: whoever ordered it must know."""
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


def _cannot_read(enterprise: str, version: str, faults: Sequence[Fault]) -> str:
    named = "; ".join(map(str, faults[:MOST_NAMED]))
    return (
        f"policy {enterprise} version {version} was accepted by another release, and this one"
        f" cannot read it: {named}. Publish a higher version that this one reads and start again,"
        " or go on with the release that accepted it"
    )


class Rules:
    """The policies and controls in force on this worker, as its follower reads them."""

    def __init__(self, default: Policy) -> None:
        self.policies = PolicyVersions(default)
        self.controls = ControlBook()
        self.generation = 0
        self._compiled: dict[int, tuple[Policy, tuple[KindRules, ...]]] = {}

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Take over one record of the rules' state."""
        if key.startswith(POLICY) and value is None:
            enterprise, _, version = key.removeprefix(POLICY).decode().rpartition("/")
            self.policies.forget(enterprise, int(version))
        elif key.startswith(POLICY) and value is not None:
            self._apply_policy(key, orjson.loads(value))
        elif key.startswith(CONTROL):
            self.controls.accept(_control_of(key, value))
        elif key == GENERATION and value is not None:
            self.generation = int(value)

    def policy(self, enterprise: str, now_ms: int) -> Policy:
        """The policy in force for an enterprise.

        Raises StartRefusedError where this worker cannot read it: by another one, or by none, the
        enterprise would be open to what its own forbids.
        """
        try:
            return self.policies.in_force(enterprise, now_ms)
        except UnreadPolicyError as unread:
            raise StartRefusedError(str(unread)) from unread

    def refuse_unread(self, now_ms: int) -> None:
        """Raise StartRefusedError where a policy in force cannot be read here."""
        for enterprise in self.policies.enterprises():
            self.policy(enterprise, now_ms)

    def _apply_policy(self, key: bytes, kept: dict[str, Any]) -> None:
        policy, faults = parse_policy(kept["document"])
        if policy is not None:
            self.policies.accept(policy, kept["recorded_at_ms"])
            return
        enterprise, _, version = key.removeprefix(POLICY).decode().rpartition("/")
        why = _cannot_read(enterprise, version, faults)
        self.policies.accept_unread(enterprise, int(version), kept["recorded_at_ms"], why)

    def kind_rules(self, enterprise: str, now_ms: int) -> tuple[KindRules, ...]:
        """The laws in force for an enterprise, indexed by kind."""
        policy = self.policy(enterprise, now_ms)
        # By identity, for comparing whole policies would cost more than the decision. The policy
        # is kept beside its laws, so that its identity stays its own.
        known = self._compiled.get(id(policy))
        if known is None:
            known = self._compiled[id(policy)] = (policy, compile_rules(policy))
        return known[1]


def _control_of(key: bytes, value: bytes | None) -> Control:
    if value is None:
        scope = key.removeprefix(CONTROL).decode()
        return Control(action=Action.RESUME, scope=scope, by="", why="")
    return _decode_control(value)
