"""One customer as the tests drive them: time, asks and events in; what was settled out.

Between any two steps the ledger goes through its bytes and is tidied, as in the customer stage, so
every test of this directory is a test of storing and of forgetting as well.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from streams.core.customer.compile import compile_rules
from streams.core.customer.customer import Customer
from streams.core.customer.feedback import HURTS
from streams.core.customer.held import next_wake
from streams.core.customer.ledger import dump, load
from streams.core.customer.request import Candidate, Request
from streams.core.customer.upkeep import is_large
from streams.core.kinds import ALL_KINDS, Kind, mask_of
from streams.core.policy import Calendar, Policy, Scope, Window
from streams.events import interactions as events
from streams.events.identity import decision_id, mark_of
from streams.stages.customer.interactions import QUIET, apply, is_duplicate

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.customer.ledger import Ledger
    from streams.core.customer.request import Decided, Verdict
    from streams.core.customer.rules import KindRules
    from streams.core.reasons import Reason

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

MARKETING: Final = mask_of([Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT])
DISTURBING: Final = MARKETING | mask_of([Kind.FRIEND_REQUEST])


def ms(text: str, zone: str = "UTC") -> int:
    """The instant of a local time, `2026-11-18 12:00:00.000`; of two readings the first."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return round((local - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000)


NOON: Final = ms("2026-11-18 12:00")
"""A Wednesday, far from any change of the clocks."""


def kinds(*names: Kind) -> int:
    return mask_of(names)


def rolling(limit: int | None, length_ms: int | None, **parts: Any) -> Window:
    return window(limit=limit, rolling_ms=length_ms, **parts)


def calendar(limit: int, period: Calendar, **parts: Any) -> Window:
    return window(limit=limit, calendar=period, **parts)


def window(**parts: Any) -> Window:
    everything: dict[str, Any] = {"id": "w", "kinds": ALL_KINDS, "scope": Scope.ENTERPRISE}
    return Window(**everything | parts)


def policy(*windows: Window, **parts: Any) -> Policy:
    """A policy that governs nothing but what is passed; every kind valid and held for a day."""
    nothing: dict[str, Any] = {
        "name": "test",
        "version": 1,
        "enterprise": "*",
        "effective_at_ms": None,
        "time_zone": "UTC",
        "unknown_zone_denies": False,
        "remember_ms": 2 * DAY,
        "validity_ms": (DAY,) * len(Kind),
        "deadline_ms": (DAY,) * len(Kind),
        "max_held": 20,
        "windows": windows,
    }
    return Policy(**nothing | parts)


def validity(length_ms: int) -> dict[str, Any]:
    return {"validity_ms": (length_ms,) * len(Kind)}


def deadline(length_ms: int) -> dict[str, Any]:
    return {"deadline_ms": (length_ms,) * len(Kind)}


