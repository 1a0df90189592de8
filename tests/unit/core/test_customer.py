"""One customer: what is decided about a request, what waits, in which order, and how it ends."""

from __future__ import annotations

import pytest

from streams.core.customer.compile import compile_rules
from streams.core.customer.customer import Customer
from streams.core.customer.held import next_wake
from streams.core.customer.ledger import Ledger
from streams.core.customer.request import Candidate, Request, Verdict
from streams.core.kinds import Kind
from streams.core.policy import Calendar, QuietHours, Silence, Suppression
from streams.core.reasons import Outcome, Reason
from streams.events.fields import MAX_MS
from streams.policy.files import packaged
from tests.unit.core.person import (
    DAY,
    DISTURBING,
    HOUR,
    MARKETING,
    NOON,
    Person,
    calendar,
    deadline,
    kinds,
    ms,
    outcomes,
    policy,
    rolling,
    validity,
)

ONE_A_DAY = policy(rolling(1, DAY), **deadline(7 * DAY))


def full(law: object = ONE_A_DAY) -> Person:
    """A customer whose one slot was used at noon."""
    person = Person(law)  # type: ignore[arg-type]
    person.delivered(person.approved(Kind.DIRECT))
    return person


# --- duplicates -----------------------------------------------------------------------------------


@pytest.mark.rule("R1.6")
def test_a_repeat_is_a_duplicate_until_remember_is_over() -> None:
    person = Person(policy(remember_ms=2 * DAY))
    ask = person.new_ask(Kind.DIRECT)
    assert person.arrives(ask)[0].verdict.outcome == "approved"
    repeat = person.at(NOON + 2 * DAY - 1).arrives(ask)
    assert outcomes(repeat) == [("i1", "duplicate", Reason.DUPLICATE)]
    assert person.after(1).arrives(ask)[0].verdict.outcome == "approved"


@pytest.mark.rule("R1.7")
def test_a_repeat_does_not_prolong_the_memory_nor_use_a_slot() -> None:
    person = Person(policy(rolling(2, 9 * DAY), remember_ms=2 * DAY))
    ask = person.new_ask(Kind.DIRECT)
    for hours in (0, 24, 47):
        person.at(NOON + hours * HOUR).arrives(ask)
    assert person.at(NOON + 2 * DAY).arrives(ask)[0].verdict.remaining == {"w": 0}


@pytest.mark.rule("R1.6")
@pytest.mark.parametrize("deny", [False, True])
def test_a_repeat_of_what_was_denied_or_waits_is_a_duplicate(*, deny: bool) -> None:
    person = full()
    ask = person.new_ask(Kind.DIRECT, deny=deny)
    person.arrives(ask)
    assert person.arrives(ask)[0].verdict.outcome == "duplicate"


@pytest.mark.rule("R1.6", "R1.7")
def test_a_repeat_of_what_still_waits_is_a_duplicate_however_old() -> None:
    person = full(policy(rolling(1, 30 * DAY), remember_ms=HOUR, **deadline(20 * DAY)))
    ask = person.new_ask(Kind.DIRECT)
    person.arrives(ask)
    assert person.at(NOON + 19 * DAY).arrives(ask)[0].verdict.outcome == "duplicate"
    assert len(person.ledger.held) == 1


@pytest.mark.rule("R1.7")
def test_a_repeat_of_what_waited_long_is_a_duplicate_after_its_approval_too() -> None:
    """contract.md: the same intent is decided once; it was a duplicate a moment before as well."""
    person = full(policy(rolling(2, 3 * DAY, min_gap_ms=3 * DAY), **deadline(7 * DAY)))
    ask = person.new_ask(Kind.DIRECT)
    person.arrives(ask)
    assert outcomes(person.at(NOON + 3 * DAY).wake()) == [("i3", "approved", Reason.OK)]
    assert person.after(1).arrives(ask)[0].verdict.outcome == "duplicate"


