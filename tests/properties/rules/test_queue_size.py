"""Section 5: an account's queue has an end, and whoever meets it is told."""

from __future__ import annotations

import pytest

from streams.core.account import admit
from tests.flows.scene import Scene
from tests.flows.test_flows import check_balance
from tests.flows.world import DriverWorld


@pytest.mark.rule("R5.13")
def test_who_finds_an_account_s_queue_full_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admit, "QUEUE_MOST", 5)
    world = DriverWorld()
    scene = Scene(world, "acme")
    scene.tell_status("xiaoer", "suspended")
    scene.ask("1", "a", "b", "c", kind="broadcast")
    scene.ask("2", "d", "e", "f", kind="broadcast")
    scene.ask("3", "g", "h", kind="broadcast")
    scene.ask("4", "i", kind="broadcast", account="wang")
    assert [scene.decisions("2", name)[0]["rule"] for name in "def"] == ["max_queue"] * 3
    assert scene.story("2", "d") == ["denied too_many_held max_queue"]
    assert scene.story("3", "g")[0].startswith("deferred account_paused")
    assert scene.story("4", "i")[0].startswith(("approved", "deferred quiet_hours"))
    check_balance(world)
