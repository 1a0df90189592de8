"""Section 8: transfers, with and without a word from the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.core.kinds import Kind
from tests.core.person import DAY, HOUR, NOON, Person, kinds, policy, rolling

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
