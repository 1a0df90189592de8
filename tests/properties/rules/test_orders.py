"""Section 7: what operators have ordered, several at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.core.person import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene


@pytest.mark.rule("R7.2", "R7.4")
def test_of_several_pauses_the_one_that_ends_last_is_told(told: Callable[..., Scene]) -> None:
    scene = told(windows=[])
    scene.control("acme", action="pause", until_ms=scene.start_ms + HOUR)
    scene.control("acme/account/xiaoer", action="pause", until_ms=scene.start_ms + 2 * HOUR)
    scene.at("2s")
    scene.ask("1", if_not_now="deny")
    scene.expect("1", "denied control acme/account/xiaoer +2h")
    scene.ask("held")
    scene.at("1h59m")
    scene.expect("held", "deferred control acme/account/xiaoer +2h")
    scene.at("2h")
    assert scene.story("held")[-1] == "approved ok"


@pytest.mark.rule("R7.2", "R7.4")
def test_a_pause_without_an_end_ends_last(told: Callable[..., Scene]) -> None:
    scene = told(windows=[])
    scene.control("acme", action="pause", until_ms=scene.start_ms + HOUR)
    scene.control("acme/kind/direct", action="pause")
    scene.at("2s")
    scene.ask("1")
    scene.expect("1", "deferred control acme/kind/direct")
    scene.control("acme/kind/direct", action="resume")
    scene.at("4s")
    assert scene.story("1")[-1] == "deferred control acme +1h"
