"""Everything in this directory talks to a real Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.kafka.runtime_rig import Rig, rig_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Cluster

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.kafka)


@pytest.fixture
async def rig(kafka: Cluster, prefix: str) -> AsyncIterator[Rig]:
    """One test's corner of the cluster, without topics; none of its workers outlives the test."""
    async with rig_on(kafka, prefix) as rig:
        yield rig
