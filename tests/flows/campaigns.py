"""Flows of campaigns: their stages, their sizes, and the harm they do."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.flows.table import flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene

KINDS: Final = ["broadcast", "moment"]
CANARY: Final = {
    "kinds": KINDS,
    "steps": ["20%", "50%", "100%"],
    "hold": "30m",
    "from_size": 100,
}
REPUTATION: Final = {
    "red": {"above": "10%", "over": "7d", "from": 5, "confidence": "80%"},
    "green": {"below": "5%", "over": "28d", "from": 50, "confidence": "80%"},
    "hold": "24h",
}
STOPPED: Final = {
    "kinds": KINDS,
    **dict.fromkeys(("new", "amber", "red"), "0/s"),
    "green": "1/s",
    "burst": "1s",
}
LARGE: Final[dict[str, Any]] = {"campaign_id": "spring", "campaign_size": 100}


def place_of(customer: str, campaign: str = "spring") -> float:
    """A customer's fixed place in [0, 1) of a campaign."""
    named = f"{campaign}/{customer}".encode()
    return int.from_bytes(blake2b(named, digest_size=8, person=b"canary").digest(), "big") / 2**64


def _between(low: float, high: float, count: int) -> list[str]:
    """The first customers whose place lies in [low, high)."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        if low <= place_of(f"c{number}") < high:
            found.append(f"c{number}")
        number += 1
    return found


FIRST: Final = _between(0, 0.2, 6)
SECOND: Final = _between(0.2, 0.5, 4)
THIRD: Final = _between(0.5, 1, 4)
EVERYBODY: Final = [*FIRST, *SECOND, *THIRD]


def sent_to(scene: Scene, kind: str = "broadcast") -> set[str]:
    return {message["customer_id"] for message in scene.sent(kind)}


def status(scene: Scene) -> dict[str, Any]:
    """What was last told of the campaign."""
    told = [s for s in scene.everything("campaign-status") if s["campaign_id"] == "spring"]
    return told[-1]


# --- stages ---------------------------------------------------------------------------------------


@flow(canary=CANARY, deadline={"default": "7d"})
def a_campaign_goes_stage_by_stage(scene: Scene) -> None:
    scene.ask("b", *EVERYBODY, kind="broadcast", **LARGE)
    assert sent_to(scene) == set(FIRST)
    scene.expect("b", "deferred campaign_canary +30m", customer=SECOND[0])
    scene.expect("b", "deferred campaign_canary +1h", customer=THIRD[0])
    assert scene.decisions("b", SECOND[0])[0]["stage"] == "account"
    scene.at("29m59s999ms")
    assert sent_to(scene) == set(FIRST)
    scene.at("30m")
    assert sent_to(scene) == {*FIRST, *SECOND}
    scene.at("1h")
    assert sent_to(scene) == set(EVERYBODY)
    assert (status(scene)["phase"], status(scene)["released"]) == ("full", 1.0)


@flow(canary=CANARY, deadline={"default": "7d"})
def who_comes_later_finds_the_stage_that_was_reached(scene: Scene) -> None:
    scene.ask("b", FIRST[0], kind="broadcast", **LARGE)
    scene.at("30m")
    scene.ask("c", *EVERYBODY, kind="broadcast", account="another", **LARGE)
    assert sent_to(scene) == {*FIRST, *SECOND}


@flow(canary=CANARY, deadline={"default": "7d"})
def who_will_not_wait_for_a_stage_is_refused(scene: Scene) -> None:
    scene.ask("b", FIRST[0], THIRD[0], kind="broadcast", if_not_now="deny", **LARGE)
    scene.expect("b", "approved ok", customer=FIRST[0])
    scene.expect("b", "denied campaign_canary +1h", customer=THIRD[0])


@flow(canary=CANARY, deadline={"default": "20m"})
def what_its_stage_does_not_reach_in_time_expires(scene: Scene) -> None:
    scene.ask("b", FIRST[0], SECOND[0], kind="broadcast", **LARGE)
    scene.at("20m1ms")
    assert scene.story("b", SECOND[0])[-1] == "expired deadline_passed"
    scene.at("30m")
    assert sent_to(scene) == {FIRST[0]}


@flow(canary=CANARY, deadline={"default": "7d"})
def a_stage_is_watched_from_its_first_message_on_and_passed_over_after_a_silent_day(
    scene: Scene,
) -> None:
    scene.ask("b", SECOND[0], THIRD[0], kind="broadcast", **LARGE)
    scene.at("23h59m59s999ms")
    assert sent_to(scene) == set()
    scene.at("1d")
    assert sent_to(scene) == {SECOND[0]}
    scene.at("1d30m")
    assert sent_to(scene) == {SECOND[0], THIRD[0]}


# --- sizes ----------------------------------------------------------------------------------------


@flow(canary=CANARY)
def a_small_campaign_is_not_staged(scene: Scene) -> None:
    scene.ask("b", *EVERYBODY, kind="broadcast", campaign_id="spring", campaign_size=99)
    assert sent_to(scene) == set(EVERYBODY)
    assert (status(scene)["phase"], status(scene)["size"]) == ("full", 99)


@flow(canary=CANARY, deadline={"default": "7d"})
def a_campaign_of_unknown_size_is_staged(scene: Scene) -> None:
    scene.ask("b", *EVERYBODY, kind="broadcast", campaign_id="spring")
    assert sent_to(scene) == set(FIRST)
    assert "size" not in status(scene)


@flow(canary=CANARY, deadline={"default": "7d"})
def of_sizes_that_differ_the_largest_counts(scene: Scene) -> None:
    scene.ask("b", FIRST[0], kind="broadcast", campaign_id="spring")
    scene.ask("c", FIRST[1], kind="broadcast", **LARGE)
    assert status(scene)["size"] == 100
    scene.ask("d", *SECOND, kind="moment", campaign_id="spring", campaign_size=4)
    assert sent_to(scene, "moment") == set()
    assert (status(scene)["phase"], status(scene)["size"]) == ("canary", 100)


@flow(canary=CANARY)
def who_belongs_to_no_campaign_is_not_staged(scene: Scene) -> None:
    scene.ask("b", *EVERYBODY, kind="broadcast")
    assert sent_to(scene) == set(EVERYBODY)


# --- a size that grows ----------------------------------------------------------------------------


@pytest.mark.rule("R6.9")
@flow(canary=CANARY, deadline={"default": "7d"})
def a_test_send_under_the_real_name_proves_nothing(scene: Scene) -> None:
    test = THIRD[:1]
    scene.ask("test", *test, kind="broadcast", campaign_id="spring", campaign_size=1)
    assert sent_to(scene) == set(test)
    scene.at("1h")
    scene.ask("b", *EVERYBODY, kind="moment", **LARGE)
    assert sent_to(scene, "moment") == set(FIRST)
    assert (status(scene)["phase"], status(scene)["size"]) == ("canary", 100)
    scene.at("1h30m")
    assert sent_to(scene, "moment") == {*FIRST, *SECOND}


@pytest.mark.rule("R6.9")
@flow(canary=CANARY | {"from_size": 10}, pacing=STOPPED, deadline={"default": "7d"})
def who_waits_already_waits_for_a_share_when_the_campaign_grows(scene: Scene) -> None:
    scene.ask("small", *EVERYBODY[:9], kind="broadcast", campaign_id="spring", campaign_size=9)
    scene.ask("b", *EVERYBODY[9:], kind="moment", account="another", **LARGE)
    scene.policy(2, canary=CANARY | {"from_size": 10}, deadline={"default": "7d"})
    scene.at("1s")
    assert sent_to(scene) | sent_to(scene, "moment") == set(FIRST)


@pytest.mark.rule("R6.9")
@flow(canary=CANARY | {"from_size": 10}, deadline={"default": "7d"})
def a_campaign_that_names_its_chunks_size_is_as_large_as_what_came(scene: Scene) -> None:
    for number, chunk in enumerate((FIRST, SECOND, THIRD)):
        named = {"campaign_id": "spring", "campaign_size": len(chunk)}
        scene.ask(f"b{number}", *chunk, kind="broadcast", account=f"a{number}", **named)
    assert sent_to(scene) == {*FIRST, *SECOND}  # of whom came ten before anybody knew
    assert (status(scene)["phase"], status(scene)["size"]) == ("canary", 10)


@pytest.mark.rule("R6.9")
@flow(canary=CANARY | {"from_size": 10}, deadline={"default": "7d"})
def an_intent_of_more_customers_than_it_names_is_as_large_as_itself(scene: Scene) -> None:
    scene.ask("b", *EVERYBODY, kind="broadcast", campaign_id="spring", campaign_size=1)
    assert sent_to(scene) == set(FIRST)


@pytest.mark.rule("R6.9")
@flow(canary=CANARY | {"from_size": 20}, deadline={"default": "7d"})
def who_is_asked_for_again_makes_no_campaign_larger(scene: Scene) -> None:
    named: dict[str, Any] = {"campaign_id": "spring", "campaign_size": len(EVERYBODY)}
    with scene.together():
        for _ in range(3):
            scene.ask("b", *EVERYBODY, kind="broadcast", **named)
    scene.ask("b", *EVERYBODY, kind="broadcast", account="another", **named)
    scene.at("1h")
    scene.ask("b", *EVERYBODY, kind="broadcast", **named)
    assert sent_to(scene) == set(EVERYBODY)
    assert (status(scene)["phase"], status(scene)["size"]) == ("full", len(EVERYBODY))
    scene.ask("more", *EVERYBODY[:6], kind="moment", account="another", **named)
    assert (status(scene)["phase"], status(scene)["size"]) == ("canary", 20)


@pytest.mark.rule("R6.9")
@flow(canary=CANARY | {"from_size": 10}, deadline={"default": "7d"})
def who_is_forgotten_makes_no_campaign_larger(scene: Scene) -> None:
    named: dict[str, Any] = {"campaign_id": "spring", "campaign_size": 1}
    scene.hear("erase", FIRST[0])
    for _ in range(10):
        scene.ask("b", FIRST[0], kind="broadcast", **named)
    assert (status(scene)["phase"], status(scene)["size"]) == ("full", 1)


# --- other policies -------------------------------------------------------------------------------


def released(scene: Scene, share: float) -> bool:
    """Whether those, and only those, were sent to whose place is below the share."""
    return sent_to(scene) == {c for c in EVERYBODY if place_of(c) < share}


@pytest.mark.rule("R6.10")
@flow(canary=CANARY, deadline={"default": "7d"})
def other_steps_release_whom_they_say(scene: Scene) -> None:
    scene.ask("b", *EVERYBODY, kind="broadcast", **LARGE)
    assert released(scene, 0.2)
    steps = ["1%", "2%", "5%", "20%", "35%", "60%", "100%"]
    scene.policy(2, canary=CANARY | {"steps": steps}, deadline={"default": "7d"})
    scene.at("1s")
    assert released(scene, 0.2)
    for moment, share in (("30m", 0.35), ("1h", 0.6), ("1h30m", 1.0)):
        scene.at(moment)
        assert released(scene, share)


@pytest.mark.rule("R6.10")
@flow(canary=CANARY, deadline={"default": "7d"})
def going_slower_releases_nobody(scene: Scene) -> None:
    scene.ask("b", *EVERYBODY, kind="broadcast", **LARGE)
    scene.policy(2, canary=CANARY | {"steps": ["15%", "25%", "30%", "100%"]})
    scene.at("1s")
    assert (status(scene)["phase"], status(scene)["released"]) == ("canary", 0.15)
    assert released(scene, 0.2)
    scene.policy(3, canary=CANARY | {"steps": ["1%", "2%", "3%", "60%", "100%"], "hold": "2h"})
    scene.at("30m")
    assert released(scene, 0.2)
    assert status(scene)["released"] == 0.03
    scene.ask("more", *EVERYBODY, kind="moment", **LARGE)
    assert sent_to(scene, "moment") == {c for c in EVERYBODY if place_of(c) < 0.03}


@pytest.mark.rule("R6.10")
@flow(pacing=STOPPED, deadline={"default": "7d"})
def a_policy_that_brings_a_canary_holds_for_what_waits_already(scene: Scene) -> None:
    scene.ask("b", *EVERYBODY, kind="broadcast", **LARGE)
    scene.policy(2, canary=CANARY, deadline={"default": "7d"})
    scene.at("1s")
    assert released(scene, 0.2)
    scene.at("31m")
    assert released(scene, 0.5)
    scene.policy(3, deadline={"default": "7d"})
    scene.at("31m1s")
    assert released(scene, 1.0)


@pytest.mark.rule("R6.11")
@flow(canary=CANARY, deadline={"default": "300d"}, validity={"broadcast": "1h"})
def who_waits_longer_than_a_campaign_is_remembered_is_not_left_behind(scene: Scene) -> None:
    scene.tell_status("xiaoer", "suspended")
    scene.ask("b", *SECOND, *THIRD, kind="broadcast", **LARGE)
    scene.ask("full", *FIRST, kind="broadcast", account="another", **LARGE)
    scene.at("98d")
    scene.tell_status("xiaoer", "reinstated")
    scene.at("103d")
    assert sent_to(scene) == set(EVERYBODY)


# --- harm -----------------------------------------------------------------------------------------


@flow(canary=CANARY, reputation=REPUTATION, deadline={"default": "7d"})
def a_campaign_that_harms_is_paused_and_killed(scene: Scene) -> None:
    scene.ask("b", *FIRST, *SECOND, kind="broadcast", **LARGE)
    harm(scene, complaints=3)
    assert status(scene)["phase"] == "paused"
    scene.ask("c", FIRST[0], kind="moment", if_not_now="deny", **LARGE)
    scene.expect("c", "denied campaign_paused", customer=FIRST[0])
    scene.ask("w", FIRST[1], kind="moment", **LARGE)
    scene.expect("w", "deferred campaign_paused", customer=FIRST[1])
    scene.at("29m59s999ms")
    assert status(scene)["phase"] == "paused"
    scene.at("30m")
    assert status(scene)["phase"] == "killed"
    assert scene.story("b", SECOND[0])[-1] == "cancelled campaign_paused canary"
    assert scene.story("w", FIRST[1])[-1] == "cancelled campaign_paused canary"
    scene.ask("d", FIRST[2], kind="moment", account="another", **LARGE)
    scene.expect("d", "denied campaign_paused canary", customer=FIRST[2])
    assert sent_to(scene) == set(FIRST)
    assert sent_to(scene, "moment") == set()


@flow(canary=CANARY, reputation=REPUTATION, deadline={"default": "7d"})
def a_campaign_whose_rate_comes_down_in_its_pause_goes_on_where_it_was(scene: Scene) -> None:
    many = _between(0, 0.2, 30)
    scene.ask("b", *many, *SECOND, kind="broadcast", **LARGE)
    for customer in many[:5]:
        scene.receipt("delivered", "b", customer)
    for number, customer in enumerate(many[:2]):
        scene.hear("complained", customer, event_id=f"angry-{number}")
    assert status(scene)["phase"] == "paused"
    for customer in many[5:]:
        scene.receipt("delivered", "b", customer)
    assert status(scene)["phase"] == "paused"
    scene.at("30m")
    assert (status(scene)["phase"], status(scene)["released"]) == ("canary", 0.2)
    assert sent_to(scene) == set(many)
    scene.at("1d")
    assert sent_to(scene) == {*many, *SECOND}


@flow(canary=CANARY, reputation=REPUTATION, windows=[])
def harm_is_no_affair_of_other_campaigns(scene: Scene) -> None:
    scene.ask("b", *FIRST, kind="broadcast", **LARGE)
    harm(scene, complaints=3)
    scene.ask("other", FIRST[0], kind="broadcast", campaign_id="autumn", campaign_size=9)
    scene.ask("none", FIRST[1], kind="broadcast")
    scene.expect("other", "approved ok", customer=FIRST[0])
    scene.expect("none", "approved ok", customer=FIRST[1])


def harm(scene: Scene, complaints: int) -> None:
    """All of the first stage arrived, and some complained."""
    for customer in FIRST:
        scene.receipt("delivered", "b", customer)
    for number, customer in enumerate(FIRST[:complaints]):
        scene.hear("complained", customer, event_id=f"angry-{number}")
