"""The ledger in plain words: every statement has the meaning the decision gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.customer.compile import compile_rules
from streams.core.customer.customer import Customer
from streams.core.customer.ledger import load
from streams.core.customer.view import CreditsView, CustomerView, view_of
from streams.core.customer.view import SuppressionView as Silenced
from streams.core.kinds import Kind
from streams.core.policy import (
    FOREVER,
    Calendar,
    QuietHours,
    Reply,
    Scope,
    Silence,
    Suppression,
)
from tests.unit.core.person import (
    DAY,
    DISTURBING,
    HOUR,
    MARKETING,
    MINUTE,
    NOON,
    Person,
    calendar,
    deadline,
    kinds,
    ms,
    policy,
    rolling,
    validity,
    window,
)

if TYPE_CHECKING:
    from streams.core.customer.view import AccountView
    from streams.core.policy import Policy


def standing(person: Person) -> CustomerView:
    customer = Customer(
        load(person.value), "e", person.customer, compile_rules(person.policy), person.now_ms
    )
    customer.expire()
    return view_of(customer)


def account(person: Person, name: str = "a") -> AccountView:
    return standing(person).accounts[name]


def suppressing(account_ms: int, enterprise_ms: int) -> Policy:
    rule = Suppression(kinds=DISTURBING, account_ms=account_ms, enterprise_ms=enterprise_ms)
    return policy(rolling(1, DAY), suppression=rule)


def test_nothing_is_known_of_a_stranger() -> None:
    nobody = standing(Person(policy()))
    assert not nobody.known
    assert (nobody.accounts, nobody.held, nobody.consent) == ({}, [], {})


def test_a_customer_is_unknown_again_when_everything_is_forgotten() -> None:
    person = Person(policy(rolling(1, DAY), remember_ms=DAY))
    person.delivered(person.approved(Kind.DIRECT))
    assert standing(person.at(NOON + 7 * DAY - 1)).known
    assert not standing(person.at(NOON + 7 * DAY)).known


def test_a_contact_counts_under_the_windows_that_count_it_and_no_longer() -> None:
    day, hour = rolling(1, DAY, id="day"), rolling(1, HOUR, id="hour")
    other = rolling(1, DAY, id="other", kinds=kinds(Kind.MOMENT))
    person = Person(policy(day, hour, other))
    person.delivered(person.approved(Kind.DIRECT))
    assert account(person).contacts[0].counts_under == ["day", "hour"]
    assert account(person.at(NOON + HOUR - 1)).contacts[0].counts_under == ["day", "hour"]
    assert account(person.at(NOON + HOUR)).contacts[0].counts_under == ["day"]
    assert account(person.at(NOON + DAY)).contacts[0].counts_under == []


def test_calendar_days_gaps_and_campaigns_count_as_they_do_for_decisions() -> None:
    today = calendar(3, Calendar.DAY, id="today")
    gap = window(id="gap", min_gap_ms=4 * HOUR)
    campaign = rolling(3, DAY, id="campaign", scope=Scope.CAMPAIGN)
    person = Person(policy(today, gap, campaign))
    person.delivered(person.approved(Kind.BROADCAST, campaign_id="spring"))
    assert account(person).contacts[0].counts_under == ["campaign", "gap", "today"]
    person.after(4 * HOUR)
    assert account(person).contacts[0].counts_under == ["campaign", "today"]
    person.at(ms("2026-11-19 00:00"))
    assert account(person).contacts[0].counts_under == ["campaign"]


def test_a_reserved_contact_counts_at_its_last_moment_and_a_failed_one_is_not_told() -> None:
    person = Person(policy(rolling(2, DAY), **validity(HOUR)))
    person.approved(Kind.DIRECT)
    person.failed(person.approved(Kind.DIRECT))
    [contact] = account(person).contacts
    assert (contact.state, contact.decided_at_ms) == ("reserved", NOON)
    assert contact.counts_at_ms == NOON + HOUR


def test_reply_credits_say_how_many_are_left_and_until_when() -> None:
    person = Person(policy(reply=Reply(credits=2, within_ms=2 * DAY)))
    person.befriended()
    assert account(person).reply_credits is None
    person.wrote()
    assert account(person).reply_credits == CreditsView(2, NOON + 2 * DAY)
    person.approved(Kind.REPLY)
    person.approved(Kind.REPLY)
    assert account(person).reply_credits == CreditsView(0, NOON + 2 * DAY)
    assert account(person.at(NOON + 2 * DAY - 1)).reply_credits is not None
    assert account(person.at(NOON + 2 * DAY)).reply_credits is None


def test_silence_is_told_while_it_binds() -> None:
    rule = Silence(kinds=MARKETING, ignored=1, first_ms=5 * DAY, factor=2, longest_ms=180 * DAY)
    person = Person(policy(silence=rule))
    person.delivered(person.approved(Kind.DIRECT))
    assert account(person).silent_until_ms == NOON + 5 * DAY
    assert account(person.at(NOON + 5 * DAY - 1)).silent_until_ms == NOON + 5 * DAY
    assert account(person.at(NOON + 5 * DAY)).silent_until_ms is None


def test_suppression_has_the_end_of_its_account_and_of_its_enterprise() -> None:
    person = Person(suppressing(account_ms=3 * DAY, enterprise_ms=2 * DAY))
    assert standing(person).suppressed is None
    person.complained()
    person.wrote(account="b")
    assert account(person, "a").suppressed == Silenced(NOON + 3 * DAY)
    assert account(person, "b").suppressed == Silenced(NOON + 2 * DAY)
    assert standing(person).suppressed == Silenced(NOON + 2 * DAY)
    assert standing(person.at(NOON + 2 * DAY)).suppressed is None
    assert account(person.at(NOON + 3 * DAY - 1)).suppressed == Silenced(NOON + 3 * DAY)
    assert account(person.at(NOON + 3 * DAY)).suppressed is None


def test_suppression_without_an_end_has_none() -> None:
    person = Person(suppressing(account_ms=FOREVER, enterprise_ms=DAY))
    person.complained()
    assert account(person).suppressed == Silenced(None)
    assert standing(person).suppressed == Silenced(NOON + DAY)


def test_the_end_of_a_suppression_is_its_own_whatever_else_forbids() -> None:
    rule = Suppression(kinds=DISTURBING, account_ms=DAY, enterprise_ms=DAY)
    night = QuietHours(kinds=DISTURBING, from_ms=0, to_ms=23 * HOUR)
    law = policy(rolling(1, 9 * DAY), suppression=rule, quiet_hours=night, friends_required=True)
    person = Person(law)
    person.complained()
    assert standing(person).suppressed == Silenced(NOON + DAY)


def test_quiet_hours_are_the_customer_s_own_where_they_told_some() -> None:
    night = QuietHours(kinds=DISTURBING, from_ms=21 * HOUR, to_ms=8 * HOUR)
    person = Person(policy(quiet_hours=night))
    told = standing(person).quiet_hours
    assert told is not None
    assert told.starts_at_ms == ms("2026-11-18 21:00")
    assert told.ends_at_ms == ms("2026-11-19 08:00")
    assert not told.told_by_customer
    person.consents(kinds=[], quiet_hours=("13:00", "14:00"), time_zone="Asia/Shanghai")
    own = standing(person)
    assert own.time_zone == "Asia/Shanghai"
    assert own.quiet_hours is not None
    assert own.quiet_hours.starts_at_ms == ms("2026-11-19 13:00", "Asia/Shanghai")
    assert own.quiet_hours.told_by_customer
    person.after(1).consents(kinds=[], quiet_hours="off")
    assert standing(person).quiet_hours is None


def test_consent_is_the_customer_s_word_on_the_kinds_they_spoke_of() -> None:
    person = Person(policy(ask_first=0))
    person.consents(kinds=["moment", "direct"], allowed=False)
    said = standing(person).consent
    assert list(said) == ["direct", "moment"]
    assert (said["direct"].allowed, said["direct"].said_at_ms) == (False, NOON)


def test_friendship_is_told_with_its_time() -> None:
    person = Person(policy())
    person.befriended()
    assert (account(person).friend, account(person).friend_since_ms) == ("yes", NOON)
    person.after(MINUTE).unfriended()
    assert account(person).friend == "removed"
    assert account(person).friend_since_ms == NOON + MINUTE


def test_what_is_held_is_told_with_its_reason_and_its_times() -> None:
    person = Person(policy(rolling(1, DAY), **deadline(7 * DAY)))
    person.delivered(person.approved(Kind.DIRECT))
    person.after(MINUTE).ask(Kind.BROADCAST, campaign_id="spring", priority=70)
    [held] = standing(person).held
    assert (held.intent_id, held.account_id, held.kind) == ("i3", "a", "broadcast")
    assert (held.campaign_id, held.priority) == ("spring", 70)
    assert (held.reason, held.rule) == ("window_full", "w")
    assert held.eligible_at_ms == held.due_at_ms == NOON + DAY
    assert held.accepted_at_ms == NOON + MINUTE
    assert held.deadline_ms == NOON + MINUTE + 7 * DAY
