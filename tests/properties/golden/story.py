"""A story with something of everything that is kept, for the dumps that later versions must read.

It ends in the middle of things: intents that nobody has taken, candidates on their way, slices in a
queue, held intents, a pause, an open friend request, an erased customer. `python -m
tests.properties.golden` writes the dump of the present version; once released, a dump is never
written again.
"""

from __future__ import annotations

import gzip
from base64 import b64decode, b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from streams.topics import INTENTS
from tests.flows.accounts import BRAKE, CEILINGS, ONE_A_SECOND, complain
from tests.flows.scene import Scene
from tests.flows.table import TWO_A_DAY
from tests.flows.world import DriverWorld

if TYPE_CHECKING:
    from streams.runtime.testing import DriverRecord

HERE: Final = Path(__file__).parent
PARTITIONS: Final = 2
SECTIONS: Final[dict[str, Any]] = {
    "windows": [TWO_A_DAY],
    "reply": {"credits": 5, "within": "48h"},
    "silence": {"kinds": ["direct"], "ignored": 1, "first": "5d", "factor": 2, "longest": "180d"},
    "consent": {"ask_first": []},
    "suppression": {"kinds": ["direct"], "account": "forever", "enterprise": "30d"},
    "pacing": ONE_A_SECOND,
    "ceilings": CEILINGS,
    "brake": BRAKE,
    "canary": {"kinds": ["broadcast"], "steps": ["10%", "100%"], "hold": "30m", "from_size": 50},
}


def path_of(version: str) -> Path:
    """The dump of a version."""
    return HERE / f"state-{version}.json.gz"


def tell(world: DriverWorld) -> Scene:
    """Play the story; nothing is at rest at its end."""
    scene = Scene(world, "acme")
    scene.policy(1, **SECTIONS)
    _the_customers(scene)
    _the_accounts(scene)
    with_nobody_at_work(scene)
    return scene


def _the_customers(scene: Scene) -> None:
    for name in ("1", "2", "held"):
        scene.ask(name)
    scene.receipt("delivered", "1", at="0s")
    scene.receipt("failed", "2")
    scene.hear("message_received", "bob")
    scene.ask("reply", "bob", kind="reply")
    scene.hear("consent", "carl", allowed=False, time_zone="Asia/Shanghai")
    scene.hear("complained", "dora")
    scene.hear("erase", "emil")


def _the_accounts(scene: Scene) -> None:
    scene.ask("friend", "fred", "gina", "hugo", kind="friend_request", account="li")
    scene.hear("friend_added", "ida", account_id="li", initiated_by="customer")
    scene.ask("handover", "ida", kind="transfer", account="li", to_account_id="wang")
    everyone = [f"c{number}" for number in range(40)]
    scene.ask("spring", *everyone, kind="broadcast", campaign_id="spring", campaign_size=60)
    scene.ask("small", *everyone[:9], kind="broadcast", account="li")
    complain(scene, 8)
    scene.tell_status("gone", "resigned")
    scene.control(f"{scene.enterprise}/account/li", action="brake")


def with_nobody_at_work(scene: Scene) -> None:
    """Records that were written and not decided when the dump was taken."""
    for number in range(3):
        value = scene.intent(f"late-{number}", "zoe", account="li", kind="transactional")
        scene.world.produce(INTENTS, b"acme/li", value)


def dump(world: DriverWorld) -> bytes:
    """Every record of every topic, in the order in which they were written."""
    rows = [
        [r.topic, r.partition, r.timestamp, _text(r.key), _text(r.value)]
        for r in world.driver.read_all()
    ]
    body = orjson.dumps({"now_ms": world.now_ms, "partitions": PARTITIONS, "records": rows})
    return gzip.compress(body, mtime=0)


def restored(data: bytes) -> DriverWorld:
    """A world of today's code that begins with what the dump's version has left."""
    told = orjson.loads(gzip.decompress(data))
    world = DriverWorld(told["partitions"], told["now_ms"])
    for topic, partition, _, key, value in told["records"]:
        world.driver.produce(topic, _bytes(key), _bytes(value), partition)
    world.crash()
    return world


def asked(records: list[DriverRecord]) -> set[tuple[str, str]]:
    """Every intent and customer that the records ask for."""
    intents = [orjson.loads(r.value or b"{}") for r in records if r.topic == INTENTS]
    return {(i["id"], who) for i in intents for who in i["data"]["customer_ids"]}


def _text(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else b64decode(value)
