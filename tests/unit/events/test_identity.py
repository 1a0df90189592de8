"""Names that must never change, and never meet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.events.identity import NO_MARK, decision_id, fingerprint, mark_of

words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)


def test_golden_values() -> None:
    """A change here would decide every retry under way a second time."""
    assert (
        decision_id("acme", "crm/coupons", "spring-0001-17", "wm-2")
        == "66fa5d118a2fcafde9cfa8d291f95895"
    )
    assert fingerprint("wecom/callbacks", "evt-1") == 17_158_414_377_214_148_386


@given(st.lists(words, min_size=4, max_size=4), st.lists(words, min_size=4, max_size=4))
def test_different_words_give_different_names(one: list[str], other: list[str]) -> None:
    assert (decision_id(*one) == decision_id(*other)) == (one == other)
    assert (fingerprint(one[0], one[1]) == fingerprint(other[0], other[1])) == (
        one[:2] == other[:2]
    )


def test_words_do_not_run_into_each_other() -> None:
    names = {decision_id(*words) for words in (["ab", "c", "d", "e"], ["a", "bc", "d", "e"])}
    assert len(names) == 2
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint("a", "b", b"c") != fingerprint("a", "bc")


@given(words, words)
def test_forms(one: str, other: str) -> None:
    name = decision_id(one, other, one, other)
    assert len(name) == 32
    assert set(name) <= set("0123456789abcdef")
    assert 0 <= fingerprint(one, other) < 2**64


def test_a_mark_is_the_first_half_of_a_decisions_name() -> None:
    assert mark_of("00000000000000ff" + "e" * 16) == 255
    assert mark_of("ff") == NO_MARK
    assert mark_of("x" * 32) == NO_MARK