@pytest.mark.rule("R1.7")
def test_a_repeat_soon_after_the_approval_of_what_waited_is_a_duplicate() -> None:
    """Held for 47 of 48 hours: the memory of its arrival ends an hour after its approval."""
    person = full(policy(rolling(2, 3 * DAY, min_gap_ms=47 * HOUR), **deadline(7 * DAY)))
    ask = person.new_ask(Kind.DIRECT)
    person.arrives(ask)
    assert outcomes(person.at(NOON + 47 * HOUR).wake()) == [("i3", "approved", Reason.OK)]
    assert person.after(2 * HOUR).arrives(ask)[0].verdict.outcome == "duplicate"


# --- holding --------------------------------------------------------------------------------------


@pytest.mark.rule("R5.4")
def test_held_is_looked_at_again_at_its_earliest_time_and_not_before() -> None:
    person = full()
    assert person.ask(Kind.DIRECT).outcome == "deferred"
    assert person.next_ms() == NOON + DAY
    assert person.at(NOON + DAY - 1).wake() == []
    assert outcomes(person.after(1).wake()) == [("i3", "approved", Reason.OK)]
    assert person.next_ms() is None


@pytest.mark.rule("R5.5", "R4.6")
def test_held_is_checked_anew_when_its_time_comes() -> None:
    person = full(policy(rolling(1, DAY), ask_first=0, **deadline(7 * DAY)))
    person.ask(Kind.DIRECT)
    settled = person.after(HOUR).consents(allowed=False)
    assert outcomes(settled) == [("i3", "denied", Reason.NO_CONSENT)]
    assert person.ledger.held == []


@pytest.mark.rule("R5.5")
def test_held_says_so_again_only_when_what_it_said_has_changed() -> None:
    person = full(policy(rolling(1, DAY), **deadline(7 * DAY), **validity(HOUR)))
    person.ask(Kind.DIRECT)
    person.ask(Kind.DIRECT)
    assert person.after(1).engaged() == []
    settled = person.at(NOON + DAY).wake()
    assert outcomes(settled) == [
        ("i3", "approved", Reason.OK),
        ("i4", "deferred", Reason.WINDOW_FULL),
    ]
    assert settled[1].verdict.eligible_at_ms == NOON + 2 * DAY + HOUR


@pytest.mark.rule("R5.5")
def test_held_is_approved_at_once_when_a_failure_frees_the_slot() -> None:
    person = Person(policy(rolling(1, DAY)))
    first = person.approved(Kind.DIRECT)
    person.ask(Kind.DIRECT)
    settled = person.after(HOUR).failed(first)
    assert outcomes(settled) == [("i2", "approved", Reason.OK)]


@pytest.mark.rule("R5.5")
def test_held_moves_forward_when_a_delivery_was_earlier_than_reserved() -> None:
    person = Person(policy(rolling(1, DAY), **deadline(7 * DAY)))
    first = person.approved(Kind.DIRECT)
    assert person.ask(Kind.DIRECT).eligible_at_ms == NOON + 2 * DAY
    settled = person.after(HOUR).delivered(first, NOON + 1)
    assert settled[0].verdict.eligible_at_ms == NOON + DAY + 1
    assert person.next_ms() == NOON + DAY + 1


@pytest.mark.rule("R5.6")
@pytest.mark.parametrize("lead", [0, 1])
def test_held_ends_as_expired_one_millisecond_after_its_deadline(lead: int) -> None:
    person = full(policy(rolling(1, DAY)))
    person.ask(Kind.DIRECT, deadline_ms=NOON + DAY - lead)
    said = person.run_until(NOON + 3 * DAY)
    if lead:
        assert [(at, s.verdict.outcome, s.verdict.reason) for at, s in said] == [
            (NOON + DAY, "expired", "deadline_passed")
        ]
    else:
        assert [(at, s.verdict.outcome) for at, s in said] == [(NOON + DAY, "approved")]
        assert said[0][1].verdict.send_by_ms == NOON + DAY


@pytest.mark.rule("R5.6")
def test_held_without_deadline_ends_by_the_policys_from_acceptance() -> None:
    law = policy(rolling(1, 90 * DAY), deadline_ms=(DAY, 7 * DAY, DAY, DAY, DAY, DAY, DAY))
    person = full(law)
    person.ask(Kind.DIRECT, accepted_ms=NOON - HOUR)
    person.ask(Kind.BROADCAST)
    said = person.run_until(NOON + 10 * DAY)
    assert [(at, s.request.kind, s.verdict.outcome) for at, s in said] == [
        (NOON - HOUR + DAY + 1, Kind.DIRECT, "expired"),
        (NOON + 7 * DAY + 1, Kind.BROADCAST, "expired"),
    ]


