"""Topics that tests make and remove by themselves: ready when they are told to be.

Options are those of any aiokafka client.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.topics import TOPICS
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from aiokafka.admin import NewTopic

PATIENCE_S: Final = 30.0


def partition_counts(partitions: int) -> dict[str, int]:
    """How many partitions each of Decorum's topics has, by its logical name."""
    return {topic.name: topic.partition_count(partitions) for topic in TOPICS}


def partitions_of(topic: str, count: int) -> list[TopicPartition]:
    """All partitions of a topic, in order."""
    return [TopicPartition(topic, number) for number in range(count)]


@asynccontextmanager
async def admin(options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client for as long as the block runs."""
    client = AIOKafkaAdminClient(**options)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def make(options: Mapping[str, Any], topics: Sequence[NewTopic]) -> None:
    """Create topics and wait until each partition has a leader.

    Raises AssertionError for a topic that exists already or is refused.
    """
    names = [topic.name for topic in topics]
    async with admin(options) as client:
        answer = await client.create_topics(list(topics))
        assert not [error for error in answer.topic_errors if error[1]], answer.topic_errors
        await until(lambda: _led(client, names), PATIENCE_S)


async def _led(client: AIOKafkaAdminClient, names: list[str]) -> bool:
    described = await client.describe_topics(names)
    return all(
        topic["error_code"] == 0 and all(part["leader"] >= 0 for part in topic["partitions"])
        for topic in described
    )


async def remove(options: Mapping[str, Any], topics: Collection[str]) -> None:
    """Delete topics and wait until the cluster lists none of them."""
    async with admin(options) as client:
        await client.delete_topics(list(topics))
        await until(lambda: _gone(client, topics), PATIENCE_S)


async def _gone(client: AIOKafkaAdminClient, topics: Collection[str]) -> bool:
    return set(await client.list_topics()).isdisjoint(topics)
