from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.local_calendar import DAY_MS
from streams.core.policy import FOREVER
from streams.policy.faults import Fault, Refused, show
from streams.policy.values import (
    HOUR_MS,
    LONGEST_MS,
    MINUTE_MS,
    Form,
    choice,
    duration,
    either,
    flag,
    identifier,
    instant,
    number,
    rate_per_s,
    share,
    time_of_day,
    whole,
    zone,
)


def fault(read: Form[Any], value: object) -> str:
    with pytest.raises(Refused) as refused:
        read(value)
    return str(refused.value)


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize(
    ("written", "length_ms"),
    [
        ("1ms", 1),
        ("500ms", 500),
        ("90s", 90_000),
        ("30m", 30 * MINUTE_MS),
        ("24h", 24 * HOUR_MS),
        ("7d", 7 * DAY_MS),
        ("400d", LONGEST_MS),
        ("007d", 7 * DAY_MS),
    ],
)
def test_durations(written: str, length_ms: int) -> None:
    assert duration()(written) == length_ms


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "d",
        "7",
        "7 d",
        " 7d",
        "7d\n",
        "7D",
        "1h30m",
        "1.5h",
        "-1h",
        "+1h",
        "1w",
        "\N{ARABIC-INDIC DIGIT SEVEN}d",
        7,
        7.0,
        True,
        None,
        ["7d"],
        {"d": 7},
        "9" * 5000 + "d",
    ],
)
def test_what_is_no_duration(wrong: object) -> None:
    assert "is not a duration" in fault(duration(), wrong)


@pytest.mark.rule("R9.9")
def test_a_duration_has_exact_bounds() -> None:
    within = duration(least_ms=1_000, most_ms=DAY_MS)
    assert (within("1s"), within("1d")) == (1_000, DAY_MS)
    assert "too short" in fault(within, "999ms")
    assert "too long; the most is 1d" in fault(within, "86400001ms")
    assert duration(least_ms=0)("0s") == 0
    assert "too long; the most is 400d" in fault(duration(), "34560000001ms")


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("0.3%", 0.003),
        ("97.5%", 0.975),
        ("0.07%", 0.0007),
        ("0.01%", 0.0001),
        ("1%", 0.01),
        (0.003, 0.003),
        ("0.000000000001%", 1e-14),
    ],
)
def test_shares_are_the_nearest_float(written: object, part: float) -> None:
    assert share()(written) == part


def test_shares_include_the_ends_only_where_allowed() -> None:
    assert [share(zero=True)(nothing) for nothing in ("0%", "0.00%", 0, 0.0)] == [0.0] * 4
    assert [share(full=True)(everything) for everything in ("100%", 1, 1.0)] == [1.0] * 3
    for end in ("0%", 0, "100%", 1):
        assert "out of range" in fault(share(), end)
    for beyond in ("100.1%", 1.001, -0.001, 2):
        assert "out of range" in fault(share(zero=True, full=True), beyond)


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "%",
        "3 %",
        "-1%",
        "+1%",
        ".5%",
        "1.%",
        "1e-3%",
        "0.003",
        True,
        None,
        [],
        math.nan,
        math.inf,
        -math.inf,
        2**70,
        "1000%",
        "1%\n",
    ],
)
def test_what_is_no_share(wrong: object) -> None:
    assert "is not a share" in fault(share(zero=True, full=True), wrong)


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize(
    ("written", "per_s"), [("10/s", 10), ("30/m", 0.5), ("0/s", 0), ("0.5/s", 0.5), ("1/m", 1 / 60)]
)
def test_rates(written: str, per_s: float) -> None:
    assert rate_per_s()(written) == per_s


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize("wrong", ["10", "10/h", "10 /s", "-1/s", "/s", 10, None, "1e3/s", "1/s\n"])
def test_what_is_no_rate(wrong: object) -> None:
    assert "is not a rate" in fault(rate_per_s(), wrong)


def test_a_rate_has_an_exact_bound() -> None:
    assert rate_per_s(most_per_s=10)("600/m") == 10
    assert "too fast; the most is 10/s" in fault(rate_per_s(most_per_s=10), "601/m")


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize(
    ("written", "after_midnight_ms"),
    [
        ("00:00", 0),
        ("08:30", 8 * HOUR_MS + 30 * MINUTE_MS),
        ("21:30:15", 21 * HOUR_MS + 30 * MINUTE_MS + 15_000),
        ("23:59:59", DAY_MS - 1_000),
    ],
)
def test_times_of_day(written: str, after_midnight_ms: int) -> None:
    assert time_of_day(written) == after_midnight_ms


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize(
    "wrong", ["24:00", "8:30", "08:60", "08:30:60", "0830", "off", "08:30\n", True, None, []]
)
def test_what_is_no_time_of_day(wrong: object) -> None:
    assert "is not a time of day" in fault(time_of_day, wrong)


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize("sexagesimal", [1290, 77415, 0, 21.5])
def test_a_time_of_day_without_quotes_says_what_to_do(sexagesimal: float) -> None:
    assert "put the time in quotes" in fault(time_of_day, sexagesimal)


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize(
    ("written", "utc_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T08:00:00.001+08:00", 1),
        ("2026-11-22T02:00:00.123456Z", 1_795_312_800_123),
        ("2026-11-21T16:00:00-10:00", 1_795_312_800_000),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000),
        (None, None),
    ],
)
def test_instants(written: object, utc_ms: int | None) -> None:
    assert instant(written) == utc_ms


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "2026-11-22",
        "2026-11-22T02:00:00",
        "2026-11-22 02:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-22T02:00:60Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T02:00:00+0800",
        0,
        True,
        "20261122T020000Z",
        "2026-11-22T02:00:00+99:00",
    ],
)
def test_what_is_no_instant(wrong: object) -> None:
    assert "is not an RFC 3339 time" in fault(instant, wrong)


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize("name", ["UTC", "Asia/Shanghai", "America/Argentina/Buenos_Aires"])
def test_time_zones(name: str) -> None:
    assert zone(name) == name


