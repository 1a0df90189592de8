"""What the schemas promise is what leaves the engine: `DriverWorld` looks at every output record.

Here: that it does look, and what is furthest from the ordinary in a decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest

from streams.topics import CONTROLS, DECISIONS, TOPICS
from tests.flows import events
from tests.support import published

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

LONGEST: Final = "Ab0_-.:@=" * 14 + "xy"
ALL_DAY: Final = {"kinds": ["direct"], "from": "00:00", "to": "23:59"}


@pytest.mark.rule("R1.20")
def test_every_output_topic_has_a_schema() -> None:
    outputs = {topic.name for topic in TOPICS if topic.direction == "out"}
    assert outputs == published.SCHEMA_OF.keys()
    assert set(published.SCHEMA_OF.values()) <= published.VALIDATORS.keys()


@pytest.mark.rule("R1.20")
@pytest.mark.parametrize(
    "scope", ["*", LONGEST, f"{LONGEST}/account/{LONGEST}", f"{LONGEST}/kind/direct"]
)
def test_a_decision_that_names_the_scope_of_a_pause(told: Callable[..., Scene], scope: str) -> None:
    scene = told()
    scene.enterprise = LONGEST
    order = {"action": "pause", "scope": scope, "by": "tests", "why": "a flow"}
    scene.put(CONTROLS, scope.encode(), events.event("c", "control", order))
    scene.at("1s")
    scene.ask("1", account=LONGEST)
    assert scene.decisions("1")[0]["rule"] == scope


@pytest.mark.rule("R1.20")
@pytest.mark.parametrize(
    ("rule", "sections"),
    [
        ("quiet_hours", {"quiet_hours": ALL_DAY}),
        ("unknown_zone", {"quiet_hours": ALL_DAY, "unknown_zone": "deny"}),
        ("max_held", {"quiet_hours": ALL_DAY, "max_held": 1}),
        ("z" * 64, {"windows": [{"id": "z" * 64, "kinds": ["direct"], "scope": "account"}]}),
    ],
)
def test_a_decision_that_names_its_rule(
    told: Callable[..., Scene], rule: str, sections: dict[str, Any]
) -> None:
    for window in sections.get("windows", ()):
        window |= {"limit": 1, "rolling": "1h"}
    scene = told(**sections)
    scene.ask("1")
    scene.ask("2")
    assert rule in {data["rule"] for data in scene.everything(DECISIONS) if "rule" in data}


@pytest.mark.rule("R1.20")
@pytest.mark.parametrize(
    "wrong", [{"rule": "quiet hours"}, {"reason": "tired"}, {"decided_at_ms": 5}, {"remaining": 1}]
)
def test_one_that_breaks_its_schema_is_seen_after_many_like_it(
    told: Callable[..., Scene], wrong: dict[str, Any]
) -> None:
    scene = told(quiet_hours=ALL_DAY)
    for number in range(3):
        scene.ask(str(number))
    event = orjson.loads(scene.world.read(DECISIONS)[-1].value or b"")
    published.check(DECISIONS, orjson.dumps(event))
    event["data"] |= wrong
    with pytest.raises(AssertionError, match=f"decisions.*{next(iter(wrong))}"):
        published.check(DECISIONS, orjson.dumps(event))
