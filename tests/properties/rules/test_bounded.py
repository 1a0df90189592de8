"""Section 1, bounded work: whatever comes at once, a transaction is small and nobody starves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from streams.core.campaign_state import CampaignRelease, Phase
from streams.events.internal import CampaignBroadcast, StatusNews, encode_news
from streams.runtime.batch import Share
from streams.runtime.budget import MOST_OUTPUT, RECORD_WEIGHT
from streams.topics import DECISIONS, Topics
from tests.flows.scene import Scene
from tests.flows.test_flows import check_balance
from tests.flows.world import DriverWorld

if TYPE_CHECKING:
    from streams.runtime.batch import Batch
    from streams.runtime.stage import Stage

SMALL: Final = 64 << 10
"""A budget that a few hundred customers fill."""

OVERSHOOT: Final = 48 << 10
"""What the last thing that a batch did may add: of these scenes, a turn of fifty customers."""

PACED: Final[dict[str, Any]] = {
    "reputation": {
        "red": {"above": "10%", "over": "7d", "from": 5, "confidence": "80%"},
        "green": {"below": "5%", "over": "28d", "from": 50, "confidence": "80%"},
        "hold": "24h",
    },
    "pacing": {
        "kinds": ["broadcast"],
        "new": "1/m",
        "green": "1/m",
        "amber": "1/m",
        "red": "0/s",
        "burst": "60s",
    },
}


TURN: Final = 1_300_000
"""Bytes of fifty customers of one intent with the longest attributes: what one step may add."""

WORST: Final[dict[str, Any]] = {
    "campaign_id": "c" * 128,
    "campaign_size": 1_000_000_000,
    "content_ref": "\U00010384" * 256,
    "attributes": {chr(0x10380 + n) * 64: "\U00010384" * 256 for n in range(16)},
}
"""The longest that the schema allows, in characters of four bytes."""


class Scales:
    """Weighs what every batch writes, by the bytes themselves."""

    def __init__(self) -> None:
        self.bytes: list[int] = []
        self.records: list[int] = []

    def __call__(self, stage: Stage, partition: int, batch: Batch) -> None:
        items = [item for written in batch.writes.values() for item in written]
        self.bytes.append(sum(len(key or b"") + len(value or b"") for key, value in items))
        self.records.append(len(items))


def told(scales: Scales, output: int = MOST_OUTPUT, **sections: Any) -> Scene:
    """A scene in one partition under this policy, with batches of this output."""
    scene = Scene(DriverWorld(1, observe=scales, share=Share(output=output)), "acme")
    scene.policy(1, **sections)
    return scene


def names(count: int, head: str = "c") -> list[str]:
    return [f"{head}{number}" for number in range(count)]


def queue(scene: Scene, count: int, **more: Any) -> None:
    """So many customers in one account's queue, of whom the first goes at once."""
    for first in range(0, count, 100):
        customers = names(count)[first : first + 100]
        scene.ask(f"wave-{first}", *customers, kind="broadcast", **more)


def outcomes(scene: Scene, outcome: str) -> list[str]:
    return [d["customer_id"] for d in scene.everything(DECISIONS) if d["outcome"] == outcome]