@pytest.mark.rule("R9.9")
@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "asia/shanghai?",
        "Asia",
        "Asia/",
        "../etc/passwd",
        "/etc/localtime",
        *("localtime", "posixrules", "Factory", "right/UTC", "posix/UTC", "utc"),
        "+08:00",
        "a\x00b",
        "Mars/Olympus",
        8,
        None,
        [],
        "é" * 300,
    ],
)
def test_what_is_no_time_zone(wrong: object) -> None:
    assert "is not an IANA time zone" in fault(zone, wrong)


@pytest.mark.rule("R9.13")
@pytest.mark.parametrize(
    ("wrong", "offered"),
    [
        ("Asia/Shanghia", "Asia/Shanghai"),
        ("asia/shanghai", "Asia/Shanghai"),
        ("ASIA/SHANGHAI", "Asia/Shanghai"),
        ("America/new_york", "America/New_York"),
        ("US/Estern", "US/Eastern"),
        ("utc", "UTC"),
        ("etc/gmt+8", "Etc/GMT+8"),
    ],
)
def test_a_time_zone_that_must_be_the_one_meant_is_offered(wrong: str, offered: str) -> None:
    assert fault(zone, wrong).endswith(f"did you mean `{offered}`?")


@pytest.mark.rule("R9.13")
@pytest.mark.parametrize(
    "wrong",
    [
        *("CST", "GMT+8", "GMT-5", "UTC+8", "BST", "IST", "EDT", "PDT", "AEST", "Etc/GMT+15"),
        *("Etc/Unknown", "Olympus Mons", "Asia/Beijing", "China/Shanghai", "localtime", "Asia/"),
    ],
)
def test_a_time_zone_that_may_be_hours_off_is_not_offered(wrong: str) -> None:
    assert "did you mean" not in fault(zone, wrong)


def test_whole_numbers_are_nothing_else() -> None:
    assert [whole(1, 3)(n) for n in (1, 2, 3)] == [1, 2, 3]
    for beyond in (0, 4, -(2**80), 10**5_000):
        assert "out of range: from 1 to 3" in fault(whole(1, 3), beyond)
    wrongs: tuple[object, ...] = (True, 1.0, "1", None, [], math.nan)
    for wrong in wrongs:
        assert "is not a whole number" in fault(whole(0, 3), wrong)


def test_numbers_are_finite() -> None:
    assert [number(1, 2)(n) for n in (1, 1.5, 2)] == [1.0, 1.5, 2.0]
    for beyond in (0.999, 2.001, -1):
        assert "out of range: from 1 to 2" in fault(number(1, 2), beyond)
    wrongs: tuple[object, ...] = (True, math.nan, math.inf, "1", None, 2**70)
    for wrong in wrongs:
        assert "is not a number" in fault(number(1, 2), wrong)


def test_flags_are_nothing_that_looks_like_one() -> None:
    assert (flag(value=True), flag(value=False)) == (True, False)
    wrongs: tuple[object, ...] = (0, 1, "true", "yes", None)
    for wrong in wrongs:
        assert "neither true nor false" in fault(flag, wrong)


def test_identifiers_are_the_contracts() -> None:
    longest = "aZ09_-.:@=" + "x" * 118
    assert identifier(longest) == longest
    for wrong in ("", longest + "x", "a/b", "a b", "é", "a\n"):
        assert "1 to 128 of letters" in fault(identifier, wrong)
    assert "put it in quotes" in fault(identifier, 17)


def test_words_are_case_sensitive_and_the_nearest_is_offered() -> None:
    assert choice({"day": 1, "week": 2})("week") == 2
    assert fault(choice({"day": 1, "week": 2}), "Week").endswith("did you mean `week`?")
    assert fault(choice({"day": 1}), ["day"]) == "a list is not one of day"


def test_a_word_instead_of_another_value() -> None:
    pause = either("off", FOREVER, duration())
    assert (pause("off"), pause("3h")) == (FOREVER, 3 * HOUR_MS)
    assert 'put "off" in quotes' in fault(pause, False)  # noqa: FBT003 - what YAML makes of it
    assert fault(pause, "Off").endswith("or `off`")


@pytest.mark.parametrize(
    ("path", "steps", "seen"),
    [
        ("", ["windows"], "windows"),
        ("", [2, "windows"], "windows[2]"),
        ("rolling", [2, "windows"], "windows[2].rolling"),
        ("[1]", ["kinds", 0], "[0].kinds[1]"),
    ],
)
def test_paths_grow_from_below(path: str, steps: list[str | int], seen: str) -> None:
    fault = Fault(path, "is wrong")
    for step in steps:
        fault = fault.below(step)
    assert str(fault) == f"{seen}: is wrong"


def test_a_fault_of_the_whole_document_has_no_path() -> None:
    assert str(Fault("", "must be a mapping")) == "must be a mapping"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_a_shown_value_is_one_short_line(value: object) -> None:
    shown = show(value)
    assert shown.isprintable()
    assert 0 < len(shown) < 60