@pytest.mark.rule("R5.6")
@pytest.mark.parametrize("early_ms", [HOUR, DAY, 3 * DAY])
def test_the_policys_deadline_counts_from_the_earliest_useful_time(early_ms: int) -> None:
    person = full(policy(rolling(1, 90 * DAY), **deadline(DAY)))
    person.ask(Kind.DIRECT, not_before_ms=NOON + early_ms)
    person.ask(Kind.DIRECT, not_before_ms=NOON - early_ms)
    said = person.run_until(NOON + 10 * DAY)
    assert [at for at, s in said if s.verdict.outcome == "expired"] == [
        NOON + DAY + 1,
        NOON + early_ms + DAY + 1,
    ]


@pytest.mark.rule("R5.6")
def test_the_policys_deadline_is_never_beyond_what_a_time_can_be() -> None:
    person = Person(policy())
    person.ask(Kind.DIRECT, not_before_ms=MAX_MS)
    assert [held.deadline_ms for held in person.ledger.held] == [MAX_MS]


@pytest.mark.rule("R5.6")
def test_held_to_its_deadline_though_its_earliest_time_lies_beyond() -> None:
    person = Person(policy(rolling(1, 90 * DAY)))
    first = person.approved(Kind.DIRECT)
    person.ask(Kind.DIRECT)
    assert person.at(NOON + DAY).wake() == []
    assert outcomes(person.failed(first)) == [("i2", "approved", Reason.OK)]


@pytest.mark.rule("R5.7")
def test_held_wakes_late_after_a_stop_and_is_settled_by_the_clock_of_then() -> None:
    person = full()
    person.ask(Kind.DIRECT, deadline_ms=NOON + 2 * DAY)
    person.ask(Kind.DIRECT, deadline_ms=NOON + 9 * DAY)
    assert outcomes(person.at(NOON + 3 * DAY).wake()) == [
        ("i3", "expired", Reason.DEADLINE_PASSED),
        ("i4", "approved", Reason.OK),
    ]


@pytest.mark.rule("R5.2")
def test_deny_is_never_held() -> None:
    person = full()
    assert person.ask(Kind.DIRECT, deny=True).outcome == "denied"
    assert person.next_ms() is None


# --- order ----------------------------------------------------------------------------------------

NIGHT = QuietHours(kinds=DISTURBING, from_ms=22 * HOUR, to_ms=8 * HOUR)


@pytest.mark.rule("R5.8")
def test_a_burst_keeps_order_by_priority_then_age() -> None:
    person = Person(policy(quiet_hours=NIGHT), ms("2026-11-18 23:00"))
    for name, priority, age in [("new", 50, 1), ("low", 10, 9), ("old", 50, 3), ("urgent", 90, 1)]:
        person.ask_all(
            Kind.DIRECT, intent_id=name, priority=priority, accepted_ms=person.now_ms - age
        )
    said = person.run_until(ms("2026-11-19 08:00"))
    assert [s.request.intent_id for _, s in said] == ["urgent", "old", "new", "low"]
    assert {at for at, _ in said} == {ms("2026-11-19 08:00")}


@pytest.mark.rule("R5.8")
def test_the_urgent_takes_the_one_slot_of_the_morning() -> None:
    law = policy(calendar(1, Calendar.DAY), quiet_hours=NIGHT, **deadline(7 * DAY))
    person = Person(law, ms("2026-11-18 23:00"))
    person.ask(Kind.DIRECT, priority=40)
    person.ask(Kind.DIRECT, priority=60)
    said = person.run_until(ms("2026-11-20 12:00"))
    assert [(at, s.request.priority, s.verdict.outcome) for at, s in said] == [
        (ms("2026-11-19 08:00"), 60, "approved"),
        (ms("2026-11-19 08:00"), 40, "deferred"),
        (ms("2026-11-20 08:00"), 40, "approved"),
    ]


