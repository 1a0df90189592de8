"""Leave: which kinds need their account's, what is asked for, and how long it is good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.core.customer.compile import compile_rules
from streams.core.customer.customer import Customer
from streams.core.customer.held import next_wake
from streams.core.customer.ledger import Ledger
from streams.core.customer.request import Candidate, Request, Verdict
from streams.core.kinds import KIND_NAMES, Kind
from streams.core.reasons import Outcome, Reason
from streams.policy.files import packaged
from tests.unit.core.person import DAY, HOUR, MINUTE, NOON, policy, rolling

if TYPE_CHECKING:
    from streams.core.policy import Policy

WECOM = packaged("wecom")[1]


def under(law: Policy, ledger: Ledger, now_ms: int = NOON) -> Customer:
    return Customer(ledger, "e", "c", compile_rules(law), now_ms)


def ask(kind: Kind = Kind.BROADCAST, name: str = "i", **more: int) -> Request:
    return Request(name, "s", "a", kind, 50, deny=False, accepted_ms=NOON, **more)  # type: ignore[arg-type]


def paced(**parts: object) -> Policy:
    return policy(rolling(1, DAY), pacing=WECOM.pacing, ceilings=WECOM.ceilings, **parts)


def test_the_packaged_policy_asks_leave_of_what_its_account_counts() -> None:
    named = {KIND_NAMES[law.kind] for law in compile_rules(WECOM) if law.needs_permit}
    assert named == {"broadcast", "moment", "friend_request", "transfer"}
    assert {KIND_NAMES[law.kind] for law in compile_rules(policy()) if law.needs_permit} == {
        "friend_request",
        "transfer",
    }


def test_without_leave_an_ask_is_held_and_asked_for_once() -> None:
    ledger = Ledger()
    here = under(paced(), ledger)
    (settled,) = here.decide_request(Candidate(ask()), 1)
    assert (settled.verdict.outcome, settled.verdict.reason) == (
        Outcome.DEFERRED,
        Reason.ACCOUNT_PACING,
    )
    assert here.permits_wanted == [ask()]
    assert [held.permit_requested for held in ledger.held] == [True]
    again = under(paced(), ledger, NOON + MINUTE)
    assert again.reconsider() == []
    assert again.permits_wanted == []


@pytest.mark.rule("R5.19")
def test_who_would_not_wait_is_told_the_account_s_answer_and_nothing_before() -> None:
    ledger = Ledger()
    now_or_never = Request("i", "s", "a", Kind.BROADCAST, 50, deny=True, accepted_ms=NOON)
    here = under(paced(), ledger)
    assert here.decide_request(Candidate(now_or_never), 1) == []
    assert here.permits_wanted == [now_or_never]
    refusal = Verdict(Outcome.DENIED, Reason.ACCOUNT_PACING, stage="account")
    answer = Candidate(now_or_never, is_held=True, denial=refusal)
    (settled,) = under(paced(), ledger).decide_request(answer, 1)
    assert settled.verdict == refusal
    assert ledger.held == []


@pytest.mark.rule("R4.25")
def test_after_an_answer_of_no_use_an_account_is_asked_again_a_second_later() -> None:
    ledger = Ledger()
    under(paced(), ledger).decide_request(Candidate(ask()), 1)
    useless = under(paced(), ledger)
    assert useless.decide_request(Candidate(ask(), is_held=True), 1) == []
    assert useless.permits_wanted == []
    wake = next_wake(ledger)
    assert wake is not None
    assert wake.due_ms == NOON + 1_000
    later = under(paced(), ledger, wake.due_ms)
    assert later.on_timer() == []
    assert later.permits_wanted == [ask()]
    assert under(paced(), ledger, wake.due_ms).on_timer() == []


def test_leave_approves_what_was_held_for_it() -> None:
    ledger = Ledger()
    under(paced(), ledger).decide_request(Candidate(ask()), 1)
    (settled,) = under(paced(), ledger).decide_request(Candidate(ask(), NOON, is_held=True), 1)
    assert settled.verdict.outcome is Outcome.APPROVED
    assert ledger.held == []


def test_an_answer_for_what_is_no_longer_held_is_nobody_s() -> None:
    assert under(paced(), Ledger()).decide_request(Candidate(ask(), NOON, is_held=True), 1) == []


def test_a_window_that_filled_while_leave_was_asked_holds_the_ask_again() -> None:
    ledger = Ledger()
    under(paced(), ledger).decide_request(Candidate(ask()), 1)
    under(paced(), ledger).decide_request(Candidate(ask(Kind.DIRECT, "other")), 2)
    (settled,) = under(paced(), ledger).decide_request(Candidate(ask(), NOON, is_held=True), 1)
    assert (settled.verdict.outcome, settled.verdict.reason) == (
        Outcome.DEFERRED,
        Reason.WINDOW_FULL,
    )
    assert [held.permit_requested for held in ledger.held] == [False]


def test_the_account_s_refusal_is_said_in_its_own_words_and_a_repeat_is_a_duplicate() -> None:
    ledger = Ledger()
    refusal = Verdict(Outcome.DENIED, Reason.ACCOUNT_CEILING, stage="account")
    candidate = Candidate(ask(Kind.FRIEND_REQUEST), denial=refusal)
    (first,) = under(paced(), ledger).decide_request(candidate, 1)
    (second,) = under(paced(), ledger).decide_request(candidate, 1)
    assert first.verdict == refusal
    assert second.verdict.outcome is Outcome.DUPLICATE


def test_what_waits_for_leave_too_long_expires() -> None:
    ledger = Ledger()
    late = ask(deadline_ms=NOON + HOUR)
    under(paced(), ledger).decide_request(Candidate(late), 1)
    (settled,) = under(paced(), ledger, NOON + HOUR + 1).on_timer()
    assert settled.verdict.outcome is Outcome.EXPIRED


def test_leave_for_a_friend_request_is_good_for_its_calendar_day() -> None:
    midnight = NOON + 12 * HOUR
    request = ask(Kind.FRIEND_REQUEST)
    for now_ms, wanted in ((midnight - 1, 0), (midnight, 1)):
        here = under(paced(), Ledger(), now_ms)
        here.decide_request(Candidate(request, NOON), 1)
        assert len(here.permits_wanted) == wanted
    broadcast = under(paced(), Ledger(), midnight)
    broadcast.decide_request(Candidate(ask(), NOON), 1)
    assert broadcast.permits_wanted == []


def test_what_is_braked_waits_and_what_is_called_for_goes_on() -> None:
    law = compile_rules(WECOM)
    assert {KIND_NAMES[one.kind] for one in law if one.braked} == {"direct", "broadcast", "moment"}
