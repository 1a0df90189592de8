"""Receipts and what customers do: early, late, repeated, contradictory, in the future, unknown."""

from __future__ import annotations

from itertools import permutations

import pytest

from streams.core.customer.ledger import ContactState, CustomerQuietHours
from streams.core.kinds import Kind
from streams.core.policy import QuietHours, Reply, Scope, Silence, Suppression
from tests.unit.core.person import (
    DAY,
    DISTURBING,
    HOUR,
    MARKETING,
    NOON,
    Person,
    kinds,
    ms,
    policy,
    rolling,
    validity,
)

ONE_A_DAY = policy(rolling(1, DAY), **validity(HOUR))


def next_legal_ms(person: Person, account: str = "a") -> int | None:
    """When a message that may not go now may go; None when it may go now."""
    return person.ask(Kind.DIRECT, account, deny=True).eligible_at_ms


# --- 1: when a contact counts ---------------------------------------------------------------------


@pytest.mark.rule("R2.12")
def test_without_receipt_it_counts_at_send_by() -> None:
    person = Person(ONE_A_DAY)
    assert person.ask(Kind.DIRECT).send_by_ms == NOON + HOUR
    assert next_legal_ms(person.at(NOON + 3 * HOUR)) == NOON + HOUR + DAY


@pytest.mark.rule("R2.13")
def test_delivered_counts_at_its_own_time() -> None:
    person = Person(ONE_A_DAY)
    intent = person.approved(Kind.DIRECT)
    person.after(HOUR).delivered(intent, NOON + 7)
    assert next_legal_ms(person) == NOON + 7 + DAY


@pytest.mark.rule("R2.13", "R4.17")
def test_delivered_before_its_decision_counts_at_the_decision() -> None:
    person = Person(ONE_A_DAY)
    person.delivered(person.approved(Kind.DIRECT), NOON - HOUR)
    assert next_legal_ms(person) == NOON + DAY


@pytest.mark.rule("R2.13", "R4.17")
def test_delivered_in_the_future_counts_at_the_engines_clock() -> None:
    person = Person(ONE_A_DAY)
    intent = person.approved(Kind.DIRECT)
    person.after(5).delivered(intent, NOON + DAY)
    assert next_legal_ms(person) == NOON + 5 + DAY


@pytest.mark.rule("R2.14")
def test_delivered_after_send_by_counts_at_its_real_time() -> None:
    person = Person(ONE_A_DAY)
    intent = person.approved(Kind.DIRECT)
    person.at(NOON + 9 * HOUR).delivered(intent, NOON + 8 * HOUR)
    assert next_legal_ms(person) == NOON + 8 * HOUR + DAY


@pytest.mark.rule("R2.14")
def test_delivered_too_late_counts_again_after_its_reservation_had_left_the_window() -> None:
    person = Person(ONE_A_DAY)
    intent = person.approved(Kind.DIRECT)
    person.at(NOON + 2 * DAY)
    person.delivered(intent)
    assert next_legal_ms(person) == NOON + 3 * DAY


@pytest.mark.rule("R2.15")
def test_failed_releases_at_once() -> None:
    person = Person(ONE_A_DAY)
    person.failed(person.approved(Kind.DIRECT))
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R2.15")
def test_failed_releases_after_send_by_too() -> None:
    person = Person(ONE_A_DAY)
    intent = person.approved(Kind.DIRECT)
    person.at(NOON + 5 * HOUR).failed(intent)
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R2.16")
@pytest.mark.parametrize("order", [("delivered", "failed"), ("failed", "delivered")])
def test_delivered_beats_failed_in_either_order(order: tuple[str, str]) -> None:
    person = Person(ONE_A_DAY)
    intent = person.approved(Kind.DIRECT)
    for receipt in order:
        getattr(person, receipt)(intent)
    assert next_legal_ms(person) == NOON + DAY


@pytest.mark.rule("R2.16")
def test_the_first_delivered_stays() -> None:
    person = Person(ONE_A_DAY)
    intent = person.approved(Kind.DIRECT)
    person.after(HOUR).delivered(intent, NOON + 7)
    for again_ms in (NOON, NOON + HOUR):
        person.delivered(intent, again_ms)
        person.failed(intent)
    assert next_legal_ms(person) == NOON + 7 + DAY


@pytest.mark.rule("R2.15")
def test_repeated_failures_release_once() -> None:
    person = Person(policy(rolling(2, DAY)))
    first = person.approved(Kind.DIRECT)
    person.approved(Kind.DIRECT)
    person.failed(first)
    person.failed(first)
    assert person.ask(Kind.DIRECT).remaining == {"w": 0}


