"""Laws of relations and friend requests: no approval is above a ceiling."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from streams.topics import ACCOUNT_LIMITS, INTERACTIONS
from tests.properties.accounts.past import APPROVED
from tests.properties.accounts.plot import ACCOUNTS, ENTERPRISE
from tests.properties.accounts.ties import Ties
from tests.properties.accounts.units import day_of, duration_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.properties.accounts.past import Entry, Moment, Past

OPEN_MS: Final = duration_ms("24h") - 1
"""How long a request is at least taken for open: as long as it may be sent, where the policy does
not say otherwise."""

TOLD_WITHIN_MS: Final = 1_001
"""Accounts learn what all of them hold together at most so late."""


def faults(past: Past) -> Iterator[str]:
    """Approvals over a ceiling."""
    book = _Book(past)
    for moment, entries in past.moments():
        yield from book.live(moment, entries)


class _Book:
    """The recount of all accounts."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.ties = Ties()
        self.counted: list[dict[str, Any]] = []
        """Friend requests approved while adds were governed."""
        self.held: list[tuple[int, int]] = [(0, 0)]
        """What all accounts held together, and since when."""

    def live(self, moment: Moment, entries: list[Entry]) -> Iterator[str]:
        """One moment: inputs first, then each approval against the least that was held in it."""
        before = {account: self._load(account, moment) for account in ACCOUNTS}
        for entry in entries:
            if entry.topic == INTERACTIONS:
                self.ties.heard(entry)
        least = {a: min(load, self._load(a, moment)) for a, load in before.items()}
        self.held.append((moment[1], self.ties.relations()))
        taken: Counter[str] = Counter()
        for entry in entries:
            if entry.topic in APPROVED:
                yield from self._approved(moment, entry.data, least, taken)

    def _load(self, account: str, moment: Moment) -> int:
        under_way = self.ties.under_way(account, moment[1], OPEN_MS)
        return self.ties.relations(account) + under_way

    def _approved(
        self,
        moment: Moment,
        data: dict[str, Any],
        least: dict[str, int],
        taken: Counter[str],
    ) -> Iterator[str]:
        pair = data["customer_id"], data["account_id"]
        is_new = pair not in self.ties.asked and pair not in self.ties.friends
        self.ties.approved(data)
        if data["kind"] not in {"friend_request", "transfer"}:
            return
        account = data.get("to_account_id") or data["account_id"]
        taken[account] += is_new or data["kind"] == "transfer"
        if not self.past.sections("ceilings", moment):
            return
        yield from self._over(moment, account, least[account] + taken[account], data)
        if data["kind"] == "friend_request":
            self.counted.append(data)
            yield from self._too_many_today(moment, account)
            yield from self._enterprise_full(moment, account)

    def _over(self, moment: Moment, account: str, load: int, data: dict[str, Any]) -> Iterator[str]:
        ceiling = _most(self.past, moment, account, "relations_ceiling")
        if ceiling is not None and load > ceiling:
            said = f"{data['kind']} to {data['customer_id']} at {moment}"
            yield f"{account}: {load} relations and requests, {ceiling} allowed: {said}"

    def _too_many_today(self, moment: Moment, account: str) -> Iterator[str]:
        policy = self.past.policies(moment)[-1]
        today = day_of(policy, moment[1])
        adds = [
            data
            for data in self.counted
            if data["account_id"] == account
            and day_of(policy, data["decided_at_ms"]) == today
            and data["decision_id"] not in self.ties.failed
        ]
        ceiling = _most(self.past, moment, account, "daily_add_ceiling")
        if ceiling is not None and len(adds) > ceiling:
            yield f"{account}: {len(adds)} adds on {today}, {ceiling} allowed, at {moment}"

    def _enterprise_full(self, moment: Moment, account: str) -> Iterator[str]:
        sections = self.past.sections("ceilings", moment)
        allowed = max(section["relations"]["enterprise"] for section in sections)
        since_ms = moment[1] - TOLD_WITHIN_MS
        lately = [count for at_ms, count in self.held if at_ms > since_ms]
        earlier = [count for at_ms, count in self.held if at_ms <= since_ms]
        if min([*earlier[-1:], *lately]) >= allowed:
            yield f"{account} adds at {moment}, and all together hold {self.held[-1][1]}"


def _most(past: Past, moment: Moment, account: str, what: str) -> int | None:
    """The highest ceiling in the moment; None where one of its limits has none."""
    key = f"{ENTERPRISE}/{account}"
    told = past.standing(ACCOUNT_LIMITS, key, moment)
    found: list[int] = [entry.data[what] for entry in told if what in entry.data]
    return max(found, default=None) if len(found) == len(told) else None