@pytest.mark.rule("R5.9")
def test_a_reserve_keeps_the_evenings_slot_for_the_refund_notice() -> None:
    law = policy(calendar(2, Calendar.DAY, reserve_slots=1, reserve_priority=80))
    person = Person(law)
    assert person.ask(Kind.DIRECT, priority=40).outcome == "approved"
    assert person.ask(Kind.DIRECT, priority=40).reason == "slot_reserved"
    assert person.after(6 * HOUR).ask(Kind.DIRECT, priority=90).outcome == "approved"


# --- max_held -------------------------------------------------------------------------------------


def crowded(count: int = 2) -> Person:
    person = full(policy(rolling(1, 30 * DAY), max_held=count))
    for number in range(count):
        person.ask_all(Kind.DIRECT, intent_id=f"held{number}", accepted_ms=NOON + number)
    return person


@pytest.mark.rule("R5.10")
def test_too_many_held_denies_the_newcomer_when_it_is_least_urgent() -> None:
    person = crowded()
    settled = person.ask_all(Kind.DIRECT, intent_id="new", accepted_ms=NOON + 9)
    assert outcomes(settled) == [("new", "denied", Reason.TOO_MANY_HELD)]


@pytest.mark.rule("R5.10")
def test_too_many_held_denies_the_youngest_of_the_least_urgent() -> None:
    person = crowded()
    settled = person.ask_all(Kind.DIRECT, intent_id="new", priority=51, accepted_ms=NOON + 9)
    assert outcomes(settled) == [
        ("new", "deferred", Reason.WINDOW_FULL),
        ("held1", "denied", Reason.TOO_MANY_HELD),
    ]
    assert len(person.ledger.held) == 2


@pytest.mark.rule("R5.10")
def test_what_need_not_wait_is_not_counted_among_the_held() -> None:
    person = crowded()
    assert person.ask(Kind.REPLY).outcome == "approved"


LEAVE = packaged("wecom")[1].pacing


@pytest.mark.rule("R5.10")
@pytest.mark.parametrize(("priority", "yields"), [(50, "new"), (51, "held1")])
def test_too_many_held_counts_those_that_wait_for_their_accounts_leave(
    priority: int, yields: str
) -> None:
    law = policy(rolling(9, DAY), max_held=2, pacing=LEAVE)
    ledger, said, wanted = Ledger(), [], []
    names = [("held0", 50), ("held1", 50), ("new", priority)]
    for mark, (name, urgency) in enumerate(names, start=1):
        ask = Request(name, "s", "a", Kind.BROADCAST, urgency, deny=False, accepted_ms=NOON + mark)
        customer = Customer(ledger, "e", "c", compile_rules(law), NOON)
        said += customer.decide_request(Candidate(ask), mark)
        wanted += [one.intent_id for one in customer.permits_wanted]
    assert outcomes(said)[-1] == (yields, "denied", Reason.TOO_MANY_HELD)
    waits = [("held0", "deferred"), ("held1", "deferred"), ("new", "deferred")]
    assert [line[:2] for line in outcomes(said)[:-1]] == waits[: 2 if yields == "new" else 3]
    assert said[-1].verdict.remaining == {"w": 9}
    assert len(ledger.held) == 2
    assert wanted == ["held0", "held1", *(["new"] if yields != "new" else [])]


@pytest.mark.rule("R5.10")
def test_who_would_not_wait_and_asks_for_leave_unsaid_takes_nobody_s_place() -> None:
    law = policy(rolling(9, DAY), max_held=1, pacing=LEAVE)
    ledger, said = Ledger(), []
    for mark, deny in enumerate((True, True, False), start=1):
        ask = Request(f"i{mark}", "s", "a", Kind.BROADCAST, 50, deny=deny, accepted_ms=NOON + mark)
        said += Customer(ledger, "e", "c", compile_rules(law), NOON).decide_request(
            Candidate(ask), mark
        )
    assert [line[:2] for line in outcomes(said)] == [("i3", "deferred")]