@pytest.mark.rule("R2.17")
def test_receipts_without_a_reservation_change_nothing() -> None:
    person = Person(policy(rolling(1, DAY), friends_required=False))
    before = person.value
    person.delivered("never asked")
    person.failed("never asked", reason="not_friend")
    assert person.value == before
    assert person.ask(Kind.DIRECT).remaining == {"w": 0}


@pytest.mark.rule("R2.17")
def test_receipts_of_denied_and_held_intents_change_nothing() -> None:
    person = Person(ONE_A_DAY)
    person.delivered(person.approved(Kind.DIRECT))
    person.ask(Kind.DIRECT, intent_id="held")
    person.ask(Kind.DIRECT, intent_id="denied", deny=True)
    before = person.value
    for intent in ("held", "denied"):
        person.delivered(intent)
        person.failed(intent)
    assert person.value == before


@pytest.mark.rule("R2.17")
def test_receipts_for_another_customers_decision_change_nothing() -> None:
    person, other = Person(ONE_A_DAY), Person(ONE_A_DAY, customer="other")
    person.approved(Kind.DIRECT)
    other.approved(Kind.DIRECT)
    person.customer = "other"
    person.failed("i1")
    person.customer = "c"
    assert person.ask(Kind.DIRECT).outcome == "deferred"


@pytest.mark.rule("R2.18")
def test_receipts_of_what_is_long_forgotten_change_nothing() -> None:
    person = Person(ONE_A_DAY)
    intent = person.approved(Kind.DIRECT)
    person.at(NOON + 30 * DAY).engaged()
    before = person.value
    person.failed(intent)
    person.delivered(intent)
    assert person.value == before
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R2.18")
def test_receipts_are_understood_as_long_as_repeats_are_remembered() -> None:
    person = Person(policy(rolling(1, 1), remember_ms=5 * DAY, **validity(HOUR)))
    intent = person.approved(Kind.DIRECT)
    person.at(NOON + 5 * DAY).delivered(intent)
    assert person.ledger.relationships["a"].contacts[0].at_ms == NOON + 5 * DAY


@pytest.mark.rule("R2.18")
def test_a_receipt_names_the_decision_whatever_account_reports_it() -> None:
    person = Person(ONE_A_DAY)
    person.failed(person.approved(Kind.DIRECT, "a"), account="b")
    assert person.ask(Kind.DIRECT).outcome == "approved"


# --- repeats of events ----------------------------------------------------------------------------


@pytest.mark.rule("R1.10")
def test_a_repeated_event_counts_once_within_remember() -> None:
    law = policy(reply=Reply(credits=1, within_ms=9 * DAY), remember_ms=2 * DAY)
    person = Person(law)
    person.wrote(NOON, id="m1")
    person.approved(Kind.REPLY)
    person.after(HOUR).wrote(NOON, id="m1")  # the same event told again
    assert person.ask(Kind.REPLY).wecom_errcode == 95001
    person.at(NOON + 2 * DAY).wrote(NOON + 2 * DAY, id="m1")  # a message like any other
    assert person.ask(Kind.REPLY).outcome == "approved"


@pytest.mark.rule("R1.10")
def test_the_same_id_of_another_source_is_another_event() -> None:
    person = Person(policy(reply=Reply(credits=1, within_ms=9 * DAY)))
    person.wrote(NOON, id="m1")
    person.approved(Kind.REPLY)
    person.after(HOUR).wrote(id="m1", source="elsewhere")
    assert person.ask(Kind.REPLY).outcome == "approved"


@pytest.mark.rule("R1.10")
def test_a_used_id_that_tells_something_else_is_another_event() -> None:
    person = Person(policy(reply=Reply(credits=1, within_ms=9 * DAY)))
    person.wrote(NOON, id="m1")
    person.approved(Kind.REPLY)
    person.after(HOUR).wrote(NOON + HOUR, id="m1")  # other data
    assert person.ask(Kind.REPLY).outcome == "approved"
    person.complained(NOON + HOUR, id="m1")  # another type
    assert person.ledger.relationships["a"].last_complaint_ms == NOON + HOUR


# --- engagement -----------------------------------------------------------------------------------

IGNORED_ONCE = Silence(
    kinds=MARKETING, ignored=1, first_ms=5 * DAY, factor=2.0, longest_ms=180 * DAY
)


