from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.policy_versions import PolicyVersions
from streams.policy.parse import parse_policy

if TYPE_CHECKING:
    from streams.core.policy import Policy

NOON: Final = 1_795_312_800_000


def policy(enterprise: str, version: int, effective_at_ms: int | None = None) -> Policy:
    written = {"policy": "sample", "version": version, "enterprise": enterprise}
    parsed, _ = parse_policy(written)
    assert parsed is not None
    return msgspec.structs.replace(parsed, effective_at_ms=effective_at_ms)


DEFAULT: Final = policy("*", 1)


def book(*accepted: tuple[Policy, int]) -> PolicyVersions:
    found = PolicyVersions(DEFAULT)
    for one, recorded_at_ms in accepted:
        found.accept(one, recorded_at_ms)
    return found


@pytest.mark.rule("R9.6")
def test_an_empty_book_gives_the_default() -> None:
    assert book().in_force("acme", NOON) is DEFAULT


@pytest.mark.rule("R9.5")
def test_a_version_counts_from_its_records_time_exactly() -> None:
    one = policy("acme", 1)
    found = book((one, NOON))
    assert found.in_force("acme", NOON - 1) is DEFAULT
    assert found.in_force("acme", NOON) is one


@pytest.mark.rule("R9.5")
def test_effective_at_beats_the_records_time_later_and_earlier() -> None:
    later, earlier = policy("acme", 1, NOON + 50), policy("zeta", 1, NOON - 50)
    found = book((later, NOON), (earlier, NOON))
    assert found.in_force("acme", NOON + 49) is DEFAULT
    assert found.in_force("acme", NOON + 50) is later
    assert found.in_force("zeta", NOON - 50) is earlier


@pytest.mark.rule("R9.5")
def test_the_highest_version_that_has_come_counts_not_the_last_accepted() -> None:
    two, three, four = policy("acme", 2), policy("acme", 3), policy("acme", 4, NOON + 9)
    found = book((three, NOON), (two, NOON + 1), (four, NOON + 2))
    assert found.in_force("acme", NOON + 8) is three
    assert found.in_force("acme", NOON + 9) is four


@pytest.mark.rule("R9.6")
def test_an_enterprise_without_a_version_in_force_goes_to_everyones_and_then_the_default() -> None:
    everyones, own = policy("*", 1), policy("acme", 1, NOON + 100)
    found = book((own, NOON), (everyones, NOON + 10))
    assert found.in_force("acme", NOON + 9) is DEFAULT
    assert found.in_force("acme", NOON + 10) is everyones
    assert found.in_force("acme", NOON + 100) is own
    assert found.in_force("zeta", NOON + 100) is everyones


@pytest.mark.rule("R9.6")
def test_an_own_low_version_beats_everyones_high_one() -> None:
    own = policy("acme", 1)
    assert book((policy("*", 9), NOON), (own, NOON)).in_force("acme", NOON) is own


def test_a_policy_accepted_later_is_seen_after_a_cached_answer() -> None:
    found = book((policy("*", 1), NOON))
    found.in_force("acme", NOON + 5)
    own = policy("acme", 1)
    found.accept(own, NOON + 5)
    assert found.in_force("acme", NOON + 5) is own


def test_clocks_of_several_partitions_may_be_apart() -> None:
    one, two = policy("acme", 1), policy("acme", 2)
    found = book((one, NOON), (two, NOON + 10))
    assert [found.in_force("acme", NOON + ms).version for ms in (10, 9, 10, 0)] == [2, 1, 2, 1]


def test_the_same_version_again_replaces_the_earlier_one() -> None:
    corrected = policy("acme", 1, NOON + 5)
    found = book((policy("acme", 1), NOON), (corrected, NOON))
    assert found.in_force("acme", NOON) is DEFAULT
    assert found.in_force("acme", NOON + 5) is corrected


def test_versions_are_each_enterprises_own() -> None:
    found = book((policy("acme", 7), NOON), (policy("acme", 2), NOON), (policy("*", 9), NOON))
    assert [found.in_force(name, NOON).version for name in ("acme", "zeta", "*")] == [7, 9, 9]


moments = st.integers(0, 12)
records = st.tuples(
    st.sampled_from(["acme", "zeta", "*"]), st.integers(1, 4), moments, st.none() | moments
)
questions = st.tuples(st.sampled_from(["acme", "zeta", "other"]), moments)


@given(st.lists(st.one_of(records, questions), max_size=30))
def test_the_cache_never_changes_an_answer(
    steps: list[tuple[str, int, int, int | None] | tuple[str, int]],
) -> None:
    found = PolicyVersions(DEFAULT)
    held: dict[tuple[str, int], tuple[int, Policy]] = {}
    for step in steps:
        if len(step) == 4:
            enterprise, version, recorded_ms, effective_ms = step
            one = policy(enterprise, version, effective_ms)
            found.accept(one, recorded_ms)
            since = recorded_ms if effective_ms is None else effective_ms
            held[enterprise, version] = (since, one)
        else:
            assert found.in_force(*step) is by_the_book(held, *step)


def by_the_book(
    held: dict[tuple[str, int], tuple[int, Policy]], enterprise: str, now_ms: int
) -> Policy:
    for owner in (enterprise, "*"):
        come = {v: p for (o, v), (since, p) in held.items() if o == owner and since <= now_ms}
        if come:
            return come[max(come)]
    return DEFAULT
