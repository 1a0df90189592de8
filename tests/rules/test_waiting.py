"""Section 5: what is too early is held, goes at its moment, and ends at its deadline."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from streams.core.kinds import Kind
from streams.core.policy import Calendar, QuietHours, Silence
from tests.core.person import (
    DAY,
    DISTURBING,
    HOUR,
    MARKETING,
    MINUTE,
    NOON,
    Person,
    calendar,
    deadline,
    policy,
    rolling,
)
from tests.flows.table import TWO_A_DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.policy import Policy
    from tests.flows.scene import Scene

ONE_A_DAY: dict[str, Any] = {**TWO_A_DAY, "limit": 1}
NIGHT = QuietHours(kinds=DISTURBING, from_ms=22 * HOUR, to_ms=8 * HOUR)
SILENCE = Silence(kinds=MARKETING, ignored=2, first_ms=2 * DAY, factor=2.0, longest_ms=9 * DAY)

LAWS = [
    policy(rolling(2, 7 * HOUR, min_gap_ms=5 * HOUR), quiet_hours=NIGHT),
    policy(rolling(1, 20 * HOUR, id="r"), calendar(1, Calendar.DAY, id="d"), quiet_hours=NIGHT),
    policy(calendar(2, Calendar.WEEK), silence=SILENCE, quiet_hours=NIGHT),
    policy(rolling(2, 3 * DAY, reserve_slots=1, reserve_priority=80), silence=SILENCE),
]


@pytest.mark.rule("R5.3")
@pytest.mark.parametrize("law", LAWS, ids=["gap", "calendar", "silence", "reserve"])
def test_not_one_millisecond_before_the_earliest_time_is_legal_and_that_one_is(law: Policy) -> None:
    """Over ten days: at each earliest time told, one millisecond before it and half-way to it."""
    person, told = Person(law), 0
    while person.now_ms < NOON + 10 * DAY:
        verdict = person.ask(Kind.DIRECT, deny=True)
        if verdict.outcome == "approved":
            person.delivered(f"i{person._count}")
            person.after(MINUTE)
            continue
        from_ms, legal_ms = person.now_ms, verdict.eligible_at_ms
        assert legal_ms is not None
        assert legal_ms > from_ms
        for at_ms in ((from_ms + legal_ms) // 2, legal_ms - 1):
            again = person.at(at_ms).ask(Kind.DIRECT, deny=True)
            assert (again.outcome, again.eligible_at_ms) == ("denied", legal_ms)
        person.at(legal_ms)
        told += 1
    assert told >= 3


@pytest.mark.rule("R5.2")
def test_what_would_be_held_is_denied_to_who_wants_no_late_answer(
    told: Callable[..., Scene],
) -> None:
    scene = told(windows=[ONE_A_DAY], validity={"direct": "1h"})
    scene.ask("1")
    scene.ask("held")
    scene.ask("denied", if_not_now="deny")
    scene.expect("held", "deferred window_full two-a-day +1d1h")
    scene.expect("denied", "denied window_full two-a-day +1d1h")


@pytest.mark.rule("R5.5", "R9.10")
def test_a_looser_version_releases_what_is_held_at_the_moment_it_comes(
    told: Callable[..., Scene],
) -> None:
    scene = told(windows=[ONE_A_DAY])
    scene.ask("1")
    scene.ask("2")
    moment = datetime.fromtimestamp((scene.start_ms + 2 * HOUR) / 1000, UTC)
    effective = moment.isoformat().replace("+00:00", "Z")
    scene.policy(2, effective_at=effective, windows=[TWO_A_DAY])
    scene.at("1h59m59s999ms")
    assert scene.story("2")[-1].startswith("deferred")
    scene.at("2h1s")
    assert scene.story("2")[-1] == "approved ok"
    assert scene.decisions("2")[-1]["policy_version"] == 2
    assert scene.decisions("2")[-1]["decided_at_ms"] >= scene.start_ms + 2 * HOUR


@pytest.mark.rule("R5.5")
def test_held_is_silent_while_nothing_it_said_changes(told: Callable[..., Scene]) -> None:
    scene = told(windows=[ONE_A_DAY])
    scene.ask("1")
    scene.ask("2")
    for event in ("engaged", "friend_added", "message_received"):
        scene.at("1h")
        more = {"engaged": {"action": "view"}, "friend_added": {"initiated_by": "customer"}}
        scene.hear(event, **more.get(event, {}))
    scene.control("acme/account/other", action="pause")
    scene.at("2h")
    assert len(scene.decisions("2")) == 1


@pytest.mark.rule("R5.7")
def test_a_deadline_that_passed_during_a_stop_is_kept_by_the_clock_of_then() -> None:
    person = Person(policy(rolling(1, DAY), **deadline(30 * DAY)))
    person.delivered(person.approved(Kind.DIRECT))
    person.ask(Kind.DIRECT, intent_id="missed", deadline_ms=NOON + DAY)
    person.ask(Kind.DIRECT, intent_id="in time", deadline_ms=NOON + DAY + 1)
    settled = person.at(NOON + DAY + 1).wake()
    assert [(s.ask.intent_id, s.verdict.outcome) for s in settled] == [
        ("missed", "expired"),
        ("in time", "approved"),
    ]
    assert settled[1].verdict.send_by_ms == NOON + DAY + 1


@pytest.mark.rule("R5.9")
def test_slots_kept_for_the_urgent_are_theirs_to_the_last() -> None:
    person = Person(policy(rolling(3, DAY, reserve_slots=2, reserve_priority=80)))
    assert person.ask(Kind.DIRECT, priority=79).remaining == {"w": 2}
    assert person.ask(Kind.DIRECT, priority=79, deny=True).reason == "slot_reserved"
    assert person.ask(Kind.DIRECT, priority=80).remaining == {"w": 1}
    assert person.ask(Kind.DIRECT, priority=100).remaining == {"w": 0}
    assert person.ask(Kind.DIRECT, priority=100, deny=True).reason == "window_full"


@pytest.mark.rule("R5.11")
@pytest.mark.parametrize(("late_ms", "outcome"), [(0, "approved"), (1, "expired")])
def test_a_deadline_is_the_last_millisecond_in_time(late_ms: int, outcome: str) -> None:
    person = Person(policy(), NOON + late_ms)
    assert person.ask(Kind.DIRECT, deadline_ms=NOON).outcome == outcome