@pytest.mark.rule("R3.11")
def test_engagement_told_late_counts_at_its_own_time() -> None:
    person = Person(policy(silence=IGNORED_ONCE))
    person.delivered(person.approved(Kind.DIRECT))
    person.after(HOUR).engaged(NOON - 1)
    assert person.ask(Kind.DIRECT, deny=True).reason == "silence_backoff"
    person.engaged(NOON + 1)
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R3.11", "R4.17")
def test_engagement_from_the_future_does_not_answer_what_comes_later() -> None:
    person = Person(policy(silence=IGNORED_ONCE))
    person.engaged(NOON + 9 * DAY)
    person.after(1).delivered(person.approved(Kind.DIRECT))
    assert person.ask(Kind.DIRECT).reason == "silence_backoff"


@pytest.mark.rule("R3.11", "R3.12")
def test_engagement_told_late_leaves_later_contacts_unanswered_though_they_are_forgotten() -> None:
    """Forgetting must not change an answer: two of three were ignored after that click."""
    twice = Silence(kinds=MARKETING, ignored=2, first_ms=60 * DAY, factor=2.0, longest_ms=60 * DAY)
    person = Person(policy(silence=twice, remember_ms=2 * DAY, **validity(1)))
    person.delivered(person.approved(Kind.DIRECT))
    person.after(3 * DAY).delivered(person.approved(Kind.DIRECT))
    last_ms = person.now_ms
    person.after(10 * DAY).engaged(NOON + HOUR)  # between the two, told after both are forgotten
    assert person.ask(Kind.DIRECT).outcome == "approved"
    assert person.ask(Kind.DIRECT, deny=True).reason == "silence_backoff"
    assert last_ms < person.now_ms


@pytest.mark.rule("R3.11")
def test_engagement_told_late_answers_a_forgotten_contact_it_came_after() -> None:
    """The click came after the approval, so it answers it, before forgetting and after."""
    person = Person(policy(silence=IGNORED_ONCE, remember_ms=2 * DAY, **validity(DAY)))
    person.approved(Kind.DIRECT)
    person.at(NOON + 4 * DAY).engaged(NOON + HOUR)
    assert person.ask(Kind.DIRECT).outcome == "approved"


# --- consent and hours ----------------------------------------------------------------------------


@pytest.mark.rule("R4.8")
def test_an_older_word_on_consent_yields_to_a_newer() -> None:
    person = Person(policy(ask_first=0))
    person.consents(NOON, allowed=False)
    person.consents(NOON - 1, allowed=True)
    assert person.ask(Kind.DIRECT).reason == "no_consent"
    person.after(1).consents(kinds=["direct"], allowed=True)
    assert person.ask(Kind.DIRECT).outcome == "approved"
    assert person.ask(Kind.BROADCAST).reason == "no_consent"


@pytest.mark.rule("R4.8", "R4.17")
def test_a_word_from_the_future_is_a_word_of_now() -> None:
    person = Person(policy(ask_first=0))
    person.consents(NOON + 9 * DAY, allowed=False)
    person.after(1).consents(allowed=True)
    assert person.ask(Kind.DIRECT).outcome == "approved"


NIGHT = QuietHours(kinds=DISTURBING, from_ms=22 * HOUR, to_ms=8 * HOUR)


@pytest.mark.rule("R4.8")
def test_an_older_word_on_hours_yields_to_a_newer() -> None:
    person = Person(policy(quiet_hours=NIGHT))
    person.consents(NOON, kinds=[], quiet_hours="off", time_zone="UTC")
    person.consents(NOON - 1, kinds=[], quiet_hours=("11:00", "13:00"), time_zone="Asia/Tokyo")
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R4.8")
def test_a_newer_word_on_the_zone_leaves_an_older_one_on_hours_standing() -> None:
    """Each of the two is optional: the newest word on each holds, in whatever order they come."""
    person = Person(policy(quiet_hours=NIGHT))
    person.consents(NOON, kinds=[], time_zone="UTC")
    person.consents(NOON - 1, kinds=[], quiet_hours=("11:00", "13:00"))
    assert person.ask(Kind.DIRECT).reason == "quiet_hours"


def test_left_out_hours_and_zone_stay_as_they_were() -> None:
    person = Person(policy(quiet_hours=NIGHT))
    person.consents(kinds=[], quiet_hours=("11:00", "13:00"), time_zone="UTC")
    person.after(1).consents(kinds=[])
    assert person.ask(Kind.DIRECT).eligible_at_ms == ms("2026-11-18 13:00")


# --- handing over (rules.md 8) --------------------------------------------------------------------


