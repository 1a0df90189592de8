"""Section 5: what is too early is held, goes at its moment, and ends at its deadline."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from streams.core.kinds import Kind
from streams.core.policy import Calendar, QuietHours, Silence
from tests.flows.table import TWO_A_DAY
from tests.flows.world import DriverWorld
from tests.unit.core.person import (
    DAY,
    DISTURBING,
    HOUR,
    MARKETING,
    MINUTE,
    NOON,
    Person,
    calendar,
    deadline,
    outcomes,
    policy,
    rolling,
)

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
    assert [(s.request.intent_id, s.verdict.outcome) for s in settled] == [
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


# --- a burst --------------------------------------------------------------------------------------

MORNING: dict[str, Any] = {"kinds": ["direct"], "from": "09:00", "to": "12:00"}


def sent(scene: Scene) -> list[str]:
    return [message["intent_id"] for message in scene.sent("direct")]


@pytest.mark.rule("R5.8")
def test_a_burst_keeps_order_by_priority_over_customers(told: Callable[..., Scene]) -> None:
    scene = told(DriverWorld(1), windows=[], quiet_hours=MORNING)
    for name, customer, priority in (
        ("a90", "ann", 90),
        ("a10", "ann", 10),
        ("b50", "bob", 50),
        ("b5", "bob", 5),
        ("c70", "cai", 70),
    ):
        scene.ask(name, customer, priority=priority)
    scene.at("2h")
    assert sent(scene) == ["a90", "c70", "b50", "a10", "b5"]
    assert {m["decided_at_ms"] for m in scene.sent("direct")} == {scene.start_ms + 2 * HOUR}


@pytest.mark.rule("R5.8")
def test_a_burst_of_one_priority_keeps_order_by_age_over_customers(
    told: Callable[..., Scene],
) -> None:
    scene = told(DriverWorld(1), windows=[], quiet_hours=MORNING)
    for number, customer in enumerate(("ann", "bob", "ann", "ann", "bob")):
        scene.at(f"{number + 1}s")
        scene.ask(f"{number}", customer)
    scene.at("2h")
    assert sent(scene) == ["0", "1", "2", "3", "4"]


@pytest.mark.rule("R5.8")
@pytest.mark.parametrize("a_batch", [1, 3, 7, 2_000])
def test_a_burst_keeps_order_however_few_timers_a_batch_takes(
    told: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch, a_batch: int
) -> None:
    monkeypatch.setattr("streams.runtime.batch.MAX_TIMERS", a_batch)
    scene = told(DriverWorld(1), windows=[], quiet_hours=MORNING, max_held=150)
    chance = random.Random(5)
    asked = [(chance.randrange(101), number) for number in range(60)]
    for priority, number in asked:
        scene.at(f"{number + 1}s")
        scene.ask(f"{number}", f"c{chance.randrange(7)}", priority=priority)
    scene.at("2h")
    urgent = sorted(asked, key=lambda one: (-one[0], one[1]))
    assert sent(scene) == [str(number) for _, number in urgent]


@pytest.mark.rule("R5.8", "R5.4")
def test_equals_of_one_millisecond_all_have_their_turn(told: Callable[..., Scene]) -> None:
    """Their timers have the same time and the same name: the one that fired must be set anew."""
    scene = told(DriverWorld(1), windows=[], quiet_hours=MORNING)
    for number in range(3):
        scene.ask(f"{number}", "ann")
    scene.at("2h")
    assert sent(scene) == ["0", "1", "2"]
    assert scene.world.driver.state("customer", 0).timers == 0  # type: ignore[attr-defined]


@pytest.mark.rule("R5.7", "R5.8")
def test_after_a_stop_the_most_urgent_goes_first_whenever_its_time_came(
    told: Callable[..., Scene],
) -> None:
    """The timer that fired is that of the first due, and it is not that one's turn yet."""
    world = DriverWorld(1)
    scene = told(world, windows=[{**TWO_A_DAY, "id": "w", "limit": 2, "rolling": "1h"}])
    scene.ask("low", "ann", priority=10, not_before_ms=scene.start_ms + HOUR)
    scene.ask("high", "ann", priority=90, not_before_ms=scene.start_ms + 2 * HOUR)
    scene.ask("middle", "ann", priority=50, not_before_ms=scene.start_ms + 2 * HOUR)
    world.driver.now_ms = scene.start_ms + 3 * HOUR
    world.crash()
    scene.rest()
    assert sent(scene) == ["high", "middle"]
    assert scene.story("low")[-1].startswith("deferred window_full")
    scene.at("1d")
    assert sent(scene) == ["high", "middle", "low"]


