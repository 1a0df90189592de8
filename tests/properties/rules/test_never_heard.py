"""Words that cannot be meant as they are: refused whole, so that what was told before stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from streams.core.kinds import KIND_NAMES
from streams.stages.customer.erasure import Erasure
from streams.stages.customer.stage import CustomerStage
from tests.flows.world import DriverWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene
    from tests.flows.world import Placed

NIGHT: Final = {"kinds": ["direct"], "from": "21:30", "to": "08:30"}

NO_TIMES: Final = [0, 1, -1, 1_795_312_800, 999_999_999_999, 253_402_300_800_000, 2**63 - 1]
"""None, seconds by mistake, microseconds and "never": none of them is a time in milliseconds."""

NO_ZONES: Final = [
    *("America/new_york", "US/Estern", "GMT-5", "CST", "Etc/Unknown", "utc", "Asia", "EST5EDT4"),
    *("localtime", "posixrules", "Factory", "right/UTC", "posix/America/New_York", "Mars/Olympus"),
    *("", "/UTC", "../UTC", "UTC ", "+08:00", "Asia/Shanghai\n"),
]


def refused(scene: Scene, placed: Placed, path: str, reason: str = "invalid") -> str:
    letter = scene.letter(placed)
    assert letter["reason"] == reason
    assert letter["error"].startswith(f"$.data.{path}: "), letter["error"]
    return str(letter["error"])


@pytest.mark.rule("R1.15")
@pytest.mark.parametrize("at_ms", NO_TIMES)
@pytest.mark.parametrize("field", ["not_before_ms", "deadline_ms"])
def test_an_intent_with_a_time_that_cannot_be(
    told: Callable[..., Scene], field: str, at_ms: int
) -> None:
    scene = told()
    time: dict[str, Any] = {field: at_ms}
    error = refused(scene, scene.ask("1", **time), field)
    assert "milliseconds are wanted" in error
    assert scene.story("1") == []


INTERACTIONS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("message_received", {}),
    ("engaged", {"action": "click"}),
    ("delivered", {"decision_id": "d"}),
    ("failed", {"decision_id": "d", "reason": "other"}),
    ("complained", {}),
    ("blocked", {}),
    ("consent", {"allowed": False}),
    ("friend_added", {"initiated_by": "customer"}),
    ("friend_refused", {}),
    ("friend_removed", {}),
    ("transferred", {"to_account_id": "other"}),
    ("transfer_failed", {"to_account_id": "other", "reason": "customer_refused"}),
    ("erase", {}),
    ("account_status", {"status": "resigned"}),
]


@pytest.mark.rule("R1.15")
@pytest.mark.parametrize(("what", "more"), INTERACTIONS, ids=[name for name, _ in INTERACTIONS])
def test_an_interaction_with_a_time_that_cannot_be(
    told: Callable[..., Scene], what: str, more: dict[str, Any]
) -> None:
    scene = told(suppression={"kinds": ["direct"], "account": "forever", "enterprise": "30d"})
    for at_ms in NO_TIMES:
        refused(scene, scene.hear(what, occurred_at_ms=at_ms, **more), "occurred_at_ms")
    scene.ask("1")
    scene.expect("1", "approved ok")


@pytest.mark.rule("R1.15")
def test_the_first_and_the_last_time_that_can_be(told: Callable[..., Scene]) -> None:
    scene = told()
    scene.hear("consent", allowed=False, occurred_at_ms=1_000_000_000_000)
    scene.ask("1", not_before_ms=1_000_000_000_000, deadline_ms=253_402_300_799_999)
    scene.expect("1", "denied no_consent consent")
    assert scene.letters() == []


@pytest.mark.rule("R1.15")
@pytest.mark.parametrize(
    ("at_ms", "says"),
    [
        (0, "`0` is in 1970: milliseconds are wanted, the least is 1000000000000; for none"),
        (1_795_312_800, "`1795312800` is in 1970: milliseconds are wanted"),
        (1_795_312_800, "this looks like seconds"),
        (1_795_312_800_123_456, "this looks like microseconds"),
        (1_795_312_800_123_456_789, "this looks like nanoseconds"),
        (2**63 - 1, "the greatest is 253402300799999"),
    ],
)
def test_what_a_time_was_taken_for_is_said(
    told: Callable[..., Scene], at_ms: int, says: str
) -> None:
    scene = told()
    assert says in refused(scene, scene.ask("1", deadline_ms=at_ms), "deadline_ms")


@pytest.mark.rule("R7.5", "R1.15")
@pytest.mark.parametrize("until_ms", [*NO_TIMES, 1_000_000_000_000])
def test_a_control_with_an_end_that_cannot_be(told: Callable[..., Scene], until_ms: int) -> None:
    scene = told()
    placed = scene.control("acme", action="pause", until_ms=until_ms)
    scene.at("1s")
    refused(scene, placed, "until_ms", "refused_control")
    scene.ask("1")
    scene.expect("1", "approved ok")


@pytest.mark.rule("R7.5")
@pytest.mark.parametrize("action", ["pause", "brake"])
def test_a_control_that_is_over_on_arrival_is_refused_and_the_one_before_it_holds(
    told: Callable[..., Scene], action: str
) -> None:
    scene = told()
    scene.control("acme", action="pause")
    placed = scene.control("acme", action=action, until_ms=scene.start_ms)
    scene.at("1s")
    assert "was over when this arrived" in refused(scene, placed, "until_ms", "refused_control")
    scene.ask("1")
    scene.expect("1", "deferred control acme")


@pytest.mark.rule("R7.5")
def test_a_control_s_last_millisecond_is_still_one(told: Callable[..., Scene]) -> None:
    scene = told()
    scene.control("acme", action="pause", until_ms=scene.start_ms + 1)
    scene.control("other", action="resume", until_ms=scene.start_ms)
    assert scene.letters() == []


@pytest.mark.rule("R4.20")
@pytest.mark.parametrize("zone", NO_ZONES)
def test_a_zone_that_is_none_is_refused_and_the_one_before_it_holds(
    told: Callable[..., Scene], zone: str
) -> None:
    scene = told(quiet_hours=NIGHT, unknown_zone="deny")
    scene.hear("consent", allowed=True, kinds=[], time_zone="America/New_York")
    scene.at("13h")  # 23:00 UTC, 18:00 in New York
    wrong = scene.hear("consent", allowed=True, kinds=[], time_zone=zone)
    refused(scene, wrong, "time_zone")
    scene.at("17h")  # 22:00 in New York
    scene.ask("1")
    scene.expect("1", "deferred quiet_hours quiet_hours +1d3h30m")


@pytest.mark.rule("R4.20")
def test_nothing_else_of_such_an_event_is_heard(told: Callable[..., Scene]) -> None:
    scene = told(consent={"ask_first": ["direct"]})
    scene.hear("consent", allowed=True, time_zone="CST")
    scene.ask("1")
    scene.expect("1", "denied no_consent consent")


@pytest.mark.rule("R4.20")
@pytest.mark.parametrize(
    ("start", "end"), [("00:00", "00:00"), ("21:30", "21:30:00"), ("08:15:30", "08:15:30")]
)
def test_hours_that_end_when_they_begin_are_refused_and_the_night_stays(
    told: Callable[..., Scene], start: str, end: str
) -> None:
    scene = told(quiet_hours=NIGHT)
    hours = {"from": start, "to": end}
    wrong = scene.hear("consent", allowed=True, kinds=[], quiet_hours=hours)
    assert 'write "off" for none' in refused(scene, wrong, "quiet_hours.to")
    scene.at("12h")
    scene.ask("1")
    scene.expect("1", "deferred quiet_hours quiet_hours +22h30m")
    scene.hear("consent", allowed=True, kinds=[], quiet_hours="off")
    assert scene.story("1")[-1] == "approved ok"


@pytest.mark.rule("R4.22")
@pytest.mark.parametrize("kind", [k for k in KIND_NAMES if k not in {"reply", "transfer"}])
def test_an_opt_out_binds_under_a_policy_that_says_nothing_of_consent(
    told: Callable[..., Scene], kind: str
) -> None:
    scene = told()
    scene.hear("consent", allowed=False, kinds=[kind])
    scene.ask("1", kind=kind)
    scene.expect("1", "denied no_consent consent")
    scene.at("1s")
    scene.hear("consent", allowed=True, kinds=[kind])
    scene.ask("2", kind=kind)
    scene.expect("2", "approved ok")


@pytest.mark.rule("R4.22")
def test_such_an_opt_out_ends_what_is_held_and_lets_replies_pass(
    told: Callable[..., Scene],
) -> None:
    scene = told()
    scene.ask("held", not_before_ms=scene.start_ms + 3_600_000)
    scene.hear("consent", allowed=False)
    assert scene.story("held")[-1] == "denied no_consent consent"
    scene.ask("1", kind="reply")
    scene.expect("1", "approved ok")
    scene.ask("2", kind="transfer", to_account_id="other")
    scene.expect("2", "approved ok")


BESIDE_A_NO: Final[list[dict[str, Any]]] = [
    {"time_zone": "America/new_york"},
    {"time_zone": "GMT 8"},
    {"time_zone": 8},
    {"quiet_hours": {"from": "21:30", "to": "21:30"}},
    {"quiet_hours": {"from": "9:30 pm"}},
    {"quiet_hours": "none"},
    {"decision_id": ""},
    {"account_id": "a b"},
    {"kinds": ["sms", "direct", "Direct", 7]},
    {"kinds": None},
    {"time_zone": "CST", "quiet_hours": [], "decision_id": 7, "account_id": None},
]


@pytest.mark.rule("R4.27")
@pytest.mark.parametrize("wrong", BESIDE_A_NO)
def test_a_no_is_heard_whatever_is_wrong_beside_it(
    told: Callable[..., Scene], wrong: dict[str, Any]
) -> None:
    scene = told(quiet_hours=NIGHT)
    scene.hear("consent", allowed=True, kinds=[], time_zone="America/New_York")
    scene.ask("held", not_before_ms=scene.start_ms + 3_600_000)
    words: dict[str, Any] = {"allowed": False, "kinds": ["direct"]} | wrong
    placed = scene.hear("consent", **words)
    assert scene.letter(placed)["error"].endswith("; the no in it is heard")
    assert scene.story("held")[-1] == "denied no_consent consent"
    scene.at("17h")  # 22:00 in New York
    scene.hear("consent", allowed=True, kinds=["direct"])
    scene.ask("1")
    scene.expect("1", "deferred quiet_hours quiet_hours +1d3h30m")


@pytest.mark.rule("R4.27")
@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": ["sms"]},
        {"kinds": []},
        {"kinds": "direct"},
        {"occurred_at_ms": 1_795_312_800},
        {"allowed": "no"},
        {"allowed": True, "kinds": ["direct", "sms"]},
        {"allowed": True, "kinds": None},
    ],
)
def test_a_no_to_nobody_knows_what_is_none(
    told: Callable[..., Scene], wrong: dict[str, Any]
) -> None:
    scene = told()
    words: dict[str, Any] = {"allowed": False, "time_zone": "CST"} | wrong
    placed = scene.hear("consent", **words)
    assert not scene.letter(placed)["error"].endswith("is heard")
    scene.ask("1")
    scene.expect("1", "approved ok")


@pytest.mark.rule("R4.27")
def test_a_no_that_came_to_a_wrong_partition_is_heard_and_refused_once(
    told: Callable[..., Scene],
) -> None:
    scene = told()
    value = scene.interaction("consent", allowed=False, time_zone="CST")
    for partition in range(8):
        scene.put("interactions", None, value, partition)
    assert len(scene.letters()) == 8
    scene.ask("1")
    scene.expect("1", "denied no_consent consent")


@pytest.mark.rule("R4.27")
@pytest.mark.parametrize("what", ["complained", "blocked", "erase"])
def test_what_else_is_a_no_is_heard_as_well(told: Callable[..., Scene], what: str) -> None:
    scene = told(suppression={"kinds": ["direct"], "account": "forever", "enterprise": "30d"})
    wrong = {"account_id": ""} if what == "erase" else {"decision_id": ""}
    placed = scene.hear(what, **wrong)
    assert scene.letter(placed)["error"].endswith("; the no in it is heard")
    scene.ask("1")
    assert scene.story("1")[0].startswith(("denied suppressed", "denied not_friend"))


@pytest.mark.rule("R4.14", "R4.27")
def test_an_erasure_that_cannot_be_heard_is_refused_once(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    stage = next(s for s in world.stages if isinstance(s, CustomerStage))
    stage.context = stage.context._replace(erasure=Erasure(None))
    letter = (scene := told(world)).letter(scene.hear("erase", account_id=""))
    assert "DECORUM_SUPPRESSION_KEY" in letter["error"]


@pytest.mark.rule("R4.27")
def test_who_is_complained_of_must_be_right(told: Callable[..., Scene]) -> None:
    scene = told(suppression={"kinds": ["direct"], "account": "forever", "enterprise": "30d"})
    placed = scene.hear("complained", account_id="", decision_id="")
    assert not scene.letter(placed)["error"].endswith("is heard")
    scene.ask("1")
    scene.expect("1", "approved ok")


@pytest.mark.rule("R4.27")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"source"', b'"time":"yesterday","source"'),
        (b'"source"', b'"subject":"","source"'),
        (b'"kinds"', b'"x":1' + b"0" * 40 + b',"time_zone":"CST","kinds"'),
    ],
)
def test_a_no_in_an_odd_envelope(told: Callable[..., Scene], old: bytes, new: bytes) -> None:
    scene = told()
    value = scene.interaction("consent", allowed=False, kinds=["direct"]).replace(old, new)
    placed = scene.put("interactions", b"acme/ann", value)
    assert scene.letter(placed)["error"].endswith("; the no in it is heard")
    scene.ask("1")
    scene.expect("1", "denied no_consent consent")


@pytest.mark.rule("R4.27")
@pytest.mark.parametrize(
    "twice", [b'"type":"decorum.engaged.v1",', b'"specversion":1,', b'"data":{"allowed":1},']
)
def test_what_says_two_things_says_no_no(told: Callable[..., Scene], twice: bytes) -> None:
    scene = told()
    value = scene.interaction("consent", allowed=False)
    placed = scene.put("interactions", b"acme/ann", value.replace(b"{", b"{" + twice, 1))
    assert not scene.letter(placed)["error"].endswith("is heard")
    scene.ask("1")
    scene.expect("1", "approved ok")


@pytest.mark.rule("R4.27")
@pytest.mark.parametrize("odd", [b"[]", b"{}", b"null", b"7", b'"decorum.consent"'])
def test_an_event_of_no_type_says_no_no(told: Callable[..., Scene], odd: bytes) -> None:
    scene = told()
    value = scene.interaction("consent", allowed=False).replace(b'"decorum.consent.v1"', odd)
    assert odd in value
    placed = scene.put("interactions", b"acme/ann", value)
    assert not scene.letter(placed)["error"].endswith("is heard")