@pytest.mark.rule("R8.6")
def test_handover_takes_account_windows_along() -> None:
    person = Person(policy(rolling(1, DAY, scope=Scope.ACCOUNT)))
    person.delivered(person.approved(Kind.DIRECT, "a"))
    person.transferred("a", "b")
    assert next_legal_ms(person, "b") == NOON + DAY
    assert person.ask(Kind.DIRECT, "a").outcome == "approved"


@pytest.mark.rule("R8.7")
def test_handover_leaves_the_enterprises_windows() -> None:
    person = Person(policy(rolling(1, DAY)))
    person.delivered(person.approved(Kind.DIRECT, "a"))
    person.transferred("a", "b")
    assert next_legal_ms(person, "c") == NOON + DAY


@pytest.mark.rule("R8.6")
def test_handover_takes_suppression_along() -> None:
    rule = Suppression(kinds=DISTURBING, account_ms=9 * DAY, enterprise_ms=DAY)
    person = Person(policy(suppression=rule))
    person.complained(account="a")
    person.after(DAY).transferred("a", "b")
    assert person.ask(Kind.DIRECT, "b").eligible_at_ms == NOON + 9 * DAY


@pytest.mark.rule("R8.6")
def test_handover_takes_silence_along() -> None:
    person = Person(policy(silence=IGNORED_ONCE))
    person.delivered(person.approved(Kind.DIRECT, "a"))
    person.transferred("a", "b")
    assert person.ask(Kind.DIRECT, "b").eligible_at_ms == NOON + 5 * DAY


@pytest.mark.rule("R8.6")
def test_handover_joins_two_histories() -> None:
    law = policy(silence=IGNORED_ONCE, friends_required=True)
    person = Person(law)
    person.befriended(account="a")
    person.befriended(account="b")
    person.delivered(person.approved(Kind.DIRECT, "a"))
    person.after(1).delivered(person.approved(Kind.DIRECT, "b"), account="b")
    person.after(1).transferred("a", "b")
    assert person.ask(Kind.DIRECT, "b").eligible_at_ms == NOON + 1 + 10 * DAY


@pytest.mark.rule("R8.6")
def test_handover_joins_what_was_ignored_with_what_was_answered_since() -> None:
    """The taker's customer showed interest after the giver's contacts: none is left unanswered."""
    person = Person(policy(silence=IGNORED_ONCE, remember_ms=HOUR, **validity(1)))
    person.delivered(person.approved(Kind.DIRECT, "a"))
    person.at(NOON + DAY).engaged(account="b")  # by now the giver's contact is but a count
    person.after(1).transferred("a", "b")
    assert person.ask(Kind.DIRECT, "b").outcome == "approved"


def test_handover_to_itself_changes_nothing() -> None:
    person = Person(policy(rolling(1, DAY, scope=Scope.ACCOUNT)))
    person.delivered(person.approved(Kind.DIRECT, "a"))
    person.transferred("a", "a")
    assert next_legal_ms(person, "a") == NOON + DAY


def test_handover_of_a_customer_never_met_is_no_harm() -> None:
    person = Person(policy(rolling(1, DAY, kinds=MARKETING)))
    person.transferred("a", "b")
    assert person.ask(Kind.DIRECT, "b").outcome == "approved"


@pytest.mark.rule("R8.7")
def test_receipts_find_their_contact_after_a_handover() -> None:
    person = Person(policy(rolling(1, DAY, scope=Scope.ACCOUNT, kinds=MARKETING)))
    intent = person.approved(Kind.DIRECT, "a")
    person.transferred("a", "b")
    person.failed(intent, account="a")
    assert person.ask(Kind.DIRECT, "b").outcome == "approved"


@pytest.mark.rule("R8.4")
def test_transfer_counts_when_it_was_carried_out() -> None:
    person = Person(policy(rolling(2, 9 * DAY, kinds=kinds(Kind.TRANSFER)), **validity(DAY)))
    person.approved(Kind.TRANSFER, "a")
    person.after(HOUR).transferred("a", "b")
    assert person.ask(Kind.TRANSFER, "b").remaining == {"w": 0}
    assert person.ask(Kind.TRANSFER, "b", deny=True).wecom_errcode == 40100


# --- whose a failed message was -------------------------------------------------------------------


@pytest.mark.rule("R2.18")
def test_failed_frees_the_request_of_the_account_that_made_it_whoever_reports_it() -> None:
    person = Person(policy())
    intent = person.approved(Kind.FRIEND_REQUEST, "a")
    person.approved(Kind.FRIEND_REQUEST, "b")
    person.failed(intent, account="b")
    assert (
        person.ledger.relationships["a"].friend_request_ms,
        person.ledger.relationships["b"].friend_request_ms,
    ) == (0, NOON)


