"""Who is whose friend, who was asked and not yet answered, recounted event by event.

Rules of this file: it follows interactions and approved messages as the contract tells them; it
counts nothing that an engine said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.properties.accounts.past import Entry

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
        """Approved messages by decision id; `state` is sent, delivered or failed, `counts_ms` when
        it was or may be sent, `holder` the account that the customer is with now."""
        self.lost: dict[Pair, int] = {}
        """Who is known not to be friends, and since when: of one millisecond it is what counts."""
        self.over: dict[Pair, int] = {}
        """When the last handover was, by customer and giver."""
        self.failed: set[str] = set()
        """What was never sent."""
        self._known: set[tuple[str, str, str]] = set()
        self._erased_ms: dict[str, int] = {}

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
        more = {"state": "sent", "counts_ms": data["send_by_ms"], "holder": data["account_id"]}
        self.messages[data["decision_id"]] = data | more
        pair = data["customer_id"], data["account_id"]
        if data["kind"] == "friend_request":
            self.asked[pair] = data
        elif data["kind"] == "transfer":
            self.handed[pair] = data

    def heard(self, entry: Entry) -> bool:
        """Take an interaction in; False if it was no news."""
        data, customer = entry.data, entry.data.get("customer_id", "")
        if entry.type in {"delivered", "failed"}:
            return self._receipt(entry)
        if self._is_past(entry):
            return False
        said = customer, entry.name, _what(entry)
        if said in self._known or self._has_gone_over(entry):
            return False
        self._known.add(said)
        pair = customer, data.get("account_id", "")
        if entry.type == "friend_added":
            self._befriended(pair, data["occurred_at_ms"])
        elif entry.type in {"friend_removed", "blocked"}:
            named = self.messages.get(data.get("decision_id", ""))
            lost = (customer, named["holder"]) if named else pair
            self._lose(lost, data["occurred_at_ms"])
        elif entry.type == "friend_refused":
            self.asked.pop(pair, None)
        elif entry.type == "transfer_failed":
            self.handed.pop(pair, None)
            self._end_transfer(pair, "failed")
        elif entry.type == "transferred":
            began_ms = self._end_transfer(pair, "delivered")
            at_ms = max(began_ms, min(data["occurred_at_ms"], entry.at_ms))
            self.over[pair] = max(at_ms, self.over.get(pair, 0))
            self._gone(pair)
            self.lost[pair] = data["occurred_at_ms"]
            self._hand_on(pair, data["to_account_id"])
            self._befriended((customer, data["to_account_id"]), data["occurred_at_ms"])
        elif entry.type == "erase":
            self._erased(customer)
            self._erased_ms[customer] = entry.at_ms
        return True

    def _is_past(self, entry: Entry) -> bool:
        """Whether it is about what was before its customer was forgotten."""
        data = entry.data
        customer, account = data.get("customer_id", ""), data.get("account_id", "")
        erased_ms = self._erased_ms.get(customer)
        if erased_ms is None or entry.type == "erase":
            return False
        if data["occurred_at_ms"] < erased_ms and data.get("decision_id") not in self.messages:
            return True
        ties = [tie for tie in (*self.friends, *self.handed) if tie[0] == customer]
        return entry.type == "transferred" and (customer, account) not in ties

    def _has_gone_over(self, entry: Entry) -> bool:
        """Whether it is a handover that was told before, under another name."""
        if entry.type != "transferred":
            return False
        customer, giver = entry.data["customer_id"], entry.data["account_id"]
        taker = customer, entry.data["to_account_id"]
        at_ms = min(entry.data["occurred_at_ms"], entry.at_ms)
        known = taker in self.friends or self.over.get((customer, giver), 0) >= at_ms
        return known and (customer, giver) in self.lost and not self._transfers((customer, giver))

    def _transfers(self, pair: Pair) -> list[dict[str, Any]]:
        """The account's own transfers of which nothing was heard."""
        return [
            m
            for m in self.messages.values()
            if (m["customer_id"], m["account_id"], m["kind"]) == (*pair, "transfer")
            and m["state"] == "sent"
            and m["holder"] == pair[1]
        ]

    def _end_transfer(self, pair: Pair, state: str) -> int:
        """When what is ended began; 0 for one that nobody asked for."""
        under_way = self._transfers(pair)
        if not under_way:
            return 0
        last = max(under_way, key=lambda m: m["decided_at_ms"])
        last["state"] = state
        return int(last["decided_at_ms"])

    def _hand_on(self, pair: Pair, taker: str) -> None:
        for message in self.messages.values():
            if (message["customer_id"], message["holder"]) == pair:
                message["holder"] = taker

    def _lose(self, pair: Pair, at_ms: int) -> None:
        self.friends.pop(pair, None)
        self.lost[pair] = at_ms

    def _befriended(self, pair: Pair, at_ms: int) -> None:
        if self.lost.get(pair, 0) < at_ms:
            self.lost.pop(pair, None)
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
        self.lost = {pair: at for pair, at in self.lost.items() if pair[0] != customer}
        self.over = {pair: at for pair, at in self.over.items() if pair[0] != customer}
        self._known = {known for known in self._known if known[0] != customer}

    def _receipt(self, entry: Entry) -> bool:
        what, data = entry.type, entry.data
        message = self.messages.get(data["decision_id"])
        if message is None or message["state"] == "delivered":
            return False
        if data.get("reason") == "not_friend" and "no_friend" not in message:
            message["no_friend"] = True  # news, whatever failure was told before
            self._lose((message["customer_id"], message["account_id"]), data["occurred_at_ms"])
        if message["state"] == what:
            return False
        if what == "delivered" and message["kind"] == "transfer":
            return False  # it has only begun
        message["state"] = what
        if what == "delivered":
            sent_ms = min(data["occurred_at_ms"], entry.at_ms)
            message["counts_ms"] = max(message["decided_at_ms"], sent_ms)
        if what == "failed":
            pair = message["customer_id"], message["account_id"]
            self.failed.add(message["decision_id"])
            for kept in (self.asked, self.handed):
                if kept.get(pair, {}).get("decision_id") == message["decision_id"]:
                    del kept[pair]
        return True


def _what(entry: Entry) -> str:
    """All that an event says: a name that is used again with other words is another event."""
    return f"{entry.type} {sorted(entry.data.items())}"
