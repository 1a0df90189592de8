"""Every policy that was accepted, and which of them is in force for whom, and when.

Rules of this file: it is told of policies in the order of their topic and never reads a clock. The
answer depends on the asked moment alone, so partitions whose clocks differ may share one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from streams.core.policy import Policy

EVERYONE: Final = "*"
"""The `enterprise` of a policy for all that have none of their own in force."""


class UnreadPolicyError(Exception):
    """The version that governs cannot be read here: nothing may be decided in its place."""


class _Version(NamedTuple):
    """`policy` is None of what cannot be read; `why` says so."""

    since_ms: int
    policy: Policy | None
    why: str = ""


class _Answer(NamedTuple):
    """The policy in force in [since, until): both ends are moments at which that may change."""

    since_ms: float
    until_ms: float
    policy: Policy


def since_ms(policy: Policy, recorded_at_ms: int) -> int:
    """From when on a version may govern: its `effective_at`, else its record's time."""
    return recorded_at_ms if policy.effective_at_ms is None else policy.effective_at_ms


class PolicyVersions:
    """Policies by enterprise and version, over a default for those that have none.

    A decision uses the highest version whose `effective_at`, else its record's time, has come. An
    enterprise without such a version is governed by those of `*`, else by the default.
    """

    def __init__(self, default: Policy) -> None:
        self._default = default
        self._versions: dict[str, dict[int, _Version]] = {}
        self._answers: dict[str, _Answer] = {}

    def accept(self, policy: Policy, recorded_at_ms: int) -> None:
        """Add a policy; the same version again replaces the earlier one, as on its topic."""
        own = self._versions.setdefault(policy.enterprise, {})
        own[policy.version] = _Version(since_ms(policy, recorded_at_ms), policy)
        self._answers.clear()

    def accept_unread(self, enterprise: str, version: int, since_ms: int, why: str) -> None:
        """Add a version that cannot be read here; when it begins, cannot be either."""
        self._versions.setdefault(enterprise, {})[version] = _Version(since_ms, None, why)
        self._answers.clear()

    def forget(self, enterprise: str, version: int) -> None:
        """Drop a version that never is in force again; nothing happens if it is not held."""
        self._versions.get(enterprise, {}).pop(version, None)
        self._answers.clear()

    def in_force(self, enterprise: str, now_ms: int) -> Policy:
        """The policy to decide by for this enterprise at this moment.

        Raises UnreadPolicyError where it is a version that cannot be read.
        """
        # All that have no versions of their own share one answer: the cache stays as small as
        # the number of policies, however many enterprises there are.
        name = enterprise if enterprise in self._versions else EVERYONE
        answer = self._answers.get(name)
        if answer is None or not answer.since_ms <= now_ms < answer.until_ms:
            answer = self._answers[name] = self._look_up(name, now_ms)
        return answer.policy

    def enterprises(self) -> tuple[str, ...]:
        """All that have versions of their own, `*` among them."""
        return tuple(self._versions)

    def _look_up(self, name: str, now_ms: int) -> _Answer:
        own = self._versions.get(name, {})
        everyone = self._versions.get(EVERYONE, {})
        moments = [version.since_ms for held in (own, everyone) for version in held.values()]
        return _Answer(
            since_ms=max((since for since in moments if since <= now_ms), default=-math.inf),
            until_ms=min((since for since in moments if since > now_ms), default=math.inf),
            policy=_newest(own, now_ms) or _newest(everyone, now_ms) or self._default,
        )


def _newest(held: dict[int, _Version], now_ms: int) -> Policy | None:
    come = [number for number, version in held.items() if version.since_ms <= now_ms]
    if not come:
        return None
    newest = held[max(come)]
    if newest.policy is None:
        raise UnreadPolicyError(newest.why)
    return newest.policy
