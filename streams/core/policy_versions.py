"""All accepted policies, and which one is in force for an enterprise at a moment.

Rules of this file: policies arrive in the order of their topic. No clock: an answer depends on the
given moment alone, so partitions with different clocks may share one object.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from streams.core.policy import Policy

EVERYONE: Final = "*"
"""The `enterprise` of a policy for all that have no own policy in force."""


class UnreadPolicyError(Exception):
    """The version in force cannot be read here. No other version may replace it."""


class _Version(NamedTuple):
    """`policy` is None if the version cannot be read; `why` says the reason."""

    since_ms: int
    policy: Policy | None
    why: str = ""


class _Answer(NamedTuple):
    """The policy in force in [since, until): at both ends it may change."""

    since_ms: float
    until_ms: float
    policy: Policy


def since_ms(policy: Policy, recorded_at_ms: int) -> int:
    """From when on a version may be in force: its `effective_at`, else its record's time."""
    return recorded_at_ms if policy.effective_at_ms is None else policy.effective_at_ms


class PolicyVersions:
    """Policies by enterprise and version, over a default for those that have none.

    The policy in force is the highest version whose `since_ms` has come. An enterprise without such
    a version gets that of `*`, else the default.
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
        """Add a version that cannot be read here; `since_ms`: its record's time."""
        self._versions.setdefault(enterprise, {})[version] = _Version(since_ms, None, why)
        self._answers.clear()

    def forget(self, enterprise: str, version: int) -> None:
        """Delete a version that will not be in force again, if it is known."""
        self._versions.get(enterprise, {}).pop(version, None)
        self._answers.clear()

    def in_force(self, enterprise: str, now_ms: int) -> Policy:
        """The policy to decide by for this enterprise at this moment.

        Raises UnreadPolicyError if that version cannot be read.
        """
        # Enterprises without own versions share one answer, so the cache stays as small as the
        # number of policies.
        name = enterprise if enterprise in self._versions else EVERYONE
        answer = self._answers.get(name)
        if answer is None or not answer.since_ms <= now_ms < answer.until_ms:
            answer = self._answers[name] = self._look_up(name, now_ms)
        return answer.policy

    def enterprises(self) -> tuple[str, ...]:
        """All enterprises with own versions, and `*` if it has some."""
        return tuple(self._versions)

    def _look_up(self, name: str, now_ms: int) -> _Answer:
        own = self._versions.get(name, {})
        everyone = self._versions.get(EVERYONE, {})
        moments = [version.since_ms for known in (own, everyone) for version in known.values()]
        return _Answer(
            since_ms=max((since for since in moments if since <= now_ms), default=-math.inf),
            until_ms=min((since for since in moments if since > now_ms), default=math.inf),
            policy=_newest(own, now_ms) or _newest(everyone, now_ms) or self._default,
        )


def _newest(known: dict[int, _Version], now_ms: int) -> Policy | None:
    come = [number for number, version in known.items() if version.since_ms <= now_ms]
    if not come:
        return None
    newest = known[max(come)]
    if newest.policy is None:
        raise UnreadPolicyError(newest.why)
    return newest.policy
