"""Who is whose friend, who was asked and not yet answered, recounted event by event.

Rules of this file: it follows interactions and approved messages as the contract tells them; it
counts nothing that an engine said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.accounts.past import Entry

Pair = tuple[str, str]
"""Customer and account."""


class Ties:
    """What binds customers and accounts at some point of the past."""

    def __init__(self) -> None:
        self.friends: dict[Pair, int] = {}
        """Friends, and since when by the word of who told it."""
        self.asked: dict[Pair, dict[str, Any]] = {}
        """The last friend request without an answer."""
        self.handed: dict[Pair, dict[str, Any]] = {}
        """The transfer under way, by customer and giver."""
        self.messages: dict[str, dict[str, Any]] = {}
        """Approved messages by decision id; `state` is sent, delivered or failed."""
        self.failed: set[str] = set()
        """What was never sent."""
        self._known: set[tuple[str, str]] = set()

    def relations(self, account: str | None = None) -> int:
        """Customers that an account holds, or all accounts together."""
        return sum(account in {None, pair[1]} for pair in self.friends)

    def under_way(self, account: str, now_ms: int, open_ms: int) -> int:
        """Requests by and transfers to an account that may still become relations."""
        asked = [
            data
            for (_, name), data in self.asked.items()
            if name == account and data["decided_at_ms"] + open_ms > now_ms
        ]
        handed = [
            data
            for data in self.handed.values()
            if data["to_account_id"] == account and data["send_by_ms"] >= now_ms
        ]
        return len(asked) + len(handed)

    def approved(self, data: dict[str, Any]) -> None:
        """A message was approved."""
        self.messages[data["decision_id"]] = data | {"state": "sent"}
        pair = data["customer_id"], data["account_id"]
        if data["kind"] == "friend_request":
            self.asked[pair] = data
        elif data["kind"] == "transfer":
            self.handed[pair] = data

    def heard(self, entry: Entry) -> bool:
        """Take an interaction in; False if it was no news."""
        data, customer = entry.data, entry.data.get("customer_id", "")
        if entry.type in {"delivered", "failed"}:
            return self._receipt(entry.type, data)
        if (customer, entry.name) in self._known:
            return False
        self._known.add((customer, entry.name))
        pair = customer, data.get("account_id", "")
        if entry.type == "friend_added":
            self._befriended(pair, data["occurred_at_ms"])
        elif entry.type in {"friend_removed", "blocked"}:
            self.friends.pop(pair, None)
        elif entry.type == "friend_refused":
            self.asked.pop(pair, None)
        elif entry.type == "transfer_failed":
            self.handed.pop(pair, None)
        elif entry.type == "transferred":
            self._gone(pair)
            self._befriended((customer, data["to_account_id"]), data["occurred_at_ms"])
        elif entry.type == "erase":
            self._erased(customer)
        return True

    def _befriended(self, pair: Pair, at_ms: int) -> None:
        self.friends[pair] = at_ms
        self.asked.pop(pair, None)

    def _gone(self, pair: Pair) -> None:
        for kept in (self.friends, self.asked, self.handed):
            kept.pop(pair, None)

    def _erased(self, customer: str) -> None:
        for pair in {*self.friends, *self.asked, *self.handed}:
            if pair[0] == customer:
                self._gone(pair)
        gone = [name for name, m in self.messages.items() if m["customer_id"] == customer]
        for name in gone:
            del self.messages[name]
        self._known = {known for known in self._known if known[0] != customer}

    def _receipt(self, what: str, data: dict[str, Any]) -> bool:
        message = self.messages.get(data["decision_id"])
        if message is None or message["state"] in {"delivered", what}:
            return False
        if what == "delivered" and message["kind"] == "transfer":
            return False  # it has only begun
        message["state"] = what
        if what == "failed":
            pair = message["customer_id"], message["account_id"]
            self.failed.add(message["decision_id"])
            for kept in (self.asked, self.handed):
                if kept.get(pair, {}).get("decision_id") == message["decision_id"]:
                    del kept[pair]
            if data["reason"] == "not_friend":
                self.friends.pop(pair, None)
        return True
