"""Brokers forget a transactional id that writes nothing for a week; here, for two seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams.local.kafka import LocalKafka
from tests.integration.kafka.late_rig import committed, writing
from tests.integration.kafka.runtime_rig import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORGETS_MS = 2_000
LOOKS_MS = 200


@pytest.fixture
def forgetful(kafka_tools: None, tmp_path: Path) -> Iterator[LocalKafka]:
    properties = {
        "transactional.id.expiration.ms": str(FORGETS_MS),
        "transaction.remove.expired.transaction.cleanup.interval.ms": str(LOOKS_MS),
    }
    with LocalKafka(tmp_path / "kafka", properties=properties) as broker:
        yield broker


async def test_a_unit_that_was_quiet_for_a_week_is_known_again_with_its_first_batch(
    forgetful: LocalKafka, prefix: str
) -> None:
    """For the price of a fence, and not of a restart."""
    rig = Rig(forgetful.bootstrap, prefix)
    async with writing(rig) as writer:
        await asyncio.sleep(2 * FORGETS_MS / 1_000)
        await writer.write(b"1")
        assert writer.members.doubts == [False]
        assert await committed(rig) == [b"0", b"1"]
