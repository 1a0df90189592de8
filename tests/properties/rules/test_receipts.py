"""Section 2: receipts in every order, and the cap on real sending times."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from streams.core.kinds import Kind
from tests.unit.core.person import DAY, HOUR, NOON, Person, policy, rolling, validity

ONE_A_DAY = policy(rolling(1, DAY), **validity(HOUR))


def next_legal_ms(person: Person) -> int | None:
    return person.ask(Kind.DIRECT, deny=True).eligible_at_ms


@pytest.mark.rule("R2.17")
@pytest.mark.parametrize("early", ["delivered", "failed"])
def test_a_receipt_before_its_decision_changes_nothing(early: str) -> None:
    person = Person(ONE_A_DAY)
    getattr(person, early)("i1")
    assert person.value is None
    assert person.approved(Kind.DIRECT, intent_id="i1")
    assert next_legal_ms(person) == NOON + HOUR + DAY


@pytest.mark.rule("R2.13", "R2.15", "R2.16")
@pytest.mark.parametrize("order", sorted(set(permutations(["sent", "later", "failed", "failed"]))))
def test_every_order_of_contradicting_receipts_leaves_the_first_delivery(
    order: tuple[str, ...],
) -> None:
    person = Person(ONE_A_DAY)
    intent = person.approved(Kind.DIRECT)
    person.after(HOUR)
    for receipt in order:
        if receipt == "failed":
            person.failed(intent)
        else:
            person.delivered(intent, NOON + (1 if receipt == "sent" else 2))
    first = 1 if order.index("sent") < order.index("later") else 2
    assert next_legal_ms(person) == NOON + first + DAY


@pytest.mark.rule("R2.15")
def test_a_late_failure_frees_its_own_slot_and_no_other() -> None:
    person = Person(policy(rolling(2, DAY), **validity(HOUR)))
    first, second = person.approved(Kind.DIRECT), person.approved(Kind.DIRECT)
    person.delivered(second)
    person.at(NOON + DAY - 1).failed(first)
    assert person.ask(Kind.DIRECT, deny=True).remaining == {"w": 0}
    assert person.ask(Kind.DIRECT, deny=True).reason == "window_full"


@pytest.mark.rule("R2.12")
@pytest.mark.parametrize(("late_ms", "outcome"), [(-1, "denied"), (0, "approved")])
def test_a_reservation_nobody_speaks_of_counts_to_the_end_of_its_window(
    late_ms: int, outcome: str
) -> None:
    person = Person(ONE_A_DAY)
    person.approved(Kind.DIRECT)
    person.at(NOON + HOUR + DAY + late_ms)
    assert person.ask(Kind.DIRECT, deny=True).outcome == outcome


@pytest.mark.rule("R2.15", "R4.11")
def test_a_failure_told_again_ends_no_newer_friendship() -> None:
    person = Person(policy(friends_required=True))
    person.befriended()
    intent = person.approved(Kind.DIRECT)
    person.after(1).failed(intent, reason="not_friend")
    assert person.ask(Kind.DIRECT).reason == "not_friend"
    person.after(1).befriended()
    person.after(1).failed(intent, reason="not_friend")
    assert person.ask(Kind.DIRECT).outcome == "approved"


@pytest.mark.rule("R2.15", "R4.11")
@pytest.mark.parametrize("first", ["other", "already_received", "not_sent"])
def test_a_failure_that_is_told_more_exactly_ends_the_friendship(first: str) -> None:
    person = Person(policy(rolling(1, DAY), **validity(HOUR), friends_required=True))
    person.befriended()
    intent = person.approved(Kind.DIRECT)
    person.after(1).failed(intent, reason=first)
    person.after(1).failed(intent, reason="not_friend")
    assert person.ask(Kind.DIRECT).reason == "not_friend"
    person.after(1).befriended()
    person.after(1).failed(intent, reason="not_friend")
    assert person.ask(Kind.DIRECT).reason != "not_friend"


@pytest.mark.rule("R2.16", "R4.11")
def test_what_was_delivered_went_to_a_friend() -> None:
    person = Person(policy(friends_required=True))
    person.befriended()
    intent = person.approved(Kind.DIRECT)
    person.after(1).delivered(intent)
    person.after(1).failed(intent, reason="not_friend")
    assert person.ask(Kind.DIRECT).outcome == "approved"


LIMIT, WINDOW_MS, VALID_MS = 2, 5, 3


@pytest.mark.rule("R2.9")
def test_no_sender_s_delay_breaks_the_cap_and_no_denial_is_unfounded() -> None:
    """Every combination of delays of five messages, asked for in each of twenty milliseconds."""
    law = policy(rolling(LIMIT, WINDOW_MS), **validity(VALID_MS))
    for delays in product(range(VALID_MS + 1), repeat=5):
        sent = _play(Person(law), delays)
        for last in sent:
            assert sum(last - WINDOW_MS < at <= last for at in sent) <= LIMIT, (delays, sent)


def _play(person: Person, delays: tuple[int, ...]) -> list[int]:
    """Ask every millisecond; send late by the next delay, and tell it then. The sending times."""
    sent: list[int] = []
    under_way: dict[str, int] = {}
    for now_ms in range(NOON, NOON + 20):
        person.at(now_ms)
        for intent in [name for name, at_ms in under_way.items() if at_ms == now_ms]:
            person.delivered(intent)
            sent.append(under_way.pop(intent))
        verdict = person.ask(Kind.DIRECT, deny=True, intent_id=f"at {now_ms}")
        # What is under way may be sent as late as it is valid: it counts at that moment.
        counted = [*sent, *[now_ms] * len(under_way)]
        counts = sum(at_ms > now_ms - WINDOW_MS for at_ms in counted)
        assert (verdict.outcome == "approved") == (counts < LIMIT), (delays, now_ms - NOON)
        if verdict.outcome == "approved":
            delay_ms = delays[(len(sent) + len(under_way)) % len(delays)]
            under_way[f"at {now_ms}"] = now_ms + max(1, delay_ms)
    return sent
