from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.kinds import Kind
from streams.core.policy import Scope, Window
from streams.policy.parse import parse_policy
from streams.policy.windows import MOST_WINDOWS

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUR_MS: Final = 3_600_000
KINDS: Final = (Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT)


def faults_of(*rules: dict[str, object]) -> list[tuple[str, str]]:
    named = [
        {"id": f"rule-{number}", "scope": "account", **rule} for number, rule in enumerate(rules)
    ]
    document = {"policy": "sample", "version": 1, "enterprise": "acme", "windows": named}
    return [(fault.path, fault.message) for fault in parse_policy(document)[1]]


def covered(*rules: dict[str, object]) -> list[str]:
    told = faults_of(*rules)
    assert all("always denies first" in message for _, message in told)
    return [path for path, _ in told]


DIRECT: Final[dict[str, object]] = {"kinds": ["direct"], "limit": 3, "rolling": "24h"}
BOTH: Final[dict[str, object]] = DIRECT | {"kinds": ["direct", "broadcast"]}
MONTHLY: Final[dict[str, object]] = {
    "kinds": ["moment"],
    "limit": "days_in_month",
    "calendar": "month",
}


@pytest.mark.rule("R9.3")
def test_a_rule_is_covered_by_a_like_one_over_more_kinds() -> None:
    assert covered(BOTH, DIRECT) == ["windows[1]"]
    assert covered(DIRECT, BOTH) == ["windows[0]"]


@pytest.mark.rule("R9.3")
def test_a_rule_is_covered_by_a_like_one_over_a_longer_time() -> None:
    assert covered(DIRECT, DIRECT | {"rolling": "25h"}) == ["windows[0]"]


@pytest.mark.rule("R9.3")
def test_a_lower_limit_still_binds() -> None:
    assert covered(BOTH, DIRECT | {"limit": 2}) == []


def test_of_two_equal_rules_the_later_is_named_once() -> None:
    assert covered(DIRECT, DIRECT, DIRECT) == ["windows[1]", "windows[2]"]


@pytest.mark.rule("R9.3")
def test_other_scopes_prove_nothing() -> None:
    for scope, other in product(["enterprise", "account"], repeat=2):
        rules = (BOTH | {"scope": scope}, DIRECT | {"scope": other})
        assert bool(covered(*rules)) is (scope == other)


def test_shadows_neither_cover_nor_are_covered() -> None:
    assert covered(BOTH | {"shadow": True}, DIRECT) == []
    assert covered(BOTH, DIRECT | {"shadow": True}) == []


def test_a_gap_that_no_other_rule_keeps_still_binds() -> None:
    assert covered(BOTH, DIRECT | {"min_gap": "2h"}) == []
    assert covered(BOTH | {"min_gap": "1h"}, DIRECT | {"min_gap": "2h"}) == []
    assert covered(BOTH | {"min_gap": "2h"}, DIRECT | {"min_gap": "2h"}) == ["windows[1]"]


def test_slots_kept_back_lower_a_limit_for_the_rest() -> None:
    kept = {"reserve": {"slots": 1, "priority": 80}}
    assert covered(BOTH, DIRECT | kept) == []
    assert covered(BOTH, DIRECT | {"limit": 4} | kept) == ["windows[1]"]
    # What the wider rule keeps back it gives to the urgent, who reach it at its full limit.
    assert covered(BOTH | kept, DIRECT) == ["windows[1]"]
    assert covered(BOTH | kept, DIRECT | {"limit": 2}) == []


def test_a_day_lies_in_one_week_and_one_month_but_a_week_not_in_one_month() -> None:
    def rule(period: str) -> dict[str, object]:
        return {"kinds": ["moment"], "limit": 2, "calendar": period}

    assert covered(rule("week"), rule("day")) == ["windows[1]"]
    assert covered(rule("month"), rule("day")) == ["windows[1]"]
    assert covered(rule("month"), rule("week")) == []
    assert covered(rule("week"), rule("month")) == []


