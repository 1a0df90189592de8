"""Flows of feedback: what customers and platforms say of a message, and whose affair that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.flows.accounts import BRAKE, ONE_A_SECOND, complain
from tests.flows.table import flow

if TYPE_CHECKING:
    from tests.flows.scene import Scene

DISTURBING = ("direct", "broadcast", "moment", "friend_request")


@pytest.mark.rule("R6.61")
@flow(brake=BRAKE)
def an_account_that_is_off_disturbs_nobody_whatever_the_policy_lists(scene: Scene) -> None:
    for moment in ("0s", "3h1s"):
        scene.at(moment)
        complain(scene, 8)
    assert scene.limits("xiaoer")["grade"] == "off"
    for version, sections in ((1, None), (2, {}), (3, {"pacing": ONE_A_SECOND})):
        if sections is not None:
            scene.policy(version, **sections)
        for kind in DISTURBING:
            scene.ask(f"{kind}-{version}", "x", kind=kind)
            assert scene.story(f"{kind}-{version}", "x")[0].startswith("deferred account_paused")
        for kind in ("transactional", "reply"):
            scene.ask(f"{kind}-{version}", "x", kind=kind)
            scene.expect(f"{kind}-{version}", "approved ok", customer="x")
