"""Brokers forget a transactional id that writes nothing for a week; here, for two seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.lane import transaction
from streams.lane.transaction import Transactions
from streams.local.kafka import LocalKafka
from tests.kafka.lane_rig import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.lane.batch import Writes

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


async def test_an_idle_unit_is_not_forgotten_because_it_writes_once_a_day(
    forgetful: LocalKafka, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that, the first record after a quiet week would cost the worker a restart."""
    monkeypatch.setattr(transaction, "KEEP_ALIVE_S", FORGETS_MS / 4_000)
    rig = Rig(forgetful.bootstrap, prefix)
    await rig.create({"out": 1})
    where = {TopicPartition(prefix + "out", 0): 0}
    something: Writes = {(prefix + "out", 0): [(b"k", b"v")]}
    kept, idle = [await Transactions.fence(rig.options, f"{prefix}{n}", prefix) for n in "ab"]
    try:
        await kept.write(something, where)
        await idle.write(something, where)
        for _ in range(30):
            await asyncio.sleep(2 * FORGETS_MS / 1_000 / 30)
            if kept.owes:
                await kept.write(something, where)
        await kept.write(something, where)
        with pytest.raises(KafkaError):
            await idle.write(something, where)
    finally:
        await kept.close()
        await idle.close()
