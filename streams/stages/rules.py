"""The policies and controls in force on this worker, as it reads them from the rules' changelog.

Rules of this file: a view. `RulesStage` (`rules_stage`) accepts what the changelog contains, so all
workers decide by the same documents in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from streams.core.controls import Action, Control, ControlBook
from streams.core.customer.compile import compile_rules
from streams.core.policy_versions import PolicyVersions, UnreadPolicyError
from streams.policy.parse import parse_policy
from streams.runtime.failure import StartRefusedError
from streams.stages.state_keys import CONTROL, GENERATION, POLICY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.customer.rules import KindRules
    from streams.core.policy import Policy
    from streams.policy.faults import Fault

MOST_NAMED: Final = 3
"""Faults that are named of a version that cannot be read: the message goes to a log."""

decode_kept_control = msgspec.msgpack.Decoder(Control).decode


def split_policy_key(key: bytes) -> tuple[str, int]:
    """Enterprise and version of a policy's key."""
    enterprise, _, version = key.removeprefix(POLICY).decode().rpartition("/")
    return enterprise, int(version)


class Rules:
    """The policies and controls in force on this worker."""

    def __init__(self, default: Policy) -> None:
        self.policies = PolicyVersions(default)
        self.controls = ControlBook()
        self.generation = 0
        self._compiled: dict[int, tuple[Policy, tuple[KindRules, ...]]] = {}

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Apply one record of the rules' changelog; `value` None: deleted."""
        if key.startswith(POLICY) and value is None:
            self.policies.forget(*split_policy_key(key))
        elif key.startswith(POLICY) and value is not None:
            self._apply_policy(key, orjson.loads(value))
        elif key.startswith(CONTROL):
            self.controls.accept(_control_of(key, value))
        elif key == GENERATION and value is not None:
            self.generation = int(value)

    def policy(self, enterprise: str, now_ms: int) -> Policy:
        """The policy in force for an enterprise.

        Raises StartRefusedError if this worker cannot read it: under another policy, or none, the
        enterprise would be open to what its own forbids.
        """
        try:
            return self.policies.in_force(enterprise, now_ms)
        except UnreadPolicyError as unread:
            raise StartRefusedError(str(unread)) from unread

    def refuse_unread(self, now_ms: int) -> None:
        """Raise StartRefusedError if a policy in force cannot be read here."""
        for enterprise in self.policies.enterprises():
            self.policy(enterprise, now_ms)

    def _apply_policy(self, key: bytes, kept: dict[str, Any]) -> None:
        policy, faults = parse_policy(kept["document"])
        if policy is not None:
            self.policies.accept(policy, kept["recorded_at_ms"])
            return
        enterprise, version = split_policy_key(key)
        why = _cannot_read(enterprise, version, faults)
        self.policies.accept_unread(enterprise, version, kept["recorded_at_ms"], why)

    def kind_rules(self, enterprise: str, now_ms: int) -> tuple[KindRules, ...]:
        """The rules in force for an enterprise, indexed by kind."""
        policy = self.policy(enterprise, now_ms)
        # By identity: to compare whole policies would cost more than the decision. The policy is
        # kept beside its rules, so that no other object gets its identity.
        known = self._compiled.get(id(policy))
        if known is None:
            known = self._compiled[id(policy)] = (policy, compile_rules(policy))
        return known[1]


def _control_of(key: bytes, value: bytes | None) -> Control:
    if value is None:
        scope = key.removeprefix(CONTROL).decode()
        return Control(action=Action.RESUME, scope=scope, by="", why="")
    return decode_kept_control(value)


def _cannot_read(enterprise: str, version: int, faults: Sequence[Fault]) -> str:
    named = "; ".join(map(str, faults[:MOST_NAMED]))
    return (
        f"policy {enterprise} version {version} was accepted by another release, and this one"
        f" cannot read it: {named}. Publish a higher version that this one reads and start again,"
        " or go on with the release that accepted it"
    )