@pytest.mark.rule("R5.12")
def test_what_is_due_goes_before_what_arrives() -> None:
    person = Person(policy(rolling(2, DAY), **deadline(7 * DAY)))
    for name, priority in (("first", 50), ("second", 10)):
        person.ask(Kind.DIRECT, intent_id=name, priority=priority, not_before_ms=NOON + HOUR)
    person.at(NOON + HOUR)
    assert outcomes(person.wake_once()) == [("first", "approved", "ok")]
    settled = person.ask_all(Kind.DIRECT, intent_id="late", priority=90)
    assert outcomes(settled) == [("second", "approved", "ok"), ("late", "deferred", "window_full")]


@pytest.mark.rule("R5.12")
def test_an_arrival_in_the_batch_of_the_timers_waits_for_all_that_is_due(
    told: Callable[..., Scene],
) -> None:
    world = DriverWorld(1)
    scene = told(world, windows=[TWO_A_DAY], quiet_hours=MORNING)
    scene.ask("due 1", "ann")
    scene.ask("due 2", "ann")
    world.driver.now_ms = scene.start_ms + 2 * HOUR
    scene.ask("new", "ann", priority=100)
    assert sent(scene) == ["due 1", "due 2"]
    assert scene.story("new", "ann")[-1].startswith("deferred window_full")


# --- too many -------------------------------------------------------------------------------------


@pytest.mark.rule("R1.7", "R5.10")
def test_what_yielded_after_a_long_wait_is_known_again() -> None:
    law = policy(rolling(1, 30 * DAY), max_held=1, remember_ms=HOUR, **deadline(20 * DAY))
    person = Person(law)
    person.delivered(person.approved(Kind.DIRECT))
    low = person.new_ask(Kind.DIRECT, priority=10)
    person.arrives(low)
    person.after(2 * HOUR).ask_all(Kind.DIRECT, priority=90)
    assert person.after(1).arrives(low)[0].verdict.outcome == "duplicate"
    assert person.after(HOUR - 2).arrives(low)[0].verdict.outcome == "duplicate"
    assert person.after(1).arrives(low)[0].verdict.reason == "too_many_held"


@pytest.mark.rule("R5.10", "R1.13", "R2.11")
@pytest.mark.parametrize(("priority", "who"), [(50, "new"), (51, "old")])
def test_who_yields_is_told_what_is_left_and_from_when_on(priority: int, who: str) -> None:
    person = Person(policy(rolling(1, DAY), max_held=1, **deadline(7 * DAY)))
    person.delivered(person.approved(Kind.DIRECT))
    person.ask(Kind.DIRECT, intent_id="old")
    settled = person.ask_all(Kind.DIRECT, intent_id="new", priority=priority, accepted_ms=NOON + 1)
    verdict = settled[-1].verdict
    assert (settled[-1].request.intent_id, verdict.reason) == (who, "too_many_held")
    assert (verdict.remaining, verdict.eligible_at_ms) == ({"w": 0}, NOON + DAY)


@pytest.mark.rule("R2.11")
def test_who_expires_is_told_what_is_left() -> None:
    person = Person(policy(rolling(1, 9 * DAY)))
    person.delivered(person.approved(Kind.DIRECT))
    person.ask(Kind.DIRECT)
    assert person.run_until(NOON + 2 * DAY)[-1][1].verdict.remaining == {"w": 0}


@pytest.mark.rule("R2.11")
def test_who_is_a_duplicate_or_cancelled_is_told_nothing_of_windows(
    told: Callable[..., Scene],
) -> None:
    scene = told(windows=[ONE_A_DAY])
    for number in ("1", "1", "2"):
        scene.ask(number)
    scene.tell_status("xiaoer", "resigned")
    scene.at("3s")
    last = [scene.decisions(number)[-1] for number in ("1", "2")]
    assert [decision["outcome"] for decision in last] == ["duplicate", "cancelled"]
    assert not any("remaining" in decision for decision in last)
