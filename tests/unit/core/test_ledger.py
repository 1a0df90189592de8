"""The ledger as bytes: it comes back as it was, stays small, and forgets nothing that matters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from streams.core.customer.ledger import (
    ConsentRecord,
    Contact,
    ContactState,
    Ledger,
    Relationship,
    dump,
    load,
)
from streams.core.dedup import SEEN_MOST, forget_repeats, remember, seen_before
from streams.core.kinds import Kind
from streams.core.policy import Calendar, Policy, QuietHours, Reply, Scope, Silence
from streams.policy.files import packaged
from tests.unit.core.person import (
    DAY,
    DISTURBING,
    HOUR,
    MARKETING,
    MINUTE,
    NOON,
    SECOND,
    Person,
    calendar,
    ms,
    policy,
    rolling,
)

# --- bytes ----------------------------------------------------------------------------------------

WHOLE = st.integers(0, 2**64 - 1)
SHORT = st.text("abcxyz-:=@", max_size=12)


def values_of(shape: inspect.Type) -> st.SearchStrategy[Any]:
    """Any value of a type, so that a new field is in these tests from its first day."""
    match shape:
        case inspect.StructType():
            fields = {field.name: values_of(field.type) for field in shape.fields}
            return st.builds(shape.cls, **fields)
        case inspect.ListType():
            return st.lists(values_of(shape.item_type), max_size=3)
        case inspect.DictType():
            keys, values = values_of(shape.key_type), values_of(shape.value_type)
            return st.dictionaries(keys, values, max_size=3)
        case inspect.UnionType():
            return st.one_of(*map(values_of, shape.types))
    simple = {inspect.IntType: WHOLE, inspect.StrType: SHORT, inspect.BoolType: st.booleans()}
    simple |= {inspect.NoneType: st.none(), inspect.BytesType: st.binary(max_size=28)}
    return simple[type(shape)]


@settings(derandomize=True, max_examples=200, deadline=None, database=None)
@given(values_of(inspect.type_info(Ledger)))
def test_a_ledger_comes_back_from_its_bytes_as_it_was(ledger: Ledger) -> None:
    assert load(dump(ledger)) == ledger


def test_nothing_to_remember_is_nothing_to_store() -> None:
    assert dump(Ledger()) is None
    assert load(None) == Ledger()


def test_two_loaded_ledgers_share_nothing() -> None:
    first, second = load(None), load(None)
    first.relationship("a").contacts.append(Contact(1, 0, 1, 0))
    first.consent[0] = ConsentRecord(1, allowed=True)
    assert second == Ledger()
    assert second.relationship("a") == Relationship()


# --- repeats --------------------------------------------------------------------------------------


def test_a_mark_is_found_only_where_an_entry_begins() -> None:
    ledger = Ledger()
    remember(ledger, 0x0101_0101_0101_0101, 0x0101_0101_0101)
    remember(ledger, 0x0101_0101_0101_0102, 0x0101_0101_0101)
    assert seen_before(ledger, 0x0101_0101_0101_0101)
    assert seen_before(ledger, 0x0101_0101_0101_0102)
    assert not seen_before(ledger, 0x0101_0101_0101_0103)
    assert not seen_before(ledger, int.from_bytes(ledger.seen[1:9], "big") ^ 1)
    shifted = int.from_bytes(ledger.seen[7:15], "big")
    assert seen_before(ledger, shifted) == (shifted == 0x0101_0101_0101_0101)


@settings(derandomize=True, max_examples=200, deadline=None, database=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), max_size=30), st.integers(0, 400))
def test_repeats_are_forgotten_at_their_time_and_not_before(
    steps: list[tuple[int, int]], before_ms: int
) -> None:
    ledger, now_ms, known = Ledger(), 1, {}
    for mark, step in steps:
        now_ms += step
        remember(ledger, mark + 2**63, now_ms)
        known[mark + 2**63] = now_ms
    forget_repeats(ledger, before_ms)
    for mark, at_ms in known.items():
        assert seen_before(ledger, mark) == (at_ms > before_ms)


def test_repeats_are_bounded() -> None:
    ledger = Ledger()
    for mark in range(SEEN_MOST + 1):
        remember(ledger, mark, NOON)
    forget_repeats(ledger, 0)
    assert not seen_before(ledger, 0)
    assert seen_before(ledger, 1)
    assert len(ledger.seen) == 14 * SEEN_MOST


# --- size -----------------------------------------------------------------------------------------


def wecom() -> Policy:
    return packaged("wecom")[1]


def a_usual_week(person: Person) -> None:
    """Two broadcasts, a direct and an order notice, all delivered, and one message received."""
    for kind, hours, account, campaign in [
        (Kind.BROADCAST, 0, "xiaoer-08", "spring-0001"),
        (Kind.BROADCAST, 24, "xiaoer-08", "spring-0002"),
        (Kind.DIRECT, 29, "xiaoer-08", None),
        (Kind.TRANSACTIONAL, 30, "xiaoer-08", None),
    ]:
        person.at(ms("2026-11-18 02:00") + hours * HOUR)
        intent = person.approved(kind, account, campaign_id=campaign)
        person.after(2 * SECOND).delivered(intent, account=account)
    person.after(HOUR).wrote(account="xiaoer-08")


def test_a_customer_at_rest_is_small() -> None:
    person = Person(wecom(), ms("2026-11-18 02:00"), customer="wm-1")
    a_usual_week(person)
    assert len(person.ledger.relationships["xiaoer-08"].contacts) == 4
    assert person.size < 260  # five repeats to be known again are 70, four names of messages 36
    person.after(2 * DAY).open(lambda _: [])
    assert person.size < 180


def test_a_customer_at_rest_shrinks_to_next_to_nothing() -> None:
    person = Person(wecom(), ms("2026-11-18 02:00"), customer="wm-1")
    a_usual_week(person)
    person.after(100 * DAY).open(lambda _: [])
    assert "xiaoer-08" not in person.ledger.relationships
    assert person.size < 55


def test_denials_leave_nothing_behind_but_their_repeats() -> None:
    person = Person(policy(ask_first=127))
    for number in range(100):
        person.ask(Kind.DIRECT, f"account-{number}")
    person.after(2 * DAY).open(lambda _: [])
    assert person.value is None


def test_nothing_grows_over_a_year() -> None:
    """The same customer's ledger is no larger in the last season than in the second."""
    person = Person(wecom(), ms("2026-01-01 02:00"), customer="wm-1")
    sizes = []
    for day in range(365):
        person.at(ms("2026-01-01 02:00") + day * DAY)
        person.run_until(person.now_ms)
        for kind in (Kind.BROADCAST, Kind.DIRECT, Kind.MOMENT, Kind.TRANSACTIONAL, Kind.REPLY):
            account = "ab"[day % 2]
            settled = person.ask_all(kind, account, campaign_id=f"c{day}")
            if settled[0].verdict.outcome == "approved" and day % 3:
                person.after(MINUTE).delivered(settled[0].request.intent_id, account=account)
        if day % 10 == 0:
            person.wrote()
            person.engaged()
        sizes.append(person.size)
    assert max(sizes[270:]) <= 1.05 * max(sizes[90:180])


