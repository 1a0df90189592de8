"""The greatest ledger: a bound for each kind of entry, and what goes first beyond it."""

from __future__ import annotations

from typing import Any

import pytest

from streams.core.customer.compile import compile_rules
from streams.core.customer.ledger import (
    IGNORED_MOST,
    Blame,
    ConsentRecord,
    Contact,
    ContactState,
    CustomerQuietHours,
    Friend,
    HeldRequest,
    Ledger,
    PendingTransfer,
    Relationship,
    dump,
)
from streams.core.customer.upkeep import BINDING_MOST, FREE_MOST, IDLE_MOST, RELEASED_MOST, shrink
from streams.core.dedup import SEEN_MOST, remember
from streams.core.kinds import Kind
from streams.core.policy import Reply, Scope
from streams.core.reasons import Reason
from streams.core.written import MAX_IDENTIFIER
from streams.events.fields import MAX_MS
from streams.stages.customer.ledgers import LARGEST
from tests.properties.rules.test_bounds import longest_ask, most_held
from tests.unit.core.person import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    Person,
    kinds,
    policy,
    rolling,
    window,
)

MANY = rolling(100_000, 7 * DAY)
CAMPAIGN = "x" * MAX_IDENTIFIER


def listed(person: Person) -> list[Contact]:
    return list(person.ledger.contacts())


# --- contacts -------------------------------------------------------------------------------------


@pytest.mark.rule("R2.27")
def test_what_failed_is_bounded_and_the_newest_are_kept() -> None:
    person = Person(policy(MANY))
    for _ in range(1_000):
        person.after(20 * SECOND).failed(person.approved(Kind.BROADCAST, campaign_id=CAMPAIGN))
    assert len(listed(person)) <= RELEASED_MOST + 1
    assert person.size < 60_000
    last = f"i{person._count - 1}"
    assert person.ask(Kind.BROADCAST).remaining == {"w": 99_999}
    person.delivered(last)  # beats the failure still
    assert person.ask(Kind.BROADCAST).remaining == {"w": 99_997}


@pytest.mark.rule("R2.18", "R2.27")
def test_of_two_hundred_free_messages_in_minutes_every_receipt_is_understood() -> None:
    person = Person(policy())
    sent = [person.after(SECOND).approved(Kind.TRANSACTIONAL) for _ in range(200)]
    for intent in sent:
        person.after(SECOND).delivered(intent)
    assert [c.state for c in listed(person)] == [ContactState.DELIVERED] * 200


@pytest.mark.rule("R2.27")
def test_free_messages_are_bounded_whoever_sends_them() -> None:
    person = Person(policy(remember_ms=30 * DAY))
    for number in range(600):
        person.after(SECOND).approved(Kind.TRANSACTIONAL, account=f"a{number}")
    assert len(listed(person)) == FREE_MOST
    assert min(c.decided_ms for c in listed(person)) == person.now_ms - (FREE_MOST - 1) * SECOND
    assert len(person.ledger.relationships) == FREE_MOST


@pytest.mark.rule("R2.27")
def test_shadow_rules_bind_nothing_and_so_they_keep_a_bounded_number() -> None:
    shadow = window(limit=2, rolling_ms=90 * DAY, shadow=True)
    person = Person(policy(shadow))
    for _ in range(600):
        person.after(MINUTE).delivered(person.approved(Kind.DIRECT))
    assert len(listed(person)) == FREE_MOST
    assert person.ask(Kind.DIRECT).shadow == {"w": "window_full"}


@pytest.mark.rule("R2.27")
def test_a_shadow_rule_that_reaches_further_drops_nothing_that_binds() -> None:
    shadow = window(id="s", limit=2, rolling_ms=90 * DAY, shadow=True)
    person = Person(policy(rolling(300, DAY), shadow))
    for _ in range(900):
        person.after(5 * MINUTE).delivered(person.approved(Kind.DIRECT))
    assert person.ask(Kind.DIRECT).remaining == {"w": 300 - 288 - 1}
    assert len(listed(person)) < 288 + FREE_MOST + 2


@pytest.mark.rule("R2.28")
def test_what_binding_windows_count_is_never_dropped_and_the_next_one_waits() -> None:
    own = rolling(1, DAY, scope=Scope.ACCOUNT, kinds=kinds(Kind.DIRECT))
    person = Person(policy(own))
    accounts = [f"a{number}" for number in range(BINDING_MOST)]
    for account in accounts:
        person.after(SECOND).delivered(person.approved(Kind.DIRECT, account=account), None, account)
    more = person.ask(Kind.DIRECT, account="more")
    assert (more.outcome, more.reason, more.rule) == ("deferred", "window_full", "max_contacts")
    refused = person.ask(Kind.DIRECT, account="more", deny=True)
    assert (refused.outcome, refused.eligible_at_ms) == ("denied", None)
    assert person.ask(Kind.DIRECT, account=accounts[0]).reason == "account_window_full"
    assert person.ask(Kind.DIRECT, account=accounts[0]).rule == "w"
    assert person.ask(Kind.TRANSACTIONAL).outcome == "approved"  # no window counts it
    assert person.after(DAY).ask(Kind.DIRECT, account="more").outcome == "approved"


# --- accounts -------------------------------------------------------------------------------------


