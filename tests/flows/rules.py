"""Flows of policies: who is governed by which, from when on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.flows.table import TWO_A_DAY, flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene


@pytest.mark.rule("R9.5", "R9.8", "R9.10")
@flow(windows=[TWO_A_DAY])
def a_new_version_is_in_force_from_its_time_on(scene: Scene) -> None:
    scene.policy(2, effective_at="2099-01-01T00:00:00Z", windows=[])
    scene.policy(3, effective_at=_at(scene, hours=2), windows=[{**TWO_A_DAY, "limit": 1}])
    scene.ask("1")
    scene.at("1h59m59s999ms")
    scene.ask("2")
    scene.at("2h")
    scene.ask("3", if_not_now="deny")
    assert [scene.decisions(i)[0]["policy_version"] for i in "123"] == [1, 1, 3]
    assert scene.decisions("3")[0]["remaining"] == {"two-a-day": 0}
    scene.expect("2", "approved ok")
    scene.expect("3", "denied window_full two-a-day +1d2h59m59s999ms")


@pytest.mark.rule("R9.4", "R9.7")
@flow(windows=[TWO_A_DAY])
def a_broken_policy_is_refused_and_the_old_one_stays(scene: Scene) -> None:
    broken = scene.policy(2, windows=[{"id": "x", "kinds": ["direct"], "scope": "everyone"}])
    older = scene.policy(1, windows=[])
    again = scene.policy(1, windows=[TWO_A_DAY])
    letter = scene.letter(broken)
    assert letter["reason"] == "refused_policy"
    assert "windows[0]" in letter["error"]
    assert scene.letter(older)["reason"] == "refused_policy"
    assert not [x for x in scene.letters() if (x["topic"], x["offset"]) == (again[0], again[2])]
    scene.ask("1")
    assert scene.decisions("1")[0]["policy_version"] == 1


@pytest.mark.rule("R9.6", "R9.8")
@flow()
def who_has_no_policy_has_the_packaged_one(scene: Scene) -> None:
    scene.ask("1", kind="transactional")
    decision = scene.decisions("1")[0]
    assert (decision["policy"], decision["policy_version"]) == ("wecom", 1)


def _at(scene: Scene, hours: int) -> str:
    moment = datetime.fromtimestamp(scene.start_ms / 1000 + 3600 * hours, UTC)
    return moment.isoformat().replace("+00:00", "Z")