class Person:
    """A customer `c` of enterprise `e` under a policy; `now_ms` is the engine's clock."""

    def __init__(self, law: Policy, now_ms: int = NOON, *, customer: str = "c") -> None:
        self.policy = law
        self.now_ms = now_ms
        self.customer = customer
        self.value: bytes | None = None
        self._count = 0
        self.cost: Counter[tuple[str, str | None, str]] = Counter()
        """What accounts and campaigns were told to count of what hurts."""

    @property
    def ledger(self) -> Ledger:
        return load(self.value)

    @property
    def size(self) -> int:
        return len(self.value or b"")

    def at(self, now_ms: int) -> Person:
        """Set the clock."""
        self.now_ms = now_ms
        return self

    def after(self, length_ms: int) -> Person:
        return self.at(self.now_ms + length_ms)

    def ask(self, kind: Kind, account: str = "a", **parts: Any) -> Verdict:
        """What becomes of an intent that arrives now."""
        return self.ask_all(kind, account, **parts)[0].verdict

    def ask_all(self, kind: Kind, account: str = "a", **parts: Any) -> list[Decided]:
        return self.arrives(self.new_ask(kind, account, **parts))

    def new_ask(self, kind: Kind, account: str = "a", **parts: Any) -> Request:
        self._count += 1
        defaults: dict[str, Any] = {
            "intent_id": f"i{self._count}",
            "source": "test",
            "priority": 50,
            "deny": False,
            "accepted_ms": self.now_ms,
        }
        return Request(account_id=account, kind=kind, **defaults | parts)

    def arrives(self, request: Request) -> list[Decided]:
        return self.judged(Candidate(request, self.now_ms))

    def judged(self, candidate: Candidate) -> list[Decided]:
        mark = self.mark(candidate.request.intent_id)
        return self.open(lambda customer: customer.decide_request(candidate, mark))

    def approved(self, kind: Kind, account: str = "a", **parts: Any) -> str:
        """The intent's id; the test fails here when the intent is not approved."""
        verdict = self.ask(kind, account, **parts)
        assert verdict.outcome == "approved", verdict
        return f"i{self._count}"

    def decision(self, intent: str) -> str:
        return decision_id("e", "test", intent, self.customer)

    def mark(self, intent: str) -> int:
        mark = mark_of(self.decision(intent))
        assert mark is not None
        return mark

    def wake(self) -> list[Decided]:
        """What the timer does when it fires now, and again as long as something is due."""
        said = []
        while (due_ms := self.next_ms()) is not None and due_ms <= self.now_ms:
            said += self.wake_once()
        return said

    def wake_once(self) -> list[Decided]:
        """What the timer does when it fires now."""
        return self.open(lambda customer: customer.on_timer())

    def next_ms(self) -> int | None:
        wake = next_wake(self.ledger)
        return None if wake is None else wake.due_ms

    def run_until(self, until_ms: int) -> list[tuple[int, Decided]]:
        """Fire every timer at its moment; each thing settled with when it was."""
        said = []
        while (due_ms := self.next_ms()) is not None and due_ms <= until_ms:
            self.at(max(due_ms, self.now_ms))
            said += [(self.now_ms, settled) for settled in self.wake()]
        self.at(until_ms)
        return said

    # --- events ---------------------------------------------------------------------------------

    def delivered(self, intent: str, at_ms: int | None = None, account: str = "a") -> list[Decided]:
        data = events.Receipt(**self._who(at_ms, account), decision_id=self.decision(intent))
        return self.note(events.Delivered, data)

    def failed(self, intent: str, *, reason: str = "other", account: str = "a") -> list[Decided]:
        data = events.FailureReceipt(
            **self._who(None, account),
            decision_id=self.decision(intent),
            reason=reason,  # type: ignore[arg-type]
        )
        return self.note(events.Failed, data)

    def wrote(self, at_ms: int | None = None, account: str = "a", **event: str) -> list[Decided]:
        return self.note(
            events.MessageReceived, events.CustomerEvent(**self._who(at_ms, account)), **event
        )

    def engaged(self, at_ms: int | None = None, account: str = "a") -> list[Decided]:
        data = events.Engagement(**self._who(at_ms, account), action="click")
        return self.note(events.Engaged, data)

    def complained(
        self,
        at_ms: int | None = None,
        account: str = "a",
        intent: str | None = None,
        **event: str,
    ) -> list[Decided]:
        """About the message of an intent, if one is named."""
        data = events.Complaint(**self._who(at_ms, account), **self._of(intent))
        return self.note(events.Complained, data, **event)

    def blocked(
        self, at_ms: int | None = None, account: str = "a", intent: str | None = None
    ) -> list[Decided]:
        data = events.Complaint(**self._who(at_ms, account), **self._of(intent))
        return self.note(events.Blocked, data)

    def _of(self, intent: str | None) -> dict[str, Any]:
        return {} if intent is None else {"decision_id": self.decision(intent)}

    def consents(self, at_ms: int | None = None, **wish: Any) -> list[Decided]:
        who = self._who(at_ms, "a")
        hours = wish.pop("quiet_hours", None)
        if isinstance(hours, tuple):
            hours = events.QuietHours(*hours)
        data = events.ConsentWish(**who, **{"allowed": True} | wish, quiet_hours=hours)
        return self.note(events.Consent, data)

    def befriended(self, at_ms: int | None = None, account: str = "a") -> list[Decided]:
        data = events.FriendAddition(**self._who(at_ms, account), initiated_by="customer")
        return self.note(events.FriendAdded, data)

    def unfriended(self, at_ms: int | None = None, account: str = "a") -> list[Decided]:
        return self.note(events.FriendRemoved, events.CustomerEvent(**self._who(at_ms, account)))

    def transferred(self, giver: str, taker: str, at_ms: int | None = None) -> list[Decided]:
        data = events.Transfer(**self._who(at_ms, giver), to_account_id=taker)
        return self.note(events.Transferred, data)

    def transfer_failed(self, giver: str, taker: str) -> list[Decided]:
        data = events.TransferFailure(
            **self._who(None, giver), to_account_id=taker, reason="customer_refused"
        )
        return self.note(events.TransferFailed, data)

    def note(self, event: type[Any], data: Any, **names: str) -> list[Decided]:
        self._count += 1
        named = {"id": f"e{self._count}", "source": "test", "specversion": "1.0"} | names

        def work(customer: Customer) -> list[Decided]:
            told = event(**named, data=data)
            if is_duplicate(customer, told):
                return []
            for charge in apply(customer, told):
                if charge.what in HURTS:
                    campaign = charge.contact.campaign if charge.contact else None
                    self.cost[charge.account, campaign, charge.what] += charge.by
            return [] if event in QUIET else customer.reconsider()

        return self.open(work)

    def open(self, work: Callable[[Customer], list[Decided]]) -> list[Decided]:
        """Load the customer, expire, do some work, and store, as a batch does."""
        kind_rules = _with_permits(self.policy)
        customer = Customer(load(self.value), "e", self.customer, kind_rules, self.now_ms)
        customer.expire()
        settled = work(customer)
        if is_large(customer.ledger):
            customer.expire()
        self.value = dump(customer.ledger)
        return settled

    def _who(self, at_ms: int | None, account: str) -> dict[str, Any]:
        return {
            "enterprise_id": "e",
            "customer_id": self.customer,
            "account_id": account,
            "occurred_at_ms": self.now_ms if at_ms is None else at_ms,
        }


@lru_cache(maxsize=64)
def _with_permits(law: Policy) -> tuple[KindRules, ...]:
    """The rules of a customer whose accounts give a permit for everything."""
    return tuple(replace(one, needs_permit=False) for one in compile_rules(law))


def outcomes(settled: list[Decided]) -> list[tuple[str, str, Reason]]:
    """Intent, outcome and reason of each, in order."""
    return [(s.request.intent_id, s.verdict.outcome, s.verdict.reason) for s in settled]
