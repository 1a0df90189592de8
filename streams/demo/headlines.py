"""What happens to accounts and campaigns, told while the day goes on: each thing once.

Rules of this file: what the topics have said so far in, lines out; the full account of it is
`account_summary`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from streams.demo.day import local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.demo.account_side import AccountSide


class Headlines:
    """Remembers what it has told."""

    def __init__(self) -> None:
        self._changes = 0
        self._statuses: dict[str, int] = {}

    def fresh(self, side: AccountSide) -> list[tuple[int, str]]:
        """What is new since the last call: when, and in a line."""
        changes = side.changes[self._changes :]
        self._changes += len(changes)
        found = [(c["changed_at_ms"], text) for c in changes if (text := _of_account(c))]
        for name, told in side.campaigns.items():
            since = self._statuses.get(name, 0)
            found += _of_campaign(name, told[max(0, since - 1) :])
            self._statuses[name] = len(told)
        return sorted(found)


def _of_account(change: dict[str, Any]) -> str | None:
    account = change["account_id"]
    if change["reason"] == "burst":
        until = "for good" if change["after"] is None else f"until {local(change['after'])}"
        return f"{account} is braked {until}: {change['complaints']:g} complaints"
    if change["reason"] == "pause_over":
        return f"{account} goes on"
    if change["what"] == "grade" and change["after"] == "red":
        return f"{account} is red: no more broadcasts and posts, half the contacts and requests"
    return None


def _of_campaign(name: str, told: list[dict[str, Any]]) -> Iterator[tuple[int, str]]:
    """Stops, and the shares of a campaign that goes by stages."""
    for before, status in pairwise(told):
        phase, share = status["phase"], f"{status['released']:.0%}"
        if phase in {"paused", "killed"} and phase != before["phase"]:
            text = f"campaign {name} is {phase} at {share}: {status['complaints']:g} complaints"
            yield status["updated_at_ms"], text
        elif 0 < before["released"] < status["released"]:
            yield status["updated_at_ms"], f"campaign {name} goes to {share} of its audience"
