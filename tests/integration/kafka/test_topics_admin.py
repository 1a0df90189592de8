from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.admin import NewTopic

from streams.admin.topics import check, ensure
from streams.settings import Settings
from streams.topics import TOPICS
from tests.support.topics import make

if TYPE_CHECKING:
    from streams.local.kafka import LocalKafka


async def test_creates_what_is_missing_and_nothing_twice(kafka: LocalKafka, prefix: str) -> None:
    settings = Settings(kafka=kafka.bootstrap, prefix=prefix, partitions=2)
    faults = await check(settings)
    assert [fault.partition(": missing")[0] for fault in faults] == [
        f"{prefix}{topic.name}" for topic in TOPICS
    ]

    assert await ensure(settings) == [f"{prefix}{topic.name}" for topic in TOPICS]

    assert await check(settings) == []
    assert await ensure(settings) == []


async def test_leaves_what_exists_and_reports_how_it_differs(
    kafka: LocalKafka, prefix: str
) -> None:
    settings = Settings(kafka=kafka.bootstrap, prefix=prefix, partitions=2)
    await make(settings.client_options(), [NewTopic(f"{prefix}account-limits", 3, 1)])

    created = await ensure(settings)

    assert f"{prefix}account-limits" not in created
    assert len(created) == len(TOPICS) - 1
    assert await check(settings) == [
        f"{prefix}account-limits: has 3 partitions, needs 2",
        f"{prefix}account-limits: cleanup.policy is 'delete', needs 'compact'",
    ]