def said(scene: Scene, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    return [(record.key, record.value) for record in scene.world.read(topic)]


@pytest.mark.rule("R1.21")
def test_many_intents_at_once_are_many_small_transactions() -> None:
    scales = Scales()
    scene = told(scales, windows=[])
    with scene.together():
        for number in range(24):
            scene.ask(f"i{number}", *names(1_000, f"{number}-"), kind="direct")
    assert len(scene.sent("direct")) == 24_000
    assert max(scales.bytes) < MOST_OUTPUT
    assert max(scales.records) < MOST_OUTPUT // RECORD_WEIGHT
    order = [m["intent_id"] for m in scene.sent("direct")]
    assert order == sorted(order, key=lambda name: int(name[1:]))
    check_balance(scene.world)  # type: ignore[arg-type]


@pytest.mark.rule("R1.21", "R1.22")
@pytest.mark.parametrize("ended_by", ["resigned", "no pacing", "campaign", "expiry"])
def test_a_queue_is_emptied_in_small_transactions(ended_by: str) -> None:
    scales = Scales()
    scene = told(scales, SMALL, **PACED)
    queue(scene, 1_000, campaign_id="spring", deadline_ms=scene.start_ms + 3_600_000)
    scales.bytes.clear()
    if ended_by == "resigned":
        scene.tell_status("xiaoer", "resigned")
        ended = outcomes(scene, "cancelled")
    elif ended_by == "no pacing":
        scene.policy(2)
        scene.at("1s")  # when it is known everywhere
        ended = outcomes(scene, "approved")[1:]
    elif ended_by == "campaign":
        word = CampaignRelease(phase=Phase.KILLED)
        news = encode_news(CampaignBroadcast("acme", "spring", word))
        scene.put(Topics().account_news, None, news)
        ended = outcomes(scene, "cancelled")
    else:
        scene.at("2h")
        ended = outcomes(scene, "approved")[1:] + outcomes(scene, "expired")
    first = scene.sent("broadcast")[0]["customer_id"]
    assert sorted([first, *ended]) == sorted(names(1_000))
    assert max(scales.bytes) < SMALL + OVERSHOOT
    check_balance(scene.world)  # type: ignore[arg-type]


@pytest.mark.rule("R1.22")
def test_the_more_urgent_overtakes_what_is_left_of_a_queue() -> None:
    scene = told(Scales(), SMALL, **PACED)
    queue(scene, 2_000)
    scene.tell_status("xiaoer", "suspended")
    scene.policy(2)
    scene.at("1s")
    with scene.together():
        scene.tell_status("xiaoer", "active")
        scene.ask("late", "zoe", kind="broadcast", priority=10)
        scene.ask("urgent", "eve", kind="broadcast", priority=90)
    order = [m["customer_id"] for m in scene.sent("broadcast")]
    assert order.index("eve") < 500
    assert order[-1] == "zoe"
    assert [name for name in order if name[0] == "c"] == names(2_000)


@pytest.mark.rule("R1.22")
def test_others_are_decided_while_a_queue_empties() -> None:
    scene = told(Scales(), SMALL, **PACED)
    queue(scene, 2_000)
    with scene.together():
        scene.tell_status("xiaoer", "resigned")
        for number in range(10):
            scene.ask(f"other-{number}", f"o{number}", account="wang")
    order = [d["customer_id"] for d in scene.everything(DECISIONS)]
    left = [name for name in order[order.index("o9") :] if name[0] == "c"]
    assert len(left) > 1_000


@pytest.mark.rule("R1.22", "R8.5")
def test_an_account_that_comes_back_while_its_queue_is_ended_keeps_nothing_of_it() -> None:
    scene = told(Scales(), SMALL, **PACED)
    queue(scene, 1_000)
    with scene.together():
        for word, at_ms in (("resigned", scene.start_ms - 1), ("reinstated", scene.start_ms)):
            news = encode_news(StatusNews(word, at_ms))
            scene.put(Topics().account_news, b"acme/xiaoer", news)
        scene.ask("new", "eve", kind="broadcast")
    assert len(outcomes(scene, "cancelled")) == 999
    assert [d["outcome"] for d in scene.decisions("new", "eve")] in (["approved"], ["deferred"])


@pytest.mark.rule("R1.11", "R1.22")
@pytest.mark.parametrize("ended_by", ["resigned", "no pacing"])
def test_a_crash_while_a_queue_empties_changes_no_byte(ended_by: str) -> None:
    def play(*, crash: bool) -> Scene:
        scene = told(Scales(), SMALL, **PACED)
        queue(scene, 600)
        with scene.together():
            if ended_by == "resigned":
                scene.tell_status("xiaoer", "resigned")
            else:
                scene.policy(2)
            driver = scene.world.driver  # type: ignore[attr-defined]
            worked = [True]
            while any(worked):
                worked = [driver._step(partition) for partition in driver._partitions]
                scene.world._follow()  # type: ignore[attr-defined]
                if crash:
                    scene.world.crash()
        return scene

    steady, shaken = play(crash=False), play(crash=True)
    for topic in (DECISIONS, "approved.broadcast"):
        assert said(shaken, topic) == said(steady, topic)
    assert len(outcomes(steady, "cancelled" if ended_by == "resigned" else "approved")) > 590


def longest(count: int = 1_000) -> list[str]:
    """The longest names that customers may have."""
    return [f"{number:x>128}" for number in range(count)]


def worst(scene: Scene, way: str) -> str:
    """Two of the greatest intents there may be, which come out this way; the outcome of each."""
    more = WORST | {"kind": "direct"}
    outcome = "approved"
    if way == "refused":
        more["kind"], outcome = "broadcast", "denied"
        scene.tell_status("xiaoer", "resigned")
    elif way == "too early":
        more["not_before_ms"], outcome = scene.start_ms + 1, "deferred"
    with scene.together():
        scene.ask("one", *longest(), **more)
        scene.ask("two", *longest(), **more)
    return outcome


@pytest.mark.rule("R1.21")
@pytest.mark.parametrize("way", ["approved", "refused", "too early"])
def test_the_greatest_intent_is_many_small_transactions(way: str) -> None:
    scales, share = Scales(), MOST_OUTPUT // 4
    scene = told(scales, share, **PACED)
    outcome = worst(scene, way)
    for name in ("one", "two"):
        found = [d for d in scene.everything(DECISIONS) if d["intent_id"] == name]
        assert [d["customer_id"] for d in found] == longest()
        assert {d["outcome"] for d in found} == {outcome}
    assert max(scales.bytes) < share + TURN
    check_balance(scene.world)  # type: ignore[arg-type]


@pytest.mark.rule("R1.11", "R1.21")
@pytest.mark.parametrize("way", ["approved", "refused", "too early"])
def test_a_crash_in_the_midst_of_an_intent_changes_no_byte(way: str) -> None:
    def play(*, crash: bool) -> Scene:
        scene = told(Scales(), SMALL, **PACED)
        driver = scene.world.driver  # type: ignore[attr-defined]
        with scene.together():
            worst(scene, way)
            worked = [True]
            while any(worked):
                worked = [driver._step(partition) for partition in driver._partitions]
                scene.world._follow()  # type: ignore[attr-defined]
                if crash:
                    scene.world.crash()
        return scene

    steady, shaken = play(crash=False), play(crash=True)
    assert len(steady.everything(DECISIONS)) >= 2_000
    for topic in (DECISIONS, "approved.direct"):
        assert said(shaken, topic) == said(steady, topic)
    check_balance(shaken.world)  # type: ignore[arg-type]


@pytest.mark.rule("R1.1", "R1.21")
def test_who_is_left_of_an_intent_is_decided_by_what_holds_then() -> None:
    """A new policy paces the kind while an intent of it is passed on in parts."""
    scene = told(Scales(), SMALL)
    driver = scene.world.driver  # type: ignore[attr-defined]
    with scene.together():
        scene.ask("one", *names(500), kind="broadcast")
        for partition in driver._partitions[1:]:  # the account's, and then its customers'
            driver._step(partition)
        scene.policy(2, **PACED)
        driver._step(driver._partitions[0])
        scene.world._follow()  # type: ignore[attr-defined]
    found = [d for d in scene.everything(DECISIONS) if d["intent_id"] == "one"]
    assert sorted(d["customer_id"] for d in found) == sorted(names(500))
    approved = sum(d["outcome"] == "approved" for d in found)
    assert 1 < approved < 450
    assert {d["outcome"] for d in found} == {"approved", "deferred"}
    check_balance(scene.world)  # type: ignore[arg-type]