@pytest.mark.rule("R2.29")
def test_an_account_that_was_only_heard_of_is_forgotten_with_its_credit() -> None:
    person = Person(policy(reply=Reply(credits=5, within_ms=2 * DAY)))
    person.wrote(account="conversation-1")
    assert person.at(NOON + 2 * DAY - 1).ask(Kind.REPLY, account="conversation-1").outcome == (
        "approved"
    )
    other = Person(policy(reply=Reply(credits=5, within_ms=2 * DAY)))
    other.wrote(account="conversation-1")
    other.at(NOON + 2 * DAY).engaged(account="b")
    assert list(other.ledger.relationships) == ["b"]


@pytest.mark.rule("R2.29")
def test_of_too_many_accounts_those_go_first_that_matter_least() -> None:
    person = Person(policy(reply=Reply(credits=5, within_ms=2 * DAY)))
    person.complained(account="harmful")
    person.unfriended(account="left")
    person.befriended(account="friend")
    for number in range(2 * IDLE_MOST):
        person.after(SECOND).wrote(account=f"conversation-{number}")
    pairs = person.ledger.relationships
    assert len(pairs) == IDLE_MOST
    assert {"harmful", "left", "friend"} <= set(pairs)
    assert f"conversation-{2 * IDLE_MOST - 1}" in pairs
    assert "conversation-0" not in pairs


@pytest.mark.rule("R2.29")
def test_an_account_with_a_message_on_record_is_never_too_many() -> None:
    person = Person(policy(rolling(1, 30 * DAY, scope=Scope.ACCOUNT)))
    person.delivered(person.approved(Kind.DIRECT, account="sender"), None, "sender")
    for number in range(2 * IDLE_MOST):
        person.after(SECOND).befriended(account=f"friend-{number}")
    assert person.ask(Kind.DIRECT, account="sender").reason == "account_window_full"


# --- the greatest of all --------------------------------------------------------------------------


def greatest() -> Ledger:
    """Everything at its bound, and as long as it may be."""
    name = iter(f"{number:04}".rjust(MAX_IDENTIFIER, "x") for number in range(10_000))

    def contact(state: ContactState, kind: Kind) -> Contact:
        parts: dict[str, Any] = {"state": state, "campaign": CAMPAIGN, "made_by": CAMPAIGN}
        parts["blame"] = Blame(9, MAX_MS, 2**64 - 1)
        return Contact(MAX_MS, 2**40, 2**64 - 1, kind, **parts)

    said = [(ContactState.RELEASED, Kind.BROADCAST)] * RELEASED_MOST
    said += [(ContactState.DELIVERED, Kind.BROADCAST)] * BINDING_MOST
    said += [(ContactState.DELIVERED, Kind.MOMENT)] * FREE_MOST
    full: dict[str, Any] = {
        "last_message_ms": MAX_MS,
        "last_engagement_ms": MAX_MS,
        "ignored": [MAX_MS] * IGNORED_MOST,
        "ignored_ms": MAX_MS,
        "ignored_more": 2**32,
        "last_complaint_ms": MAX_MS,
        "friend": Friend.REMOVED,
        "friend_ms": MAX_MS,
        "friend_request_ms": MAX_MS,
        "pending_transfer": PendingTransfer(CAMPAIGN, MAX_MS),
        "blames": [Blame(9, MAX_MS, 2**64 - 1)] * 21,
    }
    ledger = Ledger(
        relationships={next(name): Relationship(contacts=[contact(*one)]) for one in said}
        | {next(name): Relationship(**full) for _ in range(IDLE_MOST)},
        consent={kind: ConsentRecord(MAX_MS, allowed=False) for kind in Kind},
        zone="x" * MAX_IDENTIFIER,
        zone_ms=MAX_MS,
        quiet=CustomerQuietHours(DAY, DAY),
        quiet_ms=MAX_MS,
        last_complaint_ms=MAX_MS,
    )
    for number in range(SEEN_MOST):
        remember(ledger, number, NOON)
    reason, rule = max(Reason, key=len), "r" * 64
    for number in range(most_held()):
        ask = longest_ask(number)
        ledger.held.append(
            HeldRequest(MAX_MS, MAX_MS, 2**64 - 1, reason, rule, ask, MAX_MS, permit_requested=True)
        )
    return ledger


@pytest.mark.rule("R2.27", "R2.28", "R2.29", "R5.10")
def test_the_greatest_ledger_fits_into_its_record() -> None:
    ledger = greatest()
    law = compile_rules(policy(rolling(1, DAY, kinds=kinds(Kind.BROADCAST))))[0]
    assert len(dump(ledger) or b"") > LARGEST  # all at once is a little too much
    shrink(ledger, law.retention, NOON)
    assert len(dump(ledger) or b"") < LARGEST
    assert len(ledger.held) == most_held()
    assert [c.kind for c in ledger.contacts()] == [Kind.BROADCAST] * BINDING_MOST
    assert len(ledger.relationships) == BINDING_MOST + IDLE_MOST  # these were complained of
    ledger.held.clear()
    assert len(dump(ledger) or b"") < 700_000


@pytest.mark.rule("R5.10")
def test_a_policy_that_holds_less_is_followed_at_once() -> None:
    day = rolling(1, DAY)
    person = Person(policy(day, max_held=20))
    person.delivered(person.approved(Kind.DIRECT))
    for priority in range(10):
        person.ask(Kind.DIRECT, priority=priority)
    person.policy = policy(day, max_held=3, version=2)
    yielded = person.after(HOUR).open(lambda customer: customer.reconsider())
    assert [settled.verdict.reason for settled in yielded] == ["too_many_held"] * 7
    assert [settled.request.priority for settled in yielded] == list(range(7))
    assert len(person.ledger.held) == 3
