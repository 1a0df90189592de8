"""Section 8: transfers, with and without a word from the platform, and what they leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.core.kinds import Kind
from streams.core.policy import FOREVER, Reply, Scope, Silence, Suppression
from tests.unit.core.person import (
    DAY,
    DISTURBING,
    HOUR,
    MARKETING,
    NOON,
    Person,
    deadline,
    kinds,
    outcomes,
    policy,
    rolling,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

TWICE = policy(rolling(2, 90 * DAY, kinds=kinds(Kind.TRANSFER), id="transfer-90d"))


def transfer(person: Person, giver: str, taker: str) -> str:
    return person.approved(Kind.TRANSFER, giver, to_account_id=taker)


@pytest.mark.rule("R8.3")
@pytest.mark.parametrize("began", [True, False], ids=["delivered", "nothing"])
def test_a_transfer_the_platform_never_speaks_of_ends_and_counts_at_its_last_moment(
    *, began: bool
) -> None:
    person = Person(TWICE)
    intent = transfer(person, "a", "b")
    if began:
        person.after(HOUR).delivered(intent)
    assert person.at(NOON + DAY).ask(Kind.TRANSFER).wecom_errcode == 40100
    second = person.at(NOON + DAY + 1).ask(Kind.TRANSFER, to_account_id="b")
    assert second.remaining == {"transfer-90d": 0}
    person.at(NOON + 3 * DAY)
    third = person.ask(Kind.TRANSFER, to_account_id="b")
    assert (third.wecom_errcode, third.eligible_at_ms) == (40128, NOON + DAY + 90 * DAY)


@pytest.mark.rule("R8.3", "R8.4")
def test_word_of_a_transfer_that_comes_after_its_last_moment_is_heard() -> None:
    """The platform takes a day to hand over, and longer to say so."""
    person = Person(policy(rolling(1, 90 * DAY, kinds=kinds(Kind.TRANSFER))))
    transfer(person, "a", "b")
    person.at(NOON + 3 * DAY).transferred("a", "b", NOON + 2 * DAY)
    verdict = person.ask(Kind.TRANSFER, "b", to_account_id="c")
    assert (verdict.wecom_errcode, verdict.eligible_at_ms) == (40128, NOON + 92 * DAY)


@pytest.mark.rule("R8.3", "R8.4")
def test_a_refusal_that_comes_after_its_last_moment_frees_the_slot() -> None:
    person = Person(TWICE)
    transfer(person, "a", "b")
    person.at(NOON + 3 * DAY).transfer_failed("a", "b")
    assert person.ask(Kind.TRANSFER, to_account_id="b").remaining == {"transfer-90d": 1}


@pytest.mark.rule("R8.2")
def test_a_transfer_is_denied_and_not_held_while_another_is_under_way() -> None:
    person = Person(TWICE)
    transfer(person, "a", "b")
    for account in ("a", "b", "c"):
        verdict = person.ask(Kind.TRANSFER, account, to_account_id="d")
        assert (verdict.outcome, verdict.wecom_errcode) == ("denied", 40100)
    assert person.next_ms() is None


@pytest.mark.rule("R8.5")
@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("resigned", "denied taker_unavailable"),
        ("suspended", "denied taker_unavailable"),
        ("active", "approved ok"),
        ("reinstated", "approved ok"),
    ],
)
def test_a_taker_must_be_at_work(told: Callable[..., Scene], status: str, line: str) -> None:
    scene = told(windows=[])
    scene.tell_status("taker", "suspended")
    scene.at("1s")
    scene.tell_status("taker", status)
    scene.at("2s")
    scene.ask("1", kind="transfer", to_account_id="taker")
    scene.expect("1", line)
    scene.ask("2", "bob", kind="transfer", to_account_id="nobody-knows")
    scene.expect("2", "approved ok", customer="bob")


@pytest.mark.rule("R8.5")
def test_an_account_takes_over_nobody_from_itself(told: Callable[..., Scene]) -> None:
    scene = told(windows=[])
    scene.ask("1", kind="transfer", to_account_id="xiaoer")
    scene.expect("1", "denied taker_unavailable")
    assert scene.decisions("1")[0]["wecom_errcode"] == 40130


@pytest.mark.rule("R7.6", "R8.5")
def test_a_resigned_account_s_customers_can_be_handed_over(told: Callable[..., Scene]) -> None:
    scene = told(windows=[])
    scene.tell_status("xiaoer", "resigned")
    scene.at("3s")
    scene.ask("1", kind="transfer", to_account_id="b")
    scene.expect("1", "approved ok")
    scene.ask("2")
    scene.expect("2", "denied account_resigned")


# --- which transfer a word is about ---------------------------------------------------------------


@pytest.mark.rule("R8.4", "R8.12")
def test_an_older_silent_transfer_keeps_its_time_when_a_later_one_is_carried_out() -> None:
    person = Person(TWICE)
    transfer(person, "a", "b")
    transfer(person.after(30 * DAY), "a", "b")
    person.after(HOUR).transferred("a", "b")
    assert person.ask(Kind.TRANSFER, "b").eligible_at_ms == NOON + 91 * DAY


@pytest.mark.rule("R8.4", "R8.12")
@pytest.mark.parametrize("named", ["a", "b"], ids=["by its giver", "by its taker"])
def test_an_older_silent_transfer_is_not_freed_by_a_later_one_s_failure(named: str) -> None:
    person = Person(TWICE)
    transfer(person, "a", "b")
    transfer(person.after(30 * DAY), "a", "b")
    person.after(HOUR).transfer_failed(named, "b")
    assert person.ask(Kind.TRANSFER, "a").remaining == {"transfer-90d": 0}


@pytest.mark.rule("R8.12", "R2.16")
@pytest.mark.parametrize("done_first", [True, False])
@pytest.mark.parametrize("by", ["receipt", "event"])
def test_a_transfer_that_was_carried_out_after_all_counts(by: str, *, done_first: bool) -> None:
    person = Person(TWICE)
    intent = transfer(person, "a", "b")

    def fails() -> None:
        if by == "receipt":
            person.failed(intent)
        else:
            person.transfer_failed("a", "b")

    if not done_first:
        fails()
    person.after(1).transferred("a", "b")
    if done_first:
        fails()
    assert person.after(1).ask(Kind.TRANSFER, "b").remaining == {"transfer-90d": 0}


@pytest.mark.rule("R8.12")
def test_a_handover_settles_none_that_its_giver_had_taken_over_from_another() -> None:
    """The silent one of a's came to b with the customer; it is none that b could have made."""
    person = Person(policy(rolling(3, 90 * DAY, kinds=kinds(Kind.TRANSFER), id="t")))
    transfer(person, "a", "b")
    transfer(person.after(30 * DAY), "a", "b")
    person.transferred("a", "b")
    person.after(HOUR).transferred("b", "c")
    verdict = person.after(1).ask(Kind.TRANSFER, "c")
    assert (verdict.wecom_errcode, verdict.eligible_at_ms) == (40128, NOON + 91 * DAY)


