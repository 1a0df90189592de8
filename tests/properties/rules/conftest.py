"""Worlds in which a rule is told from outside: by what is asked and heard, and what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.scene import Scene
    from tests.flows.world import DriverWorld


@pytest.fixture
def told() -> Callable[..., Scene]:
    """A scene in a world of its own, under a policy of these sections alone."""
    # Not above: the flows' own conftest must be first with them.
    from tests.flows import scene as scenes  # noqa: PLC0415
    from tests.flows import world as worlds  # noqa: PLC0415

    def begin(world: DriverWorld | None = None, **sections: Any) -> Scene:
        scene = scenes.Scene(world or worlds.DriverWorld(), "acme")
        scene.policy(1, **sections)
        return scene

    return begin