def test_silence_of_a_year_is_not_a_year_long() -> None:
    hourly = Silence(kinds=MARKETING, ignored=3, first_ms=HOUR, factor=1.0, longest_ms=HOUR)
    person = Person(policy(silence=hourly, remember_ms=HOUR))
    sizes = []
    for hours in range(0, 24 * 365, 3):
        person.at(NOON + hours * HOUR)
        person.delivered(person.approved(Kind.BROADCAST))
        sizes.append(person.size)
    assert max(sizes[1_000:]) <= max(sizes[:100]) + 4  # the count itself has more digits


# --- forgetting -----------------------------------------------------------------------------------

REACH = [
    (rolling(1, 90 * DAY), 90 * DAY),
    (rolling(None, None, min_gap_ms=40 * DAY), 40 * DAY),
    (calendar(1, Calendar.MONTH), ms("2026-12-01 00:00") - NOON),
    (rolling(1, 30 * DAY, scope=Scope.ACCOUNT), 30 * DAY),
]


@pytest.mark.rule("R2.9", "R2.18")
@pytest.mark.parametrize(("window", "reach_ms"), REACH)
def test_a_contact_is_known_as_long_as_its_window_reaches(window: object, reach_ms: int) -> None:
    person = Person(policy(window, remember_ms=HOUR))  # type: ignore[arg-type]
    person.delivered(person.approved(Kind.DIRECT))
    assert person.at(NOON + reach_ms - 1).ask(Kind.DIRECT, deny=True).outcome == "denied"
    assert person.after(1).ask(Kind.DIRECT, deny=True).outcome == "approved"