@pytest.mark.rule("R8.13")
def test_transfers_nobody_asked_us_for_count() -> None:
    person = Person(TWICE)
    person.transferred("a", "b")
    person.after(DAY).transferred("b", "c", NOON + HOUR)
    verdict = person.after(1).ask(Kind.TRANSFER, "c")
    assert (verdict.wecom_errcode, verdict.eligible_at_ms) == (40128, NOON + 90 * DAY)
    assert person.at(NOON + 90 * DAY).ask(Kind.TRANSFER, "c").outcome == "approved"


@pytest.mark.rule("R8.14")
def test_a_failure_told_with_the_taker_s_name_alone_frees_the_transfer() -> None:
    person = Person(TWICE)
    transfer(person, "a", "b")
    assert person.transfer_failed("c", "c") == []
    assert person.ask(Kind.TRANSFER, "a").wecom_errcode == 40100
    person.transfer_failed("b", "b")
    assert person.ask(Kind.TRANSFER, "a", to_account_id="b").outcome == "approved"


@pytest.mark.rule("R8.12", "R8.14")
def test_of_two_givers_to_one_taker_the_latest_is_meant() -> None:
    person = Person(TWICE)
    transfer(person, "a", "b")
    transfer(person.after(30 * DAY), "c", "b")
    person.transfer_failed("b", "b")
    assert person.ask(Kind.TRANSFER, "a").remaining == {"transfer-90d": 0}
    assert person.ask(Kind.TRANSFER, "a").wecom_errcode == 40100