@pytest.mark.rule("R5.10")
def test_who_would_not_wait_takes_nobody_s_place_after_an_answer_of_no_use_either() -> None:
    """Too late by the account's clock, and not by the customer's: it will ask again."""
    law = policy(rolling(9, DAY), max_held=1, pacing=LEAVE)
    ledger, said = Ledger(), []
    gave_up = Verdict(Outcome.EXPIRED, Reason.DEADLINE_PASSED)
    waits, asks = (
        Request(f"i{mark}", "s", "a", Kind.BROADCAST, 50, deny=mark == 2, accepted_ms=NOON + mark)
        for mark in (1, 2)
    )
    answer = Candidate(asks, is_held=True, denial=gave_up)
    for mark, candidate in ((2, Candidate(asks)), (2, answer), (1, Candidate(waits)), (2, answer)):
        said += Customer(ledger, "e", "c", compile_rules(law), NOON).decide_request(candidate, mark)
    assert [line[:2] for line in outcomes(said)] == [("i1", "deferred")]


# --- reconsidering --------------------------------------------------------------------------------


@pytest.mark.rule("R3.8", "R5.5")
def test_a_message_releases_what_silence_held() -> None:
    silence = Silence(
        kinds=MARKETING, ignored=1, first_ms=5 * DAY, factor=2.0, longest_ms=180 * DAY
    )
    person = Person(policy(silence=silence, **deadline(9 * DAY)))
    person.delivered(person.approved(Kind.DIRECT))
    person.after(1).ask(Kind.DIRECT)
    person.ask(Kind.DIRECT)
    settled = person.after(2).wrote(person.now_ms - 1)
    # The first is a contact without an answer again, so the second waits on.
    assert outcomes(settled) == [
        ("i3", "approved", Reason.OK),
        ("i4", "deferred", Reason.SILENCE_BACKOFF),
    ]


@pytest.mark.rule("R4.4", "R5.5")
def test_new_hours_release_what_the_old_ones_held() -> None:
    person = Person(policy(quiet_hours=NIGHT), ms("2026-11-18 23:00"))
    person.ask(Kind.BROADCAST)
    settled = person.consents(kinds=[], quiet_hours="off")
    assert [s.verdict.outcome for s in settled] == ["approved"]


@pytest.mark.rule("R4.10", "R5.5")
def test_events_end_what_they_forbid() -> None:
    law = policy(
        rolling(1, DAY),
        suppression=Suppression(kinds=DISTURBING, account_ms=DAY, enterprise_ms=DAY),
    )
    person = full(law)
    person.ask(Kind.DIRECT)
    assert [s.verdict.reason for s in person.complained()] == ["suppressed"]


@pytest.mark.rule("R8.10")
def test_cancel_ends_everything_that_waits() -> None:
    person = crowded(3)
    customer = Customer(person.ledger, "e", "c", compile_rules(person.policy), person.now_ms)
    settled = customer.cancel(Reason.ACCOUNT_RESIGNED)
    assert {s.verdict.outcome for s in settled} == {"cancelled"}
    assert len(settled) == 3
    assert next_wake(customer.ledger) is None


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.rule("R9.10")
def test_a_new_version_decides_over_old_contacts_too() -> None:
    person = Person(policy(rolling(3, DAY)))
    person.delivered(person.approved(Kind.DIRECT))
    person.policy = policy(rolling(1, 2 * DAY), version=2)
    assert person.ask(Kind.DIRECT).eligible_at_ms == NOON + 2 * DAY


@pytest.mark.rule("R9.10")
def test_a_longer_window_of_a_new_version_counts_contacts_that_old_windows_had_done_with() -> None:
    """`for all contacts of the ledger, old ones too`, as long as they are remembered."""
    person = Person(policy(rolling(1, HOUR), remember_ms=2 * DAY))
    person.delivered(person.approved(Kind.DIRECT))
    person.at(NOON + 2 * DAY - 1).engaged()
    person.policy = policy(rolling(1, 9 * DAY), version=2)
    assert person.ask(Kind.DIRECT).eligible_at_ms == NOON + 9 * DAY


@pytest.mark.rule("R5.4", "R9.10")
def test_held_under_an_old_version_is_decided_by_the_new_one() -> None:
    person = full()
    person.ask(Kind.DIRECT)
    person.policy = policy(
        rolling(1, DAY), quiet_hours=NIGHT, ask_first=kinds(Kind.DIRECT), version=2
    )
    assert outcomes(person.at(NOON + DAY).wake()) == [("i3", "denied", Reason.NO_CONSENT)]