@pytest.mark.rule("R2.18")
def test_failed_frees_the_transfer_of_the_account_that_made_it_whoever_reports_it() -> None:
    person = Person(policy())
    intent = person.approved(Kind.TRANSFER, "a", to_account_id="b")
    person.failed(intent, account="c")
    assert [
        (name, pair.pending_transfer) for name, pair in person.ledger.relationships.items()
    ] == [("a", None)]


@pytest.mark.parametrize("kind", [Kind.FRIEND_REQUEST, Kind.TRANSFER])
def test_failed_of_an_earlier_one_leaves_the_later_one_open(kind: Kind) -> None:
    person = Person(policy(**validity(HOUR)))
    first = person.approved(kind, "a", to_account_id="b")
    person.after(DAY).approved(kind, "a", to_account_id="b")
    person.failed(first)
    pair = person.ledger.relationships["a"]
    expected = (0, NOON + DAY) if kind is Kind.TRANSFER else (NOON + DAY, 0)
    assert (
        pair.friend_request_ms,
        0 if pair.pending_transfer is None else pair.pending_transfer.permit_ms,
    ) == expected


def test_failed_of_a_request_that_came_with_a_handover_leaves_the_takers_own() -> None:
    person = Person(policy())
    person.approved(Kind.FRIEND_REQUEST, "b")
    moved = person.after(1).approved(Kind.FRIEND_REQUEST, "a")
    person.transferred("a", "c")
    person.approved(Kind.FRIEND_REQUEST, "c", intent_id="own")
    person.failed(moved, account="c")
    assert person.ledger.relationships["c"].friend_request_ms == person.now_ms


# --- handing over, the hard cases -----------------------------------------------------------------


def test_handover_without_a_transfer_of_ours_is_one_delivered_contact() -> None:
    person = Person(policy(rolling(2, 9 * DAY, kinds=kinds(Kind.TRANSFER))))
    person.after(HOUR).transferred("a", "b", NOON)
    (contact,) = person.ledger.relationships["b"].contacts
    assert (contact.kind, contact.at_ms, contact.made_by) == (Kind.TRANSFER, NOON, "a")
    assert contact.state == ContactState.DELIVERED


def test_a_failed_transfer_takes_its_word_back_only_once() -> None:
    person = Person(policy(rolling(2, 9 * DAY, kinds=kinds(Kind.TRANSFER))))
    intent = person.approved(Kind.TRANSFER, "a", to_account_id="b")
    for _ in range(2):
        person.after(1).transfer_failed("a", "b")
    person.failed(intent)
    assert person.ask(Kind.TRANSFER, "a").remaining == {"w": 1}


# --- two words of one millisecond -----------------------------------------------------------------


@pytest.mark.rule("R4.21")
@pytest.mark.parametrize("words", [(True, False), (False, True), (True, False, True)])
def test_of_two_words_of_one_millisecond_a_no_counts(words: tuple[bool, ...]) -> None:
    person = Person(policy(ask_first=0))
    for allowed in words:
        person.consents(NOON, allowed=allowed)
    assert person.ask(Kind.DIRECT).reason == "no_consent"
    assert person.after(1).consents(NOON + 1, allowed=True) == []
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R4.21")
@pytest.mark.parametrize("added_first", [True, False])
def test_of_an_addition_and_a_removal_of_one_millisecond_the_removal_counts(
    *, added_first: bool
) -> None:
    person = Person(policy(friends_required=False))
    for added in (added_first, not added_first):
        (person.befriended if added else person.unfriended)(NOON)
    assert person.ask(Kind.DIRECT).reason == "not_friend"


@pytest.mark.rule("R4.21")
def test_of_two_quiet_hours_of_one_millisecond_the_longer_count_in_either_order() -> None:
    hours = [("22:00", "08:00"), ("11:00", "13:00"), "off", ("21:00", "07:00")]
    found = set()
    for order in permutations(hours):
        person = Person(policy())
        for one in order:
            person.consents(NOON, kinds=[], quiet_hours=one)
        found.add(person.ledger.quiet)
    assert found == {CustomerQuietHours(22 * HOUR, 8 * HOUR)}


@pytest.mark.rule("R4.21")
def test_of_two_zones_of_one_millisecond_one_counts_in_either_order() -> None:
    zones = ["Asia/Shanghai", "America/New_York", "Europe/Berlin"]
    found = set()
    for order in permutations(zones):
        person = Person(policy())
        for zone in order:
            person.consents(NOON, kinds=[], time_zone=zone)
        found.add(person.ledger.zone)
    assert found == {"Europe/Berlin"}