@pytest.mark.rule("R8.12")
def test_the_failure_of_one_giver_says_nothing_of_another_s() -> None:
    person = Person(TWICE)
    transfer(person, "a", "b")
    person.transfer_failed("b", "a")
    assert person.ask(Kind.TRANSFER, "a").wecom_errcode == 40100


# --- nobody is disturbed by a handover ------------------------------------------------------------


@pytest.mark.rule("R8.11")
def test_a_handover_releases_nothing_the_giver_held() -> None:
    person = Person(policy(rolling(1, DAY, scope=Scope.ACCOUNT), **deadline(7 * DAY)))
    person.delivered(person.approved(Kind.DIRECT, "a"))
    person.ask(Kind.DIRECT, "a", intent_id="held")
    assert person.after(HOUR).transferred("a", "b") == []
    assert outcomes(person.at(NOON + DAY - 1).wake()) == []
    assert outcomes(person.after(1).wake()) == [("held", "approved", "ok")]


@pytest.mark.rule("R8.11")
def test_a_handover_releases_nothing_the_taker_held() -> None:
    """The customer's interest in the giver is now interest in the taker, and yet no reason to
    write this very moment.
    """
    rule = Silence(kinds=MARKETING, ignored=1, first_ms=5 * DAY, factor=2.0, longest_ms=180 * DAY)
    person = Person(policy(silence=rule, **deadline(7 * DAY)))
    person.delivered(person.approved(Kind.DIRECT, "b"), account="b")
    person.ask(Kind.DIRECT, "b")
    person.after(1).engaged(account="a")
    assert person.after(1).transferred("a", "b") == []
    assert person.next_ms() == NOON + 5 * DAY


@pytest.mark.rule("R8.11")
def test_nothing_leaves_the_engine_because_of_a_handover(told: Callable[..., Scene]) -> None:
    one = {"id": "w", "kinds": ["direct"], "scope": "account", "limit": 1, "rolling": "24h"}
    scene = told(windows=[one])
    scene.ask("1")
    scene.ask("held", deadline_ms=scene.start_ms + 2 * DAY)
    scene.at("1m")
    before = len(scene.everything("decisions"))
    scene.hear("transferred", to_account_id="b")
    scene.at("23h")
    assert len(scene.everything("decisions")) == before
    scene.at("1d1h")
    assert scene.story("held")[-1] == "approved ok"


@pytest.mark.rule("R8.6")
def test_a_handover_does_not_pardon_the_giver() -> None:
    rule = Suppression(kinds=DISTURBING, account_ms=FOREVER, enterprise_ms=30 * DAY)
    person = Person(policy(suppression=rule))
    person.complained(account="a")
    person.after(1).transferred("a", "b")
    for account in ("a", "b"):
        assert person.after(31 * DAY).ask(Kind.DIRECT, account).reason == "suppressed"
    assert person.ask(Kind.DIRECT, "c").outcome == "approved"


@pytest.mark.rule("R8.8")
def test_the_giver_s_credits_end_with_the_handover_and_the_taker_s_stay() -> None:
    person = Person(policy(reply=Reply(credits=1, within_ms=2 * DAY)))
    person.wrote(account="a")
    person.wrote(account="b")
    person.after(1).transferred("a", "b")
    assert person.ask(Kind.REPLY, "a").wecom_errcode == 95002
    assert person.ask(Kind.REPLY, "b").outcome == "approved"
    assert person.ask(Kind.REPLY, "b").wecom_errcode == 95001
