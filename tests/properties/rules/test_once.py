"""Section 1: decided once, whoever waits where; and the customer is heard wherever they wait."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest

from streams.core.customer.held import QUEUED_MOST
from streams.topics import DECISIONS
from tests.flows.accounts import CEILINGS, ONE_A_SECOND
from tests.flows.test_flows import check_balance
from tests.flows.world import DriverWorld
from tests.unit.core.person import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

ANN: Final = "annabel-17"
QUEUED: Final[dict[str, Any]] = {
    "pacing": ONE_A_SECOND | {"kinds": ["broadcast", "moment"]},
    "remember": "48h",
    "deadline": {"default": "7d"},
    "consent": {"ask_first": []},
    "suppression": {"kinds": ["broadcast"], "account": "forever", "enterprise": "30d"},
    "friends": {"required": False},
}


def ends(scene: Scene, intent: str, customer: str = ANN) -> list[str]:
    """The outcomes that ended it."""
    said = [line.split()[0] for line in scene.story(intent, customer)]
    return [outcome for outcome in said if outcome != "deferred"]


def named(world: DriverWorld, name: bytes = b"annabel") -> list[tuple[str, bytes]]:
    """Everything kept by any stage in which a name can be read."""
    found = []
    for stage in ("account", "customer"):
        for number in range(world.partitions):
            state = world.driver.state(stage, number)
            kept = [(key, state.get(key) or b"") for key in state]
            kept += [(timer, b"") for timer in state.timer_names()]
            found += [(stage, key) for key, value in kept if name in key + value]
    return found


def ledgers(world: DriverWorld) -> list[tuple[bytes, bytes]]:
    """Every value that the customer stage keeps."""
    states = [world.driver.state("customer", number) for number in range(world.partitions)]
    return [(key, state.get(key) or b"") for state in states for key in state]


def waiting(told: Callable[..., Scene], world: DriverWorld | None = None, **more: Any) -> Scene:
    """Annabel waits in the queue of a suspended account."""
    scene = told(world, **QUEUED)
    scene.hear("friend_added", ANN, initiated_by="customer", event_id="hello")
    scene.tell_status("xiaoer", "suspended")
    scene.ask("x", "bob", ANN, "carl", kind="broadcast", **more)
    scene.expect("x", "deferred account_paused", customer=ANN)
    return scene


REPEATS: Final[dict[str, tuple[str, ...]]] = {
    "the same record": ("bob", ANN, "carl"),
    "another order": ("carl", ANN, "bob"),
    "another batch": (ANN, "dora"),
    "alone": (ANN,),
}


@pytest.mark.rule("R1.16")
@pytest.mark.parametrize("names", REPEATS.values(), ids=REPEATS)
@pytest.mark.parametrize("account", ["xiaoer", "another"])
@pytest.mark.parametrize("after", ["1h", "49h", "60h"])
def test_a_repeat_of_what_waits_in_a_queue_is_a_duplicate_at_once(
    told: Callable[..., Scene], names: tuple[str, ...], account: str, after: str
) -> None:
    scene = waiting(told)
    scene.at(after)
    scene.ask("x", *names, kind="broadcast", account=account)
    scene.expect("x", "deferred account_paused", "duplicate duplicate", customer=ANN)
    scene.at("62h")
    scene.tell_status("xiaoer", "active")
    scene.at("63h")
    assert ends(scene, "x") == ["duplicate", "approved"]
    scene.at("100h")
    scene.ask("x", *names, kind="broadcast", account="xiaoer")
    scene.at("200h")
    assert ends(scene, "x") == ["duplicate", "approved", "duplicate"]
    check_balance(scene.world)  # type: ignore[arg-type]


@pytest.mark.rule("R1.16")
def test_what_was_approved_is_known_again_in_a_queue(told: Callable[..., Scene]) -> None:
    scene = told(**QUEUED)
    scene.ask("x", ANN, kind="broadcast")
    scene.expect("x", "approved ok", customer=ANN)
    scene.at("1h")
    scene.tell_status("xiaoer", "suspended")
    scene.ask("x", ANN, "bob", kind="broadcast")
    scene.expect("x", "approved ok", "duplicate duplicate", customer=ANN)
    scene.at("70h")
    scene.tell_status("xiaoer", "active")
    scene.at("80h")
    assert ends(scene, "x") == ["approved", "duplicate"]


@pytest.mark.rule("R1.16", "R1.9")
def test_a_customer_named_twice_waits_once(told: Callable[..., Scene]) -> None:
    scene = told(**QUEUED)
    scene.tell_status("xiaoer", "suspended")
    scene.ask("x", ANN, ANN, "bob", ANN, kind="broadcast")
    assert ends(scene, "x") == ["duplicate", "duplicate"]
    scene.at("1s")
    scene.tell_status("xiaoer", "active")
    scene.at("1h")
    assert ends(scene, "x") == ["duplicate", "duplicate", "approved"]
    assert len(scene.sent("broadcast")) == 2


@pytest.mark.rule("R1.16")
def test_many_intents_later_it_is_still_known(told: Callable[..., Scene]) -> None:
    scene = waiting(told)
    with scene.together():
        for number in range(4_200):
            scene.ask(f"other-{number}", f"c{number}", kind="broadcast")
    scene.ask("x", "bob", ANN, "carl", kind="broadcast")
    assert ends(scene, "x") == ["duplicate"]


@pytest.mark.rule("R1.16")
def test_a_repeat_takes_nobody_s_place_in_the_queue(told: Callable[..., Scene]) -> None:
    scene = told(**QUEUED)
    scene.tell_status("xiaoer", "suspended")
    names = [f"c{number}" for number in range(60)]
    for _ in range(3):
        scene.ask("x", *names, kind="broadcast")
    scene.ask("y", ANN, kind="broadcast")
    scene.at("1s")
    scene.tell_status("xiaoer", "active")
    scene.at("61s")
    assert ends(scene, "y") == ["approved"]
    assert len(scene.sent("broadcast")) == 61


WISHES: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "opt-out": ("consent", {"allowed": False}, "denied no_consent consent"),
    "complaint": ("complained", {}, "denied suppressed suppression"),
    "block": ("blocked", {}, "denied suppressed suppression"),
    "no friend": ("friend_removed", {}, "denied not_friend friends"),
}


@pytest.mark.rule("R4.23", "R4.6")
@pytest.mark.parametrize(("what", "more", "line"), WISHES.values(), ids=WISHES)
def test_every_wish_reaches_what_waits_in_a_queue_at_once(
    told: Callable[..., Scene], what: str, more: dict[str, Any], line: str
) -> None:
    world = DriverWorld()
    scene = waiting(told, world)
    scene.at("1h")
    scene.hear(what, ANN, **more)
    scene.expect("x", "deferred account_paused", line, customer=ANN)
    assert {stage for stage, _ in named(world)} == {"customer"}
    scene.ask("x", ANN, kind="broadcast")
    assert ends(scene, "x") == ["denied", "duplicate"]
    scene.tell_status("xiaoer", "active")
    scene.at("2h")
    assert ends(scene, "x") == ["denied", "duplicate"]
    assert ends(scene, "x", "bob") == ["approved"]
    check_balance(world)


@pytest.mark.rule("R4.23", "R4.12", "R4.13")
def test_an_erasure_reaches_what_waits_in_a_queue_at_once(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    scene = waiting(told, world)
    scene.ask("seen", ANN, "dora", kind="broadcast", account="other")
    scene.at("1h")
    assert named(world)
    scene.hear("erase", ANN)
    scene.expect("x", "deferred account_paused", "cancelled suppressed", customer=ANN)
    assert named(world) == []
    for _ in range(3):
        scene.ask("x", "bob", ANN, kind="broadcast")
        scene.ask("x", ANN, kind="broadcast", account="another")
    again = scene.story("x", ANN)[2:]
    assert again == ["denied suppressed erased"] * 6
    assert named(world) == []
    scene.tell_status("xiaoer", "active")
    scene.at("10d")
    assert scene.story("x", ANN)[2:] == again
    assert ends(scene, "x", "bob")[-1] == "approved"
    check_balance(world)


@pytest.mark.rule("R4.23")
def test_no_name_stays_in_a_queue_whose_customer_has_gone_on(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    scene = told(world, **QUEUED)
    names = [ANN, *(f"c{number}" for number in range(70))]
    scene.ask("x", *names, kind="broadcast")
    scene.at("10s")
    assert ends(scene, "x") == ["approved"]
    assert ends(scene, "x", "c69") == []
    scene.hear("erase", ANN)
    assert named(world) == []
    world.crash()
    scene.at("2m")
    assert {tuple(ends(scene, "x", name)) for name in names} == {("approved",)}


@pytest.mark.rule("R4.23")
def test_an_erasure_reaches_leave_that_is_waited_for(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    scene = told(world, **QUEUED)
    scene.ask("x", ANN, kind="broadcast", not_before_ms=world.now_ms + HOUR)
    scene.at("59m59s")
    scene.ask("y", *[f"c{number}" for number in range(9)], kind="broadcast", priority=90)
    scene.at("1h1s")
    scene.expect("x", "deferred not_yet +1h", "deferred account_pacing +1h7s", customer=ANN)
    assert {stage for stage, _ in named(world)} == {"account", "customer"}
    scene.hear("erase", ANN)
    assert scene.story("x", ANN)[2:] == ["cancelled suppressed"]
    assert named(world) == []
    scene.at("2h")
    assert len(scene.story("x", ANN)) == 3


@pytest.mark.rule("R1.17")
def test_every_change_of_a_decision_has_an_id_of_its_own(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    scene = waiting(told, world)
    with scene.together():
        for _ in range(3):
            scene.ask("x", ANN, "bob", ANN, kind="broadcast")
            scene.ask("d", ANN, "bob", kind="direct")
    world.driver.now_ms -= HOUR
    for _ in range(2):
        scene.ask("d", ANN, kind="direct")
        scene.control(scene.enterprise, action="pause")
        scene.ask("e", ANN, kind="direct")
        scene.control(scene.enterprise, action="resume")
    scene.at("2h")
    said = [orjson.loads(record.value or b"") for record in world.read(DECISIONS)]
    twice = [name for name, times in Counter(event["id"] for event in said).items() if times > 1]
    assert twice == []
    assert len(said) > 20


@pytest.mark.rule("R5.14")
def test_a_shorter_deadline_binds_what_waits_in_a_queue(told: Callable[..., Scene]) -> None:
    scene = waiting(told)
    scene.at("1h")
    scene.policy(2, **QUEUED | {"deadline": {"default": "2h"}})
    assert ends(scene, "x") == []
    scene.at("2h")
    assert ends(scene, "x") == []
    scene.at("2h1ms")
    assert scene.story("x", ANN)[-1] == "expired deadline_passed"
    scene.ask("late", ANN, kind="broadcast")
    scene.at("3h")
    scene.policy(3, **QUEUED | {"deadline": {"default": "30m"}})
    scene.at("3h1s")
    assert scene.story("late", ANN)[-1] == "expired deadline_passed"


@pytest.mark.rule("R1.18", "R1.11")
def test_a_crash_within_a_turn_changes_nobody_s_place(told: Callable[..., Scene]) -> None:
    def decided(crashes: set[int]) -> list[tuple[str, str, int]]:
        world = DriverWorld(partitions=2)
        scene = told(world, pacing=ONE_A_SECOND)
        for name in ("b-late", "a-early", "c-last"):
            for part in range(2):
                customers = [f"{name}-{part}-{number}" for number in range(60)]
                scene.ask(f"{name}-{part}", *customers, kind="broadcast", campaign_id=name)
        for second in range(0, 380, 10):
            scene.at(f"{second}s")
            if second in crashes:
                world.crash()
        sent = scene.sent("broadcast")
        return [(m["intent_id"], m["customer_id"], m["decided_at_ms"]) for m in sent]

    steady = decided(set())
    assert len(steady) == 360
    for crash in (30, 80, 170):
        assert decided({crash, 240}) == steady


CANARY: Final[dict[str, Any]] = {
    "reputation": {
        "weights": {"complaint": 1, "block": 1, "opt_out": 0.5},
        "red": {"above": "1%", "over": "7d", "from": 10, "confidence": "80%"},
        "green": {"below": "0.5%", "over": "28d", "from": 100, "confidence": "80%"},
        "hold": "3h",
    },
    "canary": {
        "kinds": ["broadcast"],
        "steps": ["50%", "100%"],
        "hold": "30m",
        "from_size": 10,
    },
    "windows": [
        {
            "id": "one",
            "kinds": ["broadcast", "moment"],
            "scope": "enterprise",
            "limit": 1,
            "rolling": "24h",
        }
    ],
    "deadline": {"default": "7d"},
}


def harmed(told: Callable[..., Scene], world: DriverWorld | None = None) -> Scene:
    """A campaign that was killed while Annabel waits for its window, and others for its stage."""
    scene = told(world, **CANARY)
    scene.ask("first", ANN, kind="moment")
    scene.receipt("delivered", "first", ANN, at="0s")
    names = [f"c{number}" for number in range(40)]
    scene.ask("all", *names, kind="broadcast", campaign_id="spring", campaign_size=40)
    scene.ask("held", ANN, kind="broadcast", campaign_id="spring", campaign_size=40)
    scene.ask("other", ANN, kind="broadcast", account="li", campaign_id="autumn", campaign_size=2)
    for message in scene.sent("broadcast"):
        about = {"decision_id": message["decision_id"]}
        customer = message["customer_id"]
        scene.hear("delivered", customer, event_id=f"d-{customer}", **about)
        scene.hear("complained", customer, event_id=f"c-{customer}", **about)
    return scene


@pytest.mark.rule("R5.15")
def test_a_killed_campaign_cancels_who_waits_wherever(told: Callable[..., Scene]) -> None:
    scene = harmed(told)
    queued = [f"c{n}" for n in range(40) if not ends(scene, "all", f"c{n}")]
    assert queued
    assert ends(scene, "held") == []
    scene.at("2h")
    assert {tuple(ends(scene, "all", name)) for name in queued} == {("cancelled",)}
    assert scene.story("held", ANN)[-1] == "cancelled campaign_paused canary"
    assert ends(scene, "other") == []


@pytest.mark.rule("R5.15")
@pytest.mark.parametrize("more", [{}, {"pacing": ONE_A_SECOND}])
def test_a_killed_campaign_goes_on_under_no_version(
    told: Callable[..., Scene], more: dict[str, Any]
) -> None:
    scene = harmed(told)
    scene.at("2h")
    scene.policy(2, deadline={"default": "7d"}, **more)
    scene.at("3h")
    scene.ask("new", ANN, "bob", kind="broadcast", campaign_id="spring")
    for customer in (ANN, "bob"):
        assert scene.story("new", customer)[-1].startswith("denied campaign_paused")
    scene.ask("autumn", "bob", kind="broadcast", campaign_id="autumn")
    assert ends(scene, "autumn", "bob") == ["approved"]


ROOM: Final[dict[str, Any]] = {
    "ceilings": CEILINGS,
    "consent": {"ask_first": []},
}


@pytest.mark.rule("R5.16")
@pytest.mark.parametrize("more", [{}, {"if_not_now": "deny"}])
def test_the_last_place_is_not_denied_for_one_that_nobody_takes(
    told: Callable[..., Scene], more: dict[str, str]
) -> None:
    scene = told(**ROOM)
    for name in ("x", "y"):
        scene.hear("friend_added", name, initiated_by="customer")
    scene.hear("consent", ANN, allowed=False)
    with scene.together():
        scene.ask("r1", ANN, kind="friend_request", **more)
        scene.ask("r2", "glad", "late", kind="friend_request", **more)
    scene.expect("r1", "denied no_consent consent", customer=ANN)
    scene.expect("r2", "approved ok", customer="glad")
    assert scene.story("r2", "late") == ["denied account_ceiling ceilings"]
    check_balance(scene.world)  # type: ignore[arg-type]


@pytest.mark.rule("R5.16")
@pytest.mark.parametrize(("more", "last"), [({}, "deferred"), ({"if_not_now": "deny"}, "denied")])
def test_the_last_add_is_not_denied_for_one_that_nobody_takes(
    told: Callable[..., Scene], more: dict[str, str], last: str
) -> None:
    scene = told(**ROOM)
    for name in ("r1", "r2"):
        scene.hear("consent", name, allowed=False)
    scene.ask("f", "r1", "r2", "glad", "glad-too", "late", kind="friend_request", **more)
    for customer in ("glad", "glad-too"):
        scene.expect("f", "approved ok", customer=customer)
    assert scene.story("f", "late") == [f"{last} daily_add_quota +14h"]
    assert scene.limits("xiaoer")["adds_today"] == 2


@pytest.mark.rule("R5.16")
def test_a_taker_s_last_place_is_not_denied_for_one_that_nobody_takes(
    told: Callable[..., Scene],
) -> None:
    window = {"id": "once", "kinds": ["transfer"], "scope": "enterprise", "limit": 1}
    scene = told(**ROOM, windows=[window | {"rolling": "90d"}])
    for name in ("x", "y"):
        scene.hear("friend_added", name, account_id="li", initiated_by="customer")
    scene.hear("transferred", ANN, account_id="a", to_account_id="b")
    with scene.together():
        scene.ask("t1", ANN, kind="transfer", account="b", to_account_id="li")
        scene.ask("t2", "glad", kind="transfer", account="b", to_account_id="li")
        scene.ask("t3", "late", kind="transfer", account="b", to_account_id="li")
    assert ends(scene, "t1") == ["denied"]
    scene.expect("t2", "approved ok", customer="glad")
    scene.expect("t3", "denied taker_at_ceiling ceilings", customer="late")


@pytest.mark.rule("R5.10")
def test_a_ledger_holds_so_much_of_what_queues_and_no_more(told: Callable[..., Scene]) -> None:
    world = DriverWorld()
    scene = told(world, **QUEUED, max_held=5)
    for number in range(QUEUED_MOST + 2):
        account = f"a{number}"
        scene.tell_status(account, "suspended")
        more = {"priority": 60} if number == QUEUED_MOST else {}
        scene.ask(f"i{number}", ANN, kind="broadcast", account=account, **more)
    assert ends(scene, "i0") == []
    assert ends(scene, f"i{QUEUED_MOST}") == []
    for yielded in (QUEUED_MOST - 1, QUEUED_MOST + 1):
        assert scene.story(f"i{yielded}", ANN)[-1] == "denied too_many_held max_held"
    check_balance(world)
    kept = {key: value for key, value in ledgers(world) if key.endswith(ANN.encode())}
    assert all(len(value) < 200_000 for value in kept.values())
    scene.ask("direct", ANN)
    scene.expect("direct", "approved ok", customer=ANN)