def test_limits_that_only_add_up_prove_nothing() -> None:
    # Two a day are at most fourteen a week, but a late delivery counts on another day.
    day: dict[str, object] = {"kinds": ["moment"], "limit": 2, "calendar": "day"}
    assert covered(day, day | {"limit": 14, "calendar": "week"}) == []


def test_rolling_and_calendar_prove_nothing_about_each_other() -> None:
    assert covered({"kinds": ["moment"], "limit": 1, "rolling": "40d"}, MONTHLY) == []


def test_a_month_has_28_to_31_days() -> None:
    assert covered(MONTHLY, MONTHLY) == ["windows[1]"]
    assert covered(MONTHLY, MONTHLY | {"limit": 30}) == []
    assert covered(MONTHLY, MONTHLY | {"limit": 31}) == ["windows[1]"]
    assert covered(MONTHLY | {"limit": 28}, MONTHLY) == ["windows[1]"]
    assert covered(MONTHLY | {"limit": 29}, MONTHLY) == []


def test_days_in_month_may_not_keep_back_more_than_february_has() -> None:
    def keeping(slots: int) -> dict[str, object]:
        return MONTHLY | {"reserve": {"slots": slots, "priority": 1}}

    assert faults_of(keeping(28)) == []
    assert [path for path, _ in faults_of(keeping(29))] == ["windows[0].reserve.slots"]


def test_so_many_windows_and_no_more() -> None:
    rules = [DIRECT | {"limit": n, "rolling": f"{n}h"} for n in range(1, MOST_WINDOWS + 2)]
    assert faults_of(*rules[:-1]) == []
    assert [path for path, _ in faults_of(*rules)] == ["windows"]


def test_limits_at_their_bounds() -> None:
    assert faults_of(DIRECT | {"limit": 1_000}) == []
    for limit in (0, 1_001, -1, 2.0, True, "3", None):
        assert [path for path, _ in faults_of(DIRECT | {"limit": limit})] == ["windows[0].limit"]


rolling_rules = st.fixed_dictionaries(
    {
        "kinds": st.sets(st.sampled_from(["direct", "broadcast", "moment"]), min_size=1).map(
            sorted
        ),
        "limit": st.integers(1, 4),
        "rolling": st.integers(1, 4).map("{}h".format),
    },
    optional={"min_gap": st.integers(1, 4).map("{}h".format)},
)
contacts = st.lists(st.tuples(st.integers(0, 8), st.sampled_from(KINDS)), max_size=8)


def allows(rule: dict[str, object], log: Iterable[tuple[int, Kind]], at_h: int) -> bool:
    """The rule by the book: count what is younger than its window, and keep its gap."""
    window = window_of(rule)
    under = [hour * HOUR_MS for hour, kind in log if window.kinds >> kind & 1]
    counted = sum(hour_ms > at_h * HOUR_MS - (window.rolling_ms or 0) for hour_ms in under)
    gap = all(at_h * HOUR_MS >= hour_ms + window.min_gap_ms for hour_ms in under)
    return counted < (window.limit or 0) and gap


def window_of(rule: dict[str, object]) -> Window:
    named = {"id": "a", "scope": "account", **rule}
    document = {"policy": "sample", "version": 1, "enterprise": "acme", "windows": [named]}
    policy, _ = parse_policy(document)
    assert policy is not None
    assert policy.windows[0].scope is Scope.ACCOUNT
    return policy.windows[0]


@pytest.mark.rule("R9.3")
@settings(max_examples=400)  # about one pair in six is a covered one
@given(rolling_rules, rolling_rules, contacts, st.integers(0, 9))
def test_a_rule_called_covered_never_decides(
    wide: dict[str, object],
    narrow: dict[str, object],
    log: list[tuple[int, Kind]],
    at_h: int,
) -> None:
    if "windows[1]" in covered(wide, narrow):
        assert allows(narrow, log, at_h) or not allows(wide, log, at_h)
