"""Look-ups over a real HTTP server and the real stages; only the group's word is made up."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from streams.ops.http import Health, HttpServer
from streams.ops.lookups import REDIRECTED, Lookups
from streams.ops.views import accounts, campaigns, customers
from streams.runtime.partitioner import partition_for
from streams.runtime.snapshot import StageSnapshot
from streams.settings import Settings
from streams.stages.customer.erasure import Erasure
from streams.topics import DECISIONS
from streams.worker import Worker
from tests.flows.scene import Scene
from tests.flows.world import DAY_MS, SECRET, DriverWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.runtime.state import State

PARTITIONS = 4
HOUR_MS = DAY_MS // 24
HERE, THERE = "127.0.0.1:6066", "10.0.0.7:6066"


@dataclass
class Told:
    """What the group has told this worker, and the states it has."""

    world: DriverWorld
    assigned: set[int] = field(default_factory=lambda: set(range(PARTITIONS)))
    recovering: set[int] = field(default_factory=set)
    owners: dict[int, str] = field(default_factory=dict)

    def snapshot(self) -> dict[str, StageSnapshot]:
        rest = dict.fromkeys(StageSnapshot._fields, 0)
        accepting = tuple(sorted(self.assigned - self.recovering))
        known = {"assigned": tuple(sorted(self.assigned)), "accepting": accepting}
        stage = StageSnapshot(**(rest | known))  # type: ignore[arg-type]
        return {"account": stage, "customer": stage}

    def state(self, stage: str, partition: int) -> State | None:
        return self.world.driver.state(stage, partition) if partition in self.assigned else None

    def owner(self, stage: str, partition: int) -> str | None:
        return self.owners.get(partition)


@dataclass
class Rig:
    told: Told
    scene: Scene
    http: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(path, allow_redirects=False) as response:
            assert response.headers["Cache-Control"] == "no-store"
            body = await response.read()
            return response.status, json.loads(body) if body else response.headers["Location"]

    def elsewhere(self, owner: str | None, key: str = "acme/c1") -> None:
        """Its partition has gone to another worker."""
        number = partition_for(key.encode(), PARTITIONS)
        self.told.assigned.discard(number)
        if owner is not None:
            self.told.owners[number] = owner


@asynccontextmanager
async def serving() -> AsyncIterator[Rig]:
    world = DriverWorld(PARTITIONS)
    told = Told(world)
    lookups = Lookups(told, PARTITIONS, HERE, lambda: world.now_ms)
    rules = world._rules
    subjects = [customers(rules, Erasure(SECRET)), accounts(rules), campaigns(rules)]
    well = Health(ok=True, detail={})
    server = HttpServer(
        ("127.0.0.1", 0),
        metrics=bytes,
        live=lambda: well,
        ready=lambda: well,
        routes=lookups.routes(subjects),
    )
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
            yield Rig(told, Scene(world, "acme"), http)
    finally:
        await server.stop()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with serving() as rig:
        yield rig


# --- what is said ---------------------------------------------------------------------------------


async def test_a_customer_is_told_in_plain_words(rig: Rig) -> None:
    scene = rig.scene
    scene.hear("friend_added", "c1", initiated_by="customer")
    scene.hear("message_received", "c1")
    scene.ask("1", "c1", kind="broadcast", campaign_id="spring", campaign_size=9)
    scene.receipt("delivered", "1", "c1")
    scene.ask("2", "c1", kind="broadcast", priority=70)
    status, body = await rig.get("/v1/customers/acme/c1?account=xiaoer&priority=80")
    assert status == 200
    assert (body["enterprise_id"], body["customer_id"]) == ("acme", "c1")
    assert body["at_ms"] == scene.start_ms
    assert (body["policy"], body["policy_version"]) == ("wecom", 1)
    [contact] = body["accounts"]["xiaoer"]["contacts"]
    assert contact["counts_under"] == [
        "broadcast-day",
        "marketing-24h",
        "marketing-7d",
        "member-day",
    ]
    assert body["accounts"]["xiaoer"]["reply_credits"]["left"] == 5
    assert body["accounts"]["xiaoer"]["friend"] == "yes"
    assert [held["intent_id"] for held in body["held"]] == ["2"]
    assert body["asked"] == {"account_id": "xiaoer", "campaign_id": None, "priority": 80}
    assert body["now"]["broadcast"]["reason"] == "window_full"
    assert body["now"]["reply"]["outcome"] == "approved"


async def test_what_is_told_of_now_is_what_the_next_decision_says(rig: Rig) -> None:
    scene = rig.scene
    scene.ask("1", "c1", kind="moment")
    _, before = await rig.get("/v1/customers/acme/c1?account=xiaoer")
    scene.ask("2", "c1", kind="direct")
    [decision] = scene.decisions("2", "c1")
    told = before["now"]["direct"]
    for name in ("outcome", "reason", "send_by_ms", "remaining"):
        assert told[name] == decision[name], name


async def test_an_operator_s_pause_is_part_of_the_answer(rig: Rig) -> None:
    scene = rig.scene
    scene.ask("1", "c1")
    scene.control("acme/account/xiaoer", action="pause")
    paused = (await rig.get("/v1/customers/acme/c1?account=xiaoer"))[1]["now"]["moment"]
    assert (paused["reason"], paused["rule"]) == ("control", "acme/account/xiaoer")
    other = (await rig.get("/v1/customers/acme/c1?account=xiaomei"))[1]["now"]["moment"]
    assert other["outcome"] == "approved"


async def test_an_unknown_customer_is_404_and_told_what_a_first_message_would_get(
    rig: Rig,
) -> None:
    status, body = await rig.get("/v1/customers/acme/nobody")
    assert status == 404
    assert body["error"].startswith("nothing is known of this customer")
    assert not body["known"]
    assert body["now"]["direct"]["outcome"] == "approved"


async def test_a_forgotten_customer_is_told_as_such_and_nothing_else(rig: Rig) -> None:
    rig.scene.ask("1", "c1")
    rig.scene.hear("erase", "c1")
    status, body = await rig.get("/v1/customers/acme/c1")
    assert (status, body["erased"]) == (200, True)
    assert (body["accounts"], body["held"], body["consent"]) == ({}, [], {})
    assert body["now"]["direct"]["reason"] == "suppressed"


async def test_an_account_is_told_with_its_limits_and_what_is_left_of_them(rig: Rig) -> None:
    scene = rig.scene
    scene.hear("friend_added", "c1", initiated_by="customer")
    scene.ask("1", "c2", kind="friend_request")
    status, body = await rig.get("/v1/accounts/acme/xiaoer")
    assert status == 200
    assert (body["enterprise_id"], body["account_id"]) == ("acme", "xiaoer")
    assert (body["grade"], body["status"]) == ("new", "active")
    assert (body["relations"], body["relations_ceiling"]) == (1, 5000)
    assert (body["adds_today"], body["daily_add_ceiling"]) == (1, 20)
    assert (body["requests_open"], body["relations_left"], body["adds_left"]) == (1, 4998, 19)
    assert body["adds_renewed_at_ms"] == scene.start_ms + 6 * HOUR_MS  # midnight in Shanghai
    assert body["waiting"] == 0


async def test_an_account_s_queue_is_counted(rig: Rig) -> None:
    audience = [f"c{number}" for number in range(500)]
    rig.scene.ask("1", *audience, kind="broadcast", campaign_id="spring", campaign_size=500)
    _, body = await rig.get("/v1/accounts/acme/xiaoer")
    decided = {d["customer_id"] for d in rig.scene.everything(DECISIONS) if d["reason"] == "ok"}
    assert body["waiting"] == 500 - len(decided) > 0


async def test_a_campaign_is_told_with_its_phase_and_its_share(rig: Rig) -> None:
    rig.scene.ask("1", "c1", kind="broadcast", campaign_id="spring", campaign_size=48_000)
    status, body = await rig.get("/v1/campaigns/acme/spring")
    assert status == 200
    assert (body["campaign_id"], body["phase"], body["released"]) == ("spring", "canary", 0.01)
    assert body["size"] == 48_000


@pytest.mark.parametrize("path", ["/v1/accounts/acme/nobody", "/v1/campaigns/acme/nothing"])
async def test_what_is_unknown_is_404_and_told_how_it_would_begin(rig: Rig, path: str) -> None:
    status, body = await rig.get(path)
    assert status == 404
    assert body["error"].startswith("nothing is known of this")
    assert body["policy"] == "wecom"
    assert (await rig.get(path + "?priority=1"))[0] == 400


async def test_looking_changes_nothing_in_the_state(rig: Rig) -> None:
    scene, world = rig.scene, rig.told.world
    for number in range(4):
        scene.ask(f"{number}", "c1", kind="direct")
        scene.ask(f"b{number}", "c1", kind="broadcast", campaign_id="spring", campaign_size=9_000)
    world.advance(scene.start_ms + 3 * DAY_MS)

    def everything() -> list[object]:
        stages = ("account", "customer")
        states = [world.driver.state(name, n) for name in stages for n in range(PARTITIONS)]
        return [
            *((dict(s._values), dict(s._timers), list(s._heap)) for s in states),
            *((dict(s._changes), dict(s.counters), s.budget._promised) for s in states),
        ]

    before = everything()
    for query in ("", "?account=xiaoer", "?account=xiaoer&campaign=spring&priority=100"):
        assert (await rig.get("/v1/customers/acme/c1" + query))[0] == 200
        assert (await rig.get("/v1/customers/acme/nobody" + query))[0] == 404
    for path, found in KNOWN.items():
        assert (await rig.get(path))[0] == found
    assert everything() == before


KNOWN = {
    "/v1/accounts/acme/xiaoer": 200,
    "/v1/accounts/acme/nobody": 404,
    "/v1/campaigns/acme/spring": 200,
    "/v1/campaigns/acme/nothing": 404,
}


# --- who says it ----------------------------------------------------------------------------------


async def test_who_is_elsewhere_is_looked_up_there(rig: Rig) -> None:
    rig.elsewhere(THERE)
    query = "?account=a%3D1&campaign=spring&priority=0"
    status, location = await rig.get("/v1/customers/acme/c1" + query)
    assert status == 307
    assert location == f"http://{THERE}/v1/customers/acme/c1{query}&{REDIRECTED}=1"


async def test_a_location_is_a_request_that_its_worker_understands(rig: Rig) -> None:
    rig.scene.ask("1", "c:1@=.x_-")
    rig.elsewhere(THERE, "acme/c:1@=.x_-")
    _, location = await rig.get("/v1/customers/acme/c:1@=.x_-?account=a:1@=.x_-")
    rig.told.assigned = set(range(PARTITIONS))
    status, body = await rig.get(location.removeprefix(f"http://{THERE}"))
    assert status == 200
    assert body["asked"]["account_id"] == "a:1@=.x_-"


async def test_accounts_and_campaigns_are_looked_up_at_their_own_key_s_owner(rig: Rig) -> None:
    rig.elsewhere(THERE, "acme/xiaoer")
    rig.elsewhere("10.0.0.8:6066", "acme/campaign/autumn")
    _, account = await rig.get("/v1/accounts/acme/xiaoer")
    assert account == f"http://{THERE}/v1/accounts/acme/xiaoer?{REDIRECTED}=1"
    _, campaign = await rig.get("/v1/campaigns/acme/autumn")
    assert campaign == f"http://10.0.0.8:6066/v1/campaigns/acme/autumn?{REDIRECTED}=1"


@pytest.mark.parametrize("owner", [None, "", HERE])
async def test_an_owner_that_is_unknown_or_ourselves_is_no_redirect(
    rig: Rig, owner: str | None
) -> None:
    rig.elsewhere(owner)
    await expect_later(rig, "/v1/customers/acme/c1")


async def test_nobody_is_redirected_twice(rig: Rig) -> None:
    """Two workers, each told that the other is the owner, must not send anybody in a circle."""
    rig.elsewhere(THERE)
    _, location = await rig.get("/v1/customers/acme/c1")
    await expect_later(rig, location.removeprefix(f"http://{THERE}"))


@pytest.mark.parametrize("owner", ["0.0.0.0:6066", "[::]:6066", "10.0.0.7:0", "worker-1:0"])
async def test_an_address_that_means_any_host_or_port_is_no_redirect(rig: Rig, owner: str) -> None:
    rig.elsewhere(owner)
    await expect_later(rig, "/v1/customers/acme/c1")


@pytest.mark.parametrize(
    ("owner", "authority"),
    [("::1:6066", "[::1]:6066"), ("[fd00::7]:6066", "[fd00::7]:6066"), ("worker-1:80",) * 2],
)
async def test_an_address_is_written_as_a_url_has_it(rig: Rig, owner: str, authority: str) -> None:
    rig.elsewhere(owner)
    _, location = await rig.get("/v1/customers/acme/c1")
    assert location == f"http://{authority}/v1/customers/acme/c1?{REDIRECTED}=1"


async def test_a_partition_that_recovers_answers_later(rig: Rig) -> None:
    rig.told.recovering = set(range(PARTITIONS))
    await expect_later(rig, "/v1/customers/acme/c1")
    rig.told.recovering.clear()
    assert (await rig.get("/v1/customers/acme/c1"))[0] == 404


async def expect_later(rig: Rig, path: str) -> None:
    async with rig.http.get(path, allow_redirects=False) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert "ask again" in (await response.json())["error"]


# --- what is not understood -----------------------------------------------------------------------

WRONG = {
    "/v1/customers/a%20b/c1": "`enterprise`",
    "/v1/customers/acme/a%2Fb": "`name`",
    f"/v1/customers/acme/{'x' * 129}": "`name`",
    "/v1/customers/acme/%E5%AE%A2": "`name`",
    "/v1/customers/acme/c1?acount=x": "unknown query parameter",
    "/v1/customers/acme/c1?account=a&account=b": "given twice",
    "/v1/customers/acme/c1?account=": "`account`",
    "/v1/customers/acme/c1?campaign=a%0Ab": "`campaign`",
    "/v1/customers/acme/c1?priority=101": "`priority`",
    "/v1/customers/acme/c1?priority=-1": "`priority`",
    "/v1/customers/acme/c1?priority=%D9%A3": "`priority`",
    "/v1/customers/acme/c1?priority=": "`priority`",
    f"/v1/customers/acme/c1?{REDIRECTED}=2": f"`{REDIRECTED}`",
}


@pytest.mark.parametrize("path", WRONG)
async def test_what_breaks_a_rule_is_400_and_named_without_being_repeated(
    rig: Rig, path: str
) -> None:
    status, body = await rig.get(path)
    assert status == 400
    assert WRONG[path] in body["error"]
    assert "acme" not in body["error"]


async def test_identifiers_of_the_longest_length_are_understood(rig: Rig) -> None:
    assert (await rig.get(f"/v1/customers/{'e' * 128}/{'c' * 128}?priority=100"))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_look_up_can_only_be_read(rig: Rig, method: str) -> None:
    async with rig.http.request(method, "/v1/customers/acme/c1") as response:
        assert response.status == 405


async def test_no_identifier_is_logged(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    rig.scene.ask("1", "c1")
    await rig.get("/v1/customers/acme/c1?account=xiaoer")
    await rig.get("/v1/customers/acme/c1?acount=xiaoer")
    assert "acme" not in caplog.text


def test_a_worker_serves_these_paths_on_this_machine_alone_and_no_others() -> None:
    """Faust would serve its tables' keys to everybody, on a port of its own."""
    worker = Worker(Settings())
    resources = worker.http._runner.app.router.resources()
    assert {resource.canonical for resource in resources} == {
        "/metrics",
        "/livez",
        "/readyz",
        "/v1/customers/{enterprise}/{name}",
        "/v1/accounts/{enterprise}/{name}",
        "/v1/campaigns/{enterprise}/{name}",
    }
    assert Settings().http_address == ("127.0.0.1", 6066)
