"""What people say against messages, recounted: whose message it is, and once a person.

Rules of this file: it goes through all that was said anew with every word; a complaint is one
entry, whose words are kept in their order, and the heaviest of them counts at its own time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY_MS = 86_400_000
WEIGHTS = {"complaint": 1.0, "block": 1.0, "opt_out": 0.5}
ANNOYING = {"direct", "broadcast", "moment"}


@dataclass
class Complaint:
    """All that one customer says of one message, or of an account within a day."""

    customer: str
    account: str
    message: str | None
    what: str = ""
    at_ms: int = 0
    campaign: str | None = None
    settled: bool = False
    """The account was reinstated since: a heavier word alone counts anew."""
    open_ms: list[int] = field(default_factory=list)
    """When words were charged that named no message."""


class Hurts:
    """Every complaint of the past so far."""

    def __init__(self) -> None:
        self.complaints: list[Complaint] = []

    def counted(self, account: str) -> Iterator[tuple[str, int]]:
        """What hurts an account, and when it happened."""
        for complaint in self.complaints:
            if complaint.account == account and complaint.what and not complaint.settled:
                yield complaint.what, complaint.at_ms

    def of_campaign(self, campaign: str, weights: dict[str, float]) -> float:
        """What hurts a campaign, in complaints' worth: whatever became of the accounts."""
        said = (c.what for c in self.complaints if c.campaign == campaign and c.what)
        return sum(weights[what] for what in said)

    def reinstated(self, account: str, at_ms: int) -> bool:
        """Nothing from before counts; whether a heavier word of this very moment may still come."""
        past = [c for c in self.complaints if c.account == account and c.at_ms <= at_ms]
        for complaint in past:
            complaint.settled = True
        return any(c.what == "opt_out" and c.at_ms == at_ms for c in past)

    def erased(self, customer: str) -> None:
        """Nobody knows any more what was said; it goes on to count."""
        for complaint in self.complaints:
            if complaint.customer == customer:
                complaint.message, complaint.open_ms = None, []
                complaint.customer = ""

    def unsure(
        self, data: dict[str, Any], at_ms: int, messages: dict[str, dict[str, Any]]
    ) -> set[str | None]:
        """Campaigns of messages that a word from the future is about, if the engine's clock is as
        far ahead: what was sent between its writing and its time.
        """
        if data.get("decision_id"):
            return set()
        who = data["customer_id"], data.get("account_id", "")
        return {
            message.get("campaign_id")
            for message in messages.values()
            if _may_be_meant(message, *who, data["occurred_at_ms"])
            and not _may_be_meant(message, *who, at_ms)
        }

    def heard(
        self, what: str, data: dict[str, Any], at_ms: int, messages: dict[str, dict[str, Any]]
    ) -> None:
        """One word; `messages` are all that are known, by their decision ids."""
        customer, named = data["customer_id"], data.get("decision_id")
        message = messages.get(named or "")
        if message is not None and message["customer_id"] == customer:
            at_ms = max(at_ms, message["decided_at_ms"])
            self._add(self._of(customer, message), what, at_ms)
        elif data.get("account_id"):
            self._open(what, data, at_ms, [] if named else list(messages.values()))

    def _open(
        self, what: str, data: dict[str, Any], at_ms: int, messages: list[dict[str, Any]]
    ) -> None:
        customer, account = data["customer_id"], data["account_id"]
        complaint = self._within_a_day(customer, account, at_ms)
        if complaint is None:
            sent = [m for m in messages if _may_be_meant(m, customer, account, at_ms)]
            sent = [m for m in sent if m["state"] == "delivered"] or sent
            last = max(sent, key=lambda m: (m["counts_ms"], m["decided_at_ms"]), default=None)
            complaint = self._of(customer, last) if last else Complaint(customer, account, None)
        if self._add(complaint, what, at_ms):
            complaint.open_ms = [t for t in complaint.open_ms if abs(t - at_ms) >= DAY_MS]
            complaint.open_ms.append(at_ms)

    def _within_a_day(self, customer: str, account: str, at_ms: int) -> Complaint | None:
        near = [
            (abs(t - at_ms), index)
            for index, c in enumerate(self.complaints)
            if (c.customer, c.account) == (customer, account)
            for t in c.open_ms
            if abs(t - at_ms) < DAY_MS
        ]
        return self.complaints[min(near)[1]] if near else None

    def _of(self, customer: str, message: dict[str, Any]) -> Complaint:
        name = message["decision_id"]
        known = [c for c in self.complaints if (c.customer, c.message) == (customer, name)]
        if known:
            return known[0]
        campaign = message.get("campaign_id")
        return Complaint(customer, message["account_id"], name, campaign=campaign)

    def _add(self, complaint: Complaint, what: str, at_ms: int) -> bool:
        if not any(complaint is known for known in self.complaints):
            self.complaints.append(complaint)
        if complaint.what and WEIGHTS[what] <= WEIGHTS[complaint.what]:
            return False
        complaint.what, complaint.at_ms, complaint.settled = what, at_ms, False
        return True


def _may_be_meant(message: dict[str, Any], customer: str, account: str, at_ms: int) -> bool:
    return (
        (message["customer_id"], message["account_id"]) == (customer, account)
        and message["kind"] in ANNOYING
        and message["state"] != "failed"
        and message["counts_ms"] <= at_ms
    )
