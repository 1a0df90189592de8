"""Asking before sending: the answer is what the decision will be, and asking changes nothing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from streams.core.customer.compile import compile_rules
from streams.core.customer.customer import Customer
from streams.core.customer.dry_run import DryRun, Question, dry_run
from streams.core.customer.ledger import dump, load
from streams.core.kinds import KIND_NAMES, KIND_OF, Kind
from streams.policy.files import packaged
from tests.unit.core.person import DAY, HOUR, NOON, Person, deadline, policy, rolling

if TYPE_CHECKING:
    from streams.core.policy import Policy

ACCOUNTS = ("a", "b")
CAMPAIGNS = (None, "spring", "autumn")


def asked(person: Person, **question: object) -> dict[str, DryRun]:
    """What the person's look-up says now."""

    def copy() -> Customer:
        opened = Customer(
            load(person.value), "e", person.customer, compile_rules(person.policy), now_ms
        )
        opened.expire()
        return opened

    now_ms = person.now_ms
    return dry_run(copy, Question(**question))  # type: ignore[arg-type]


def test_every_kind_has_a_prospect() -> None:
    assert list(asked(Person(policy()))) == list(KIND_NAMES)


def test_remaining_counts_the_message_itself_as_its_decision_would() -> None:
    person = Person(policy(rolling(2, DAY)))
    assert asked(person)["direct"].remaining == {"w": 1}
    assert person.ask(Kind.DIRECT).remaining == {"w": 1}
    assert asked(person)["direct"].remaining == {"w": 0}


def test_a_full_window_says_from_when_on_to_the_millisecond() -> None:
    person = Person(policy(rolling(1, DAY)))
    person.delivered(person.approved(Kind.DIRECT))
    full = asked(person)["direct"]
    assert (full.outcome, full.reason, full.rule) == ("deferred", "window_full", "w")
    assert full.eligible_at_ms == NOON + DAY
    assert asked(person.at(NOON + DAY - 1))["direct"].outcome == "deferred"
    assert asked(person.at(NOON + DAY))["direct"].outcome == "approved"


def test_priority_opens_reserved_slots() -> None:
    person = Person(policy(rolling(1, DAY, reserve_slots=1, reserve_priority=80)))
    assert asked(person, priority=79)["direct"].reason == "slot_reserved"
    assert asked(person, priority=80)["direct"].outcome == "approved"


def test_the_account_matters_where_something_is_between_it_and_the_customer() -> None:
    person = Person(packaged()[1])
    person.wrote(account="a")
    assert asked(person, account_id="a")["reply"].outcome == "approved"
    assert asked(person, account_id="b")["reply"].wecom_errcode == 95002
    assert asked(person)["reply"].wecom_errcode == 95002


def test_a_customer_with_too_many_held_intents_takes_only_more_urgent_ones() -> None:
    person = Person(policy(rolling(1, DAY), max_held=1, **deadline(7 * DAY)))
    person.approved(Kind.DIRECT)
    person.ask(Kind.DIRECT)
    assert asked(person, priority=50)["direct"].reason == "too_many_held"
    assert asked(person, priority=51)["direct"].reason == "window_full"


def history(law: Policy, seed: int) -> Person:
    """A customer with some weeks behind them."""
    chance = random.Random(seed)
    person = Person(law)
    sent: list[tuple[str, str]] = []
    for _ in range(chance.randrange(60)):
        person.after(chance.randrange(HOUR // 4, 12 * HOUR))
        account = chance.choice(ACCOUNTS)
        step = chance.randrange(12)
        if step < 6:
            asks = person.ask_all(
                Kind(chance.randrange(7)),
                account,
                priority=chance.randrange(101),
                campaign_id=chance.choice(CAMPAIGNS),
            )
            sent += [(case.request.intent_id, case.request.account_id) for case in asks]
        elif sent and step < 9:
            intent, of = chance.choice(sent)
            (person.delivered if step < 8 else person.failed)(intent, account=of)
        elif step == 9:
            person.wrote(account=account)
        elif step == 10:
            person.consents(kinds=[chance.choice(KIND_NAMES)], allowed=chance.random() < 0.7)
        elif chance.random() < 0.3:
            person.complained(account=account)
    person.after(chance.randrange(2 * DAY)).wake()
    return person


@pytest.mark.parametrize("seed", range(60))
def test_the_look_up_is_the_decision_that_follows_it(seed: int) -> None:
    person = history(packaged()[1], seed)
    chance = random.Random(-seed - 1)
    account, campaign = chance.choice(ACCOUNTS), chance.choice(CAMPAIGNS)
    priority = chance.randrange(101)
    value = person.value
    told = asked(person, account_id=account, campaign_id=campaign, priority=priority)
    for name, prospect in told.items():
        person.value = value
        ask = person.new_ask(KIND_OF[name], account, campaign_id=campaign, priority=priority)
        said = {case.request.intent_id: case.verdict for case in person.arrives(ask)}
        verdict = said[ask.intent_id]
        names = [n for n in DryRun.__struct_fields__ if n != "needs_leave"]
        assert [getattr(prospect, n) for n in names] == [getattr(verdict, n) for n in names], name


def test_asking_leaves_the_ledger_s_bytes_as_they_are() -> None:
    for seed in range(20):
        person = history(packaged()[1], seed)
        before = dump(load(person.value))
        for account in (None, *ACCOUNTS):
            asked(person, account_id=account)
        assert dump(load(person.value)) == before