@pytest.mark.rule("R2.4")
def test_the_25_hours_of_a_long_day_are_known_to_their_end() -> None:
    start_ms, end_ms = ms("2026-11-01 04:00"), ms("2026-11-02 05:00")
    day = calendar(1, Calendar.DAY)
    law = policy(day, time_zone="America/New_York", remember_ms=HOUR)
    person = Person(law, start_ms)
    person.delivered(person.approved(Kind.DIRECT))
    assert person.at(end_ms - 1).ask(Kind.DIRECT, deny=True).outcome == "denied"
    assert person.after(1).ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R3.12")
def test_silence_outlives_the_contacts_it_rests_on() -> None:
    silence = Silence(
        kinds=MARKETING, ignored=3, first_ms=5 * DAY, factor=2.0, longest_ms=180 * DAY
    )
    person = Person(policy(silence=silence, remember_ms=HOUR))
    for gap in (0, 1, 1, 5, 10, 20, 40, 80, 160, 180):
        person.after(gap * DAY)
        person.delivered(person.approved(Kind.DIRECT))
    last_ms = person.now_ms
    person.at(last_ms + 180 * DAY - 1)
    assert person.ask(Kind.DIRECT, deny=True).eligible_at_ms == last_ms + 180 * DAY
    assert person.ledger.relationships["a"].contacts == []


@pytest.mark.rule("R3.3")
def test_used_credits_are_known_as_long_as_the_credit() -> None:
    law = policy(reply=Reply(credits=1, within_ms=20 * DAY), remember_ms=HOUR)
    person = Person(law)
    person.wrote()
    person.delivered(person.approved(Kind.REPLY))
    assert person.at(NOON + 20 * DAY - 1).ask(Kind.REPLY).wecom_errcode == 95001
    assert person.after(1).ask(Kind.REPLY).wecom_errcode == 95002


@pytest.mark.rule("R2.16", "R2.18")
def test_released_contacts_can_still_be_delivered() -> None:
    person = Person(policy(rolling(1, 9 * DAY), remember_ms=HOUR))
    intent = person.approved(Kind.DIRECT)
    person.failed(intent)
    assert person.ledger.relationships["a"].contacts[0].state == ContactState.RELEASED
    person.at(NOON + 9 * DAY).delivered(intent, NOON)
    assert person.ask(Kind.DIRECT).outcome == "approved"
    again = Person(policy(rolling(1, 9 * DAY), remember_ms=HOUR))
    intent = again.approved(Kind.DIRECT)
    again.failed(intent)
    again.at(NOON + 8 * DAY).delivered(intent, NOON)
    assert again.ask(Kind.DIRECT).eligible_at_ms == NOON + 9 * DAY


@pytest.mark.rule("R4.8")
def test_a_customers_own_words_are_never_forgotten() -> None:
    law = policy(
        quiet_hours=QuietHours(kinds=DISTURBING, from_ms=22 * HOUR, to_ms=8 * HOUR),
        ask_first=0,
        friends_required=True,
    )
    person = Person(law)
    person.befriended()
    person.consents(allowed=False, kinds=["moment"], quiet_hours=("11:00", "13:00"))
    person.at(NOON + 3650 * DAY)
    assert person.ask(Kind.MOMENT).reason == "no_consent"
    assert person.ask(Kind.DIRECT).reason == "quiet_hours"
    assert person.ask(Kind.DIRECT, "b").reason == "not_friend"
