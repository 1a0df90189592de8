"""State that an earlier version has written is read by this one, and everything in it ends well.

One dump stands here for each version, the present one included. If a test fails for the present
version before its release, `python -m tests.properties.golden` writes its dump anew; for a released
one the code is wrong.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import orjson
import pytest

from streams import __version__
from streams.topics import ACCOUNT_LIMITS, DECISIONS, INTENTS
from tests.flows.test_flows import check_balance
from tests.flows.world import DAY_MS
from tests.properties.golden.story import HERE, asked, path_of, restored

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flows.world import DriverWorld

DUMPS = sorted(HERE.glob("state-*.json.gz"))
ENDS = {"approved", "denied", "duplicate", "held_out", "expired", "cancelled"}

versions = pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.stem)


def decided(world: DriverWorld) -> list[tuple[str, str, str]]:
    found = [orjson.loads(record.value or b"{}")["data"] for record in world.read(DECISIONS)]
    return [(d["intent_id"], d["customer_id"], d["outcome"]) for d in found]


def test_this_version_has_a_dump() -> None:
    assert path_of(__version__) in DUMPS


@versions
def test_what_was_under_way_ends_once(path: Path) -> None:
    world = restored(path.read_bytes())
    before = Counter(decided(world))
    assert any(outcome == "deferred" for *_, outcome in before)
    world.advance(world.now_ms + 60 * DAY_MS)
    ends = Counter((intent, who) for intent, who, outcome in decided(world) if outcome in ENDS)
    wanted = asked(list(world.driver.read(INTENTS)))
    assert set(ends) == wanted
    assert set(ends.values()) == {1}
    check_balance(world)


@versions
def test_what_was_counted_still_counts(path: Path) -> None:
    world = restored(path.read_bytes())
    world.settle()
    value = orjson.dumps(
        {
            "specversion": "1.0",
            "id": "once-more",
            "source": "tests",
            "type": "decorum.intent.v1",
            "data": {
                "enterprise_id": "acme",
                "account_id": "xiaoer",
                "kind": "direct",
                "customer_ids": ["carl", "dora", "emil"],
                "if_not_now": "deny",
            },
        }
    )
    world.produce(INTENTS, b"acme/xiaoer", value)
    world.settle()
    found = [orjson.loads(record.value or b"{}")["data"] for record in world.read(DECISIONS)]
    reasons = {d["customer_id"]: d["reason"] for d in found if d["intent_id"] == "once-more"}
    assert reasons == {"carl": "no_consent", "dora": "suppressed", "emil": "suppressed"}
    limits = [orjson.loads(record.value or b"{}")["data"] for record in world.read(ACCOUNT_LIMITS)]
    last = {data["account_id"]: data for data in limits}
    assert last["xiaoer"]["grade"] == "paused"
    assert last["li"]["relations"] == 1
