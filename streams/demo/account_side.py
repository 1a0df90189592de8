"""What the topics say about accounts and campaigns: limits, their changes, and what they rest on.

The other half of `evidence`, under the same rules: committed records only, read with plain JSON.
One exception: when an account gave leave to a message stands on no public topic, so the moment,
and nothing else, is read from the engine's own candidates.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from streams.events.internal import decode_candidate
from streams.topics import (
    ACCOUNT_LIMITS,
    CAMPAIGN_STATUS,
    CANDIDATES,
    ENTERPRISE_LIMITS,
    LIMIT_CHANGES,
)

if TYPE_CHECKING:
    from streams.core.policy import Weights
    from streams.runtime.records import Record

TOPICS_READ: Final = (ACCOUNT_LIMITS, LIMIT_CHANGES, CAMPAIGN_STATUS, ENTERPRISE_LIMITS)
HURTS: Final = {
    "decorum.complained.v1": "complaint",
    "decorum.blocked.v1": "block",
    "decorum.consent.v1": "opt_out",
}
TIE: Final = "decorum.friend_added.v1"

Place = tuple[int, int]
"""Partition and offset."""


class Hurt(NamedTuple):
    """A customer's complaint, block or opt-out; `heard_ms`: the broker's time of the record."""

    account: str
    what: str
    occurred_ms: int
    heard_ms: int


class Leave(NamedTuple):
    """An account's leave for one customer of an intent: when, and for what."""

    at_ms: int
    kind: int
    """As in `streams.core.kinds`."""
    name: tuple[str, str, str]
    """Source, intent and customer, as in `evidence.Name`."""


class AccountSide:
    """The accounts' and campaigns' day as the topics tell it."""

    def __init__(self) -> None:
        self.limits: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """By account, oldest first."""
        self.places: dict[str, list[Place]] = defaultdict(list)
        """Where each of `limits` stands."""
        self.changes: list[dict[str, Any]] = []
        self.campaigns: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """By campaign, oldest first."""
        self.enterprise: dict[str, Any] = {}
        """How it stands last."""
        self.hurts: dict[str, list[Hurt]] = defaultdict(list)
        """By account, in no particular order; repeats of an event and of an opt-out are none."""
        self.leaves: dict[str, list[Leave]] = defaultdict(list)
        """By account, in no particular order: they stand in the customers' partitions."""
        self.ties: Counter[str] = Counter()
        """By account, how many contacts producers told of."""
        self.read_ms: dict[Place, int] = {}
        """When a client had the limits of a place, where one watched, by the machine's clock."""
        self.down_ms = (0, 0)
        """When the worker was killed and when it was ready again, by the machine's clock."""
        self._told: set[tuple[str, str]] = set()
        self._opted_out: set[str] = set()

    def add(self, topic: str, record: Record) -> None:
        """Take in one record of `TOPICS_READ` or of the candidates; others are ignored."""
        if topic == CANDIDATES:
            self._candidate(record)
        elif topic in TOPICS_READ and record.value is not None:
            data = orjson.loads(record.value)["data"]
            if topic == ACCOUNT_LIMITS:
                self.limits[data["account_id"]].append(data)
                self.places[data["account_id"]].append((record.partition, record.offset))
            elif topic == LIMIT_CHANGES:
                self.changes.append(data)
            elif topic == CAMPAIGN_STATUS:
                self.campaigns[data["campaign_id"]].append(data)
            else:
                self.enterprise = data

    def interaction(self, event: dict[str, Any], heard_ms: int) -> None:
        """Take in what a customer did."""
        data = event["data"]
        self.ties[data["account_id"] if event["type"] == TIE else ""] += 1
        what = HURTS.get(event["type"])
        if what is None or (event["source"], event["id"]) in self._told:
            return
        self._told.add((event["source"], event["id"]))
        if what == "opt_out" and not self._is_opt_out(data):
            return
        account = data.get("account_id")
        if account is not None:
            hurt = Hurt(account, what, data["occurred_at_ms"], heard_ms)
            self.hurts[account].append(hurt)

    def _is_opt_out(self, data: dict[str, Any]) -> bool:
        """Whether a word on consent takes something back that was allowed before."""
        if data["allowed"] or data["customer_id"] in self._opted_out:
            return False
        self._opted_out.add(data["customer_id"])
        return True

    def _candidate(self, record: Record) -> None:
        candidate = decode_candidate(record.value or b"")
        if candidate.permit_ms:
            request = candidate.request
            customer = (record.key or b"").decode().split("/")[1]
            name = request.source, request.intent_id, customer
            self.leaves[request.account_id].append(Leave(candidate.permit_ms, request.kind, name))

    # --- what follows from it ---

    @property
    def latest(self) -> dict[str, dict[str, Any]]:
        """How each account stands last."""
        return {account: told[-1] for account, told in self.limits.items()}

    def at(self, account: str, moment_ms: int) -> dict[str, Any] | None:
        """The limits that held at a moment; None before the first."""
        told = self.limits[account]
        place = bisect_right(told, moment_ms, key=lambda data: data["updated_at_ms"])
        return told[place - 1] if place else None

    def before(self, account: str, moment_ms: int) -> dict[str, Any] | None:
        """The limits that held just before a moment; None before the first."""
        told = self.limits[account]
        place = bisect_left(told, moment_ms, key=lambda data: data["updated_at_ms"])
        return told[place - 1] if place else None

    def changes_of(self, account: str, what: str) -> list[dict[str, Any]]:
        """The changes of one limit of an account, oldest first."""
        return [c for c in self.changes if (c["account_id"], c["what"]) == (account, what)]

    def unsettled(self, weights: Weights) -> list[str]:
        """Accounts whose limits do not say what their customers' complaints add up to."""
        latest = self.latest
        return [
            account
            for account in sorted({*self.hurts, *latest})
            if latest.get(account, {}).get("complaints", 0) != self.complaints(account, weights)
        ]

    def complaints(self, account: str, weights: Weights) -> float:
        """What the complaints, blocks and opt-outs of an account's customers add up to."""
        counts = Counter(hurt.what for hurt in self.hurts[account])
        return float(sum(getattr(weights, what) * counts[what] for what in HURTS.values()))
