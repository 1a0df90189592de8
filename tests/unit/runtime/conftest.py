"""A broker in the place of Kafka, for tests of units."""

from __future__ import annotations

import pytest

from streams.runtime import commits
from tests.unit.runtime.unit_rig import Broker


@pytest.fixture
async def kafka(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(commits, "Transactions", broker)
    monkeypatch.setattr(commits, "last_checkpoints", broker.last_checkpoints)
    return broker
