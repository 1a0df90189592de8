"""The demo's own check of the engine, from what the topics say alone.

Counted again the naive way: every contact of a customer against every window of the policy, with
nothing of the engine's ledger or arithmetic. It must never explain a difference away.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from streams.core.kinds import KIND_OF
from streams.core.policy import DAYS_IN_MONTH, Calendar, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from streams.core.policy import Policy, Window
    from streams.demo.evidence import Evidence

OUTCOMES: Final = (
    "approved",
    "denied",
    "duplicate",
    "expired",
    "held_out",
    "cancelled",
    "deferred",
)


class Check(NamedTuple):
    """One thing that must hold, in numbers; `faults` counts what speaks against it."""

    faults: int
    text: str

    @property
    def good(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.faults


class Sent(NamedTuple):
    """A message that counts as a contact with a customer, and when."""

    customer: str
    account: str
    campaign: str | None
    kind: str
    at_ms: int


def audit(evidence: Evidence, policy: Policy) -> list[Check]:
    """Everything that must hold when a day is over and all that came is decided."""
    return [
        balance(evidence),
        one_end_each(evidence),
        approvals(evidence),
        refusals(evidence),
        strays(evidence),
        *caps(evidence, policy),
    ]


def balance(evidence: Evidence) -> Check:
    """Asked = outcomes + held."""
    parts = [(evidence.outcomes[name], name) for name in OUTCOMES if evidence.outcomes[name]]
    told = sum(evidence.outcomes.values())
    words = " + ".join(
        f"{count:,} {'still held' if name == 'deferred' else name}" for count, name in parts
    )
    return Check(abs(evidence.asked - told), f"{evidence.asked:,} asked = {words}")


def one_end_each(evidence: Evidence) -> Check:
    """Each ask has one end, or is held; each repeat of it is answered as one."""
    wrong = 0
    for request in evidence.asks.values():
        ended_once = request.ends == 1 and not request.held
        waits = request.ends == 0 and request.held
        repeats_told = request.repeats == request.times - 1
        wrong += not ((ended_once or waits) and repeats_told)
    return Check(
        wrong, f"{len(evidence.asks):,} intents × customers: each ends once or is visibly held"
    )


def approvals(evidence: Evidence) -> Check:
    """Approved messages are the approved decisions, one for one, each on its kind's topic."""
    decided = Counter(
        decision["decision_id"]
        for request in evidence.asks.values()
        for decision in request.decisions
        if decision["outcome"] == "approved"
    )
    messages = Counter(message["decision_id"] for message in evidence.approved)
    differ = (decided - messages).total() + (messages - decided).total()
    twice = sum(count - 1 for count in messages.values())
    text = (
        f"{messages.total():,} messages on approved.* = {decided.total():,} approved, {twice} twice"
    )
    return Check(differ + twice + evidence.misplaced, text)


def refusals(evidence: Evidence) -> Check:
    """What cannot be read, and only that, is in the dead letters, once."""
    unreadable = Counter(dict.fromkeys(evidence.unreadable, 1))
    differ = (unreadable - evidence.letters).total() + (evidence.letters - unreadable).total()
    why = ", ".join(f"{count} {reason}" for reason, count in evidence.letter_reasons.most_common())
    text = f"{len(unreadable)} broken records = {evidence.letters.total()} dead letters"
    return Check(differ, f"{text} ({why})" if why else text)


def strays(evidence: Evidence) -> Check:
    """What came without its key or in a wrong partition was brought to its place."""
    lost = (evidence.strays - evidence.in_place).total()
    text = f"{evidence.strays.total()} records without key or in a wrong partition, all forwarded"
    return Check(lost, text)


def caps(evidence: Evidence, policy: Policy) -> Iterator[Check]:
    """No customer is over any window at any moment."""
    contacts = contacts_of(evidence)
    zone = ZoneInfo(policy.time_zone)
    windows = [window for window in policy.windows if not window.shadow]
    over = {window.id: over_cap(window, contacts, zone) for window in windows}
    people = len({contact.customer for contact in contacts})
    faults = ", ".join(f"{name}: {count}" for name, count in over.items() if count)
    text = f"{len(windows)} windows × {people:,} customers, over a cap: {faults or 'nobody'}"
    yield Check(sum(over.values()), text)


def contacts_of(evidence: Evidence) -> list[Sent]:
    """The messages that count: at their delivery, without a receipt at their last moment."""
    contacts = []
    for message in evidence.approved:
        receipts = evidence.receipts.get(message["decision_id"], [])
        delivered = next((r for r in receipts if r.delivered), None)
        if receipts and not delivered:
            continue
        at_ms = message["send_by_ms"]
        if delivered:
            at_ms = max(message["decided_at_ms"], delivered.occurred_ms)
        names = message["customer_id"], message["account_id"], message.get("campaign_id")
        contacts.append(Sent(*names, message["kind"], at_ms))
    return contacts


def over_cap(window: Window, contacts: Iterable[Sent], zone: ZoneInfo) -> int:
    """How many contacts are more than the window allows."""
    times: dict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for contact in contacts:
        if window.kinds >> KIND_OF[contact.kind] & 1:
            times[_counted_with(window, contact)].append(contact.at_ms)
    return sum(_over(window, sorted(each), zone) for each in times.values())


def _counted_with(window: Window, contact: Sent) -> tuple[str | None, ...]:
    if window.scope is Scope.ENTERPRISE:
        return (contact.customer,)
    other = contact.account if window.scope is Scope.ACCOUNT else contact.campaign
    return contact.customer, other


def _over(window: Window, times: Sequence[int], zone: ZoneInfo) -> int:
    over = sum(later - sooner < window.min_gap_ms for sooner, later in pairwise(times))
    if window.limit is None:
        return over
    if window.rolling_ms is not None:
        spans = [[e for e in times if t - window.rolling_ms < e <= t] for t in times]
        return over + sum(len(span) > window.limit for span in spans)
    days = [_local_day(t, zone) for t in times]
    periods = Counter(_period_of(day, window.calendar) for day in days)
    return over + sum(
        max(0, count - (_days_in_month(first) if window.limit == DAYS_IN_MONTH else window.limit))
        for first, count in periods.items()
    )


def _local_day(at_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()


def _period_of(day: date, calendar: Calendar | None) -> date:
    if calendar is Calendar.MONTH:
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if calendar is Calendar.WEEK else day


def _days_in_month(first: date) -> int:
    return ((first + timedelta(days=31)).replace(day=1) - first).days
