"""Section 5: what an event may change is looked at again, and nothing else; counted, not timed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.core.campaign_state import CampaignRelease, Phase
from streams.events.internal import CampaignBroadcast, encode_news
from streams.stages import sweeps as sweeping
from streams.topics import Topics
from tests.flows import events
from tests.flows.scene import Scene
from tests.flows.world import DriverWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY: dict[str, Any] = {
    "windows": [
        {"id": "day", "kinds": ["direct"], "scope": "enterprise", "limit": 1, "rolling": "24h"}
    ],
    "deadline": {"default": "7d"},
}


class Visits:
    """The keys that sweeps came to, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []

    @property
    def keys(self) -> list[str]:
        return sorted(key.decode() for batch in self.batches for key in batch)


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Visits:
    seen, visits_of = Visits(), sweeping.SweepVisits.visits

    def watched(self: Any, *args: Any) -> Iterator[Any]:
        seen.batches.append([])
        for key, sweep in visits_of(self, *args):
            seen.batches[-1].append(key)
            yield key, sweep

    monkeypatch.setattr(sweeping.SweepVisits, "visits", watched)
    return seen


def holding(visits: Visits, count: int, *accounts: str, **more: Any) -> Scene:
    """So many customers of each account hold a message that waits for tomorrow."""
    scene = Scene(DriverWorld(1), "acme")
    scene.policy(1, **DAY)
    with scene.together():
        for account in accounts:
            who = [f"{account}-{number:03}" for number in range(count)]
            scene.ask(f"first-{account}", *who, account=account)
            scene.ask(f"second-{account}", *who, account=account, **more)
    scene.at("1s")  # the policy is known everywhere
    visits.batches.clear()
    return scene


def told(scene: Scene, account: str, status: str, at_ms: int) -> None:
    data = {"enterprise_id": "acme", "account_id": account, "status": status}
    value = events.event(f"{account}{at_ms}", "account_status", data | {"occurred_at_ms": at_ms})
    scene.put("interactions", f"acme/{account}".encode(), value)


@pytest.mark.rule("R5.17")
def test_a_word_that_changes_nothing_is_followed_by_nothing(visits: Visits) -> None:
    scene = holding(visits, 20, "a", "b")
    told(scene, "a", "active", scene.start_ms)  # nobody had heard of it
    words = len(scene.world.read("decorum-sweeps"))
    for _ in range(50):
        told(scene, "a", "active", scene.start_ms)
    told(scene, "a", "active", scene.start_ms - 5)
    assert len(scene.world.read("decorum-sweeps")) == words
    for later in range(1, 20):  # every morning's list of all accounts
        told(scene, "a", "active", scene.start_ms + later)
    told(scene, "a", "reinstated", scene.start_ms + 50)
    assert visits.keys == []


@pytest.mark.rule("R5.17")
@pytest.mark.parametrize("change", ["status", "control"])
def test_an_account_s_change_is_its_own_affair(visits: Visits, change: str) -> None:
    scene = holding(visits, 20, "a", "b")
    if change == "status":
        scene.tell_status("a", "suspended")
    else:
        scene.control("acme/account/a", action="pause")
        scene.at("2s")
    assert visits.keys == [f"acme/a-{number:03}" for number in range(20)]


@pytest.mark.rule("R5.17")
def test_what_is_held_for_several_accounts_is_found_by_each(visits: Visits) -> None:
    scene = holding(visits, 3, "a", "b")
    scene.ask("later", "a-000", account="c", not_before_ms=scene.start_ms + 3_600_000)
    scene.tell_status("c", "suspended")
    assert visits.keys == ["acme/a-000"]


@pytest.mark.rule("R5.17")
def test_a_campaign_s_control_concerns_who_waits_for_it(visits: Visits) -> None:
    scene = holding(visits, 10, "a", campaign_id="spring")
    scene.ask("other", "zoe", account="a")
    scene.ask("again", "zoe", account="a")
    scene.control("acme/campaign/spring", action="pause")
    scene.at("2s")
    assert visits.keys == [f"acme/a-{number:03}" for number in range(10)]


@pytest.mark.rule("R5.17")
def test_a_campaign_s_word_comes_to_accounts_where_it_waits(visits: Visits) -> None:
    scene = Scene(DriverWorld(1), "acme")
    for account, campaign in (("a", "spring"), ("b", "autumn"), ("c", "spring")):
        scene.tell_status(account, "suspended")
        scene.ask(account, "ann", kind="broadcast", account=account, campaign_id=campaign)
    visits.batches.clear()
    word = CampaignRelease(phase=Phase.PAUSED)
    news = encode_news(CampaignBroadcast("acme", "spring", word))
    scene.put(Topics().account_news, None, news)
    assert visits.keys == ["acme/a", "acme/c"]


@pytest.mark.rule("R5.18")
def test_many_sweeps_at_once_share_the_visits_of_a_batch(
    visits: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "SLICE", 10)
    accounts = [f"x{number}" for number in range(8)]
    scene = holding(visits, 12, *accounts)
    with scene.together():
        for account in accounts:
            scene.tell_status(account, "suspended")
    assert max(map(len, visits.batches)) <= 10
    assert len(visits.keys) == 8 * 12
    assert len(set(visits.keys)) == 8 * 12
    # None waits for another's end: what is small is done soon.
    assert len({key.split(b"-")[0] for key in visits.batches[1]}) == 8


@pytest.mark.rule("R5.18")
def test_sweeps_of_one_scope_that_have_not_begun_are_one(visits: Visits) -> None:
    scene = holding(visits, 15, "a")
    with scene.together():
        for number in range(20):
            scene.control("acme", action="pause" if number % 2 else "brake")
    scene.at("2s")
    assert len(visits.keys) == 15


@pytest.mark.rule("R5.18")
def test_a_change_during_a_sweep_comes_to_all_of_them_again(
    visits: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "SLICE", 5)
    scene = holding(visits, 15, "a")
    driver = scene.world.driver  # type: ignore[attr-defined]
    with scene.together():
        scene.control("acme", action="pause")
        while not visits.keys:
            for partition in driver._partitions:
                driver._step(partition)
            scene.world._follow()  # type: ignore[attr-defined]
            driver.now_ms += 1
        scene.control("acme", action="resume")
    scene.at("10s")
    assert len(visits.keys) == 30
    assert [d["outcome"] for d in scene.decisions("second-a", "a-014")][-1] == "deferred"


@pytest.mark.rule("R1.11", "R5.18")
def test_a_sweep_goes_on_where_it_stood_after_a_crash(
    visits: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "SLICE", 5)
    scene = holding(visits, 15, "a")
    driver = scene.world.driver  # type: ignore[attr-defined]
    with scene.together():
        scene.tell_status("a", "suspended")
        while len(visits.keys) < 5:
            for partition in driver._partitions:
                driver._step(partition)
        scene.world.crash()
    assert len(visits.keys) == 15
    assert len(set(visits.keys)) == 15
