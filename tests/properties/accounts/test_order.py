"""What one piece of news sets going in many accounts goes in the order of their keys, always."""

from __future__ import annotations

from typing import Final

from streams.core.campaign_state import CampaignRelease, Phase
from streams.events.internal import CampaignBroadcast, decode_candidate, encode_news
from streams.topics import ACCOUNT_NEWS, CANDIDATES
from tests.flows.scene import Scene
from tests.flows.world import DriverWorld

ACCOUNTS: Final = [f"account-{number:02}" for number in range(12)]
STAGED: Final = {"kinds": ["broadcast"], "steps": ["1%", "100%"], "hold": "1h", "from_size": 0}


def waiting() -> DriverWorld:
    """Twelve accounts, the last one first, whose customers wait for a step of one campaign."""
    world = DriverWorld(partitions=1)
    scene = Scene(world, "acme")
    scene.policy(canary=STAGED)
    for account in reversed(ACCOUNTS):
        customers = [f"{account}-{number}" for number in range(5)]
        scene.ask(account, *customers, kind="broadcast", account=account, campaign_id="spring")
    return world


def ended(world: DriverWorld) -> list[str]:
    """The accounts whose asks a kill of the campaign gives up, in the order of its outputs."""
    before = len(world.read(CANDIDATES))
    word = CampaignRelease(phase=Phase.KILLED)
    world.produce(ACCOUNT_NEWS, None, encode_news(CampaignBroadcast("acme", "spring", word)), 0)
    world.settle()
    found = [decode_candidate(r.value or b"") for r in world.read(CANDIDATES)[before:]]
    return list(dict.fromkeys(candidate.request.account_id for candidate in found))


def test_accounts_that_wait_for_one_campaign_are_ended_in_the_order_of_their_keys() -> None:
    assert ended(waiting()) == ACCOUNTS


def test_after_a_crash_they_are_ended_in_the_same_order() -> None:
    world = waiting()
    world.crash()
    assert ended(world) == ACCOUNTS
