"""Section 9: a stored version that this release cannot read governs, or nothing does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest

from streams.policy.files import packaged
from streams.runtime.failure import StartRefusedError
from streams.stages.rules import Rules
from tests.flows import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene

STRANGE: Final[dict[str, Any]] = {"tomorrow": 1}
"""A section that another release knows."""


def rules(*versions: tuple[str, int, dict[str, Any]]) -> Rules:
    """What a worker knows of versions that were accepted by some release, each at its number."""
    known = Rules(packaged()[1])
    for enterprise, number, sections in versions:
        document = events.policy(enterprise, number, **sections)
        value = orjson.dumps({"recorded_at_ms": number, "document": document})
        known.apply(f"policy/{enterprise}/{number}".encode(), value)
    return known


@pytest.mark.rule("R9.16")
@pytest.mark.parametrize("enterprise", ["acme", "*"])
def test_no_start_under_a_version_that_cannot_be_read(enterprise: str) -> None:
    known = rules(("acme", 1, {}), ("*", 1, {}), (enterprise, 2, STRANGE))
    says = (
        rf"policy {enterprise.replace('*', '.')} version 2 .*tomorrow: .*Publish a higher version"
    )
    with pytest.raises(StartRefusedError, match=says):
        known.refuse_unread(10)


@pytest.mark.rule("R9.16")
def test_it_governs_nobody_else_and_nothing_takes_its_place() -> None:
    known = rules(("*", 1, {}), ("acme", 1, {}), ("acme", 2, STRANGE))
    with pytest.raises(StartRefusedError, match="policy acme version 2"):
        known.policy("acme", 10)
    with pytest.raises(StartRefusedError):
        known.kind_rules("acme", 10)
    assert known.policy("other", 10).version == 1


@pytest.mark.rule("R9.16")
def test_one_that_is_over_is_no_matter() -> None:
    known = rules(("acme", 1, STRANGE), ("acme", 2, {}), ("other", 1, STRANGE))
    known.apply(b"policy/other/1", None)
    known.refuse_unread(10)
    assert known.policy("acme", 10).version == 2
    assert known.policy("other", 10).name == "wecom"


@pytest.mark.rule("R9.16")
def test_one_that_was_replaced_by_a_version_to_come_governs_until_then() -> None:
    later = {"effective_at": "2031-01-01T00:00:00Z"}
    known = rules(("acme", 1, STRANGE), ("acme", 2, later))
    with pytest.raises(StartRefusedError, match="policy acme version 1"):
        known.refuse_unread(10)
    known.refuse_unread(2_000_000_000_000)


@pytest.mark.rule("R9.16")
def test_a_batch_that_needs_it_decides_nothing(told: Callable[..., Scene]) -> None:
    scene = told()
    known = scene.world._rules  # type: ignore[attr-defined]
    document = events.policy("acme", 2, **STRANGE)
    value = orjson.dumps({"recorded_at_ms": scene.start_ms, "document": document})
    known.apply(b"policy/acme/2", value)
    with pytest.raises(StartRefusedError, match="policy acme version 2"):
        scene.ask("1")
    assert scene.story("1") == []
