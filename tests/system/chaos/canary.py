"""Campaigns that are released by shares: nobody before their turn, whatever fails meanwhile.

Judged from `campaign-status` and the decisions, by the laws of
`tests.properties.accounts.campaigns` as far as they hold while word is on its way. A share only
grows, and its status is written before any leave that rests on it; so who is approved must be in
the share last told before. What was on its way when a campaign was paused may still be approved:
that is not judged, and neither is how soon a share follows another.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import orjson

from streams.topics import CAMPAIGN_STATUS
from tests.properties.accounts.campaigns import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.system.chaos.accounts import Decided
    from tests.system.chaos.customers import Said
    from tests.system.chaos.evidence import Evidence
    from tests.system.chaos.laws import Law

CAMPAIGNS: Final = {"campaign_canary", "campaign_paused"}
"""The reasons that are judged here."""
STOPPED: Final = {"paused", "killed"}


class Campaigns:
    """What was told of each campaign, and when it was written."""

    def __init__(self, evidence: Evidence) -> None:
        self._told: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
        for record in evidence.topics[CAMPAIGN_STATUS]:
            if record.value is not None:
                data = orjson.loads(record.value)["data"]
                self._told[(record.key or b"").decode()].append((record.timestamp, data))

    def faults(self, decided: Decided, laws: Iterable[Law]) -> Iterator[str]:
        """Shares that shrink, campaigns that come back, and who was approved before their turn."""
        for name, told in self._told.items():
            yield from _goes_back(name, [data for _, data in told])
        of = {(law.enterprise, law.version): law for law in laws}
        for said in decided.values():
            for record, data in said:
                law = of.get((data["enterprise_id"], data["policy_version"]))
                staged = law is not None and data["kind"] in law.staged
                if data["outcome"] == "approved" and staged and "campaign_id" in data:
                    yield from self._too_soon(record.timestamp, data, law)

    def fault(self, said: Said) -> str | None:
        """Why an account's own word about a campaign is not justified."""
        ask, data = said.ask, said.data
        if ask.campaign is None:
            return "it is of no campaign"
        if data["reason"] == "campaign_paused":  # one that is killed takes all kinds along
            phases = {told["phase"] for told in self._by(said.record.timestamp, data)}
            return None if phases & STOPPED else f"its campaign was only {phases}"
        place = place_of(ask.campaign, data["customer_id"])
        waits = ask.kind in said.law.staged and place >= said.law.first_share
        return None if waits else "it is in the first share, or in none"

    def _too_soon(self, by_ms: int, data: dict[str, Any], law: Law | None) -> Iterator[str]:
        first = law.first_share if law else 1.0
        released = max((told["released"] for told in self._by(by_ms, data)), default=first)
        place = place_of(data["campaign_id"], data["customer_id"])
        if place >= max(first, released):
            who = f"{data['customer_id']} ({place:.2f}) of {data['campaign_id']}"
            yield f"{who} was approved at {by_ms}, and {released} is released"

    def _by(self, written_ms: int, data: dict[str, Any]) -> list[dict[str, Any]]:
        """All that was told of its campaign by then."""
        told = self._told[f"{data['enterprise_id']}/{data['campaign_id']}"]
        return [said for _, said in told[: bisect_right(told, written_ms, key=lambda one: one[0])]]


def _goes_back(name: str, told: list[dict[str, Any]]) -> Iterator[str]:
    released, killed = 0.0, False
    for data in told:
        if data["released"] < released:
            yield f"{name} goes back from {released} to {data['released']}"
        if killed and data["phase"] != "killed":
            yield f"{name} was killed and is {data['phase']}"
        released, killed = data["released"], data["phase"] == "killed"
