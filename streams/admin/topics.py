"""Creates and checks the topics of the table `streams.topics` on a cluster.

It creates missing topics and reports differences. Rules of this file: an existing topic is never
changed or deleted, because more partitions would separate customers from their state.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.topics import TOPICS, Topic, Topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping

    from streams.settings import Settings

# The broker's own `default.replication.factor`: the cluster's owner chooses the replication.
BROKER_DEFAULT: Final = -1
LEADERS_TIMEOUT_S: Final = 30.0
CLEANUP: Final = "cleanup.policy"


class TopicsError(Exception):
    """The cluster refused to create a topic, or did not make it ready in time."""


@dataclass(frozen=True, slots=True)
class Existing:
    """A topic as the cluster has it."""

    partitions: int
    cleanup: str


async def ensure(settings: Settings) -> list[str]:
    """Create the topics that are missing and wait for their leaders; the names created.

    Raises TopicsError when the cluster refuses, KafkaError when it cannot be reached.
    """
    names = Topics(settings.prefix)
    async with _admin(settings) as admin:
        existing = await _partitions(admin)
        missing = [topic for topic in TOPICS if names.physical(topic.name) not in existing]
        created = await _create(admin, missing, names, settings.partitions)
        await _wait_for_leaders(admin, {names.physical(topic.name) for topic in TOPICS})
    return created


async def check(settings: Settings) -> list[str]:
    """One line for each topic that is missing or differs in partitions or cleanup policy.

    Raises KafkaError when the cluster cannot be reached.
    """
    names = Topics(settings.prefix)
    async with _admin(settings) as admin:
        partitions = await _partitions(admin)
        ours = [name for name in map(names.physical, _logical()) if name in partitions]
        cleanup = await _cleanup(admin, ours)
    existing = {name: Existing(partitions[name], cleanup.get(name, "?")) for name in ours}
    return mismatches(existing, names, settings.partitions)


def mismatches(existing: Mapping[str, Existing], names: Topics, partitions: int) -> list[str]:
    """One line for each topic that is missing or differs from the table.

    All keyed topics must have the same number of partitions: stages read several of them together
    and write to the partition number that they read from, so a difference would split a customer.
    """
    return [
        line
        for topic in TOPICS
        for line in _differences(topic, names.physical(topic.name), existing, partitions)
    ]


def _differences(
    topic: Topic, name: str, existing: Mapping[str, Existing], partitions: int
) -> Iterable[str]:
    found = existing.get(name)
    if found is None:
        yield f"{name}: missing, or hidden from this user (`decorum acls`)"
        return
    wanted = topic.partition_count(partitions)
    if found.partitions != wanted:
        yield f"{name}: has {found.partitions} partitions, needs {wanted}"
    if found.cleanup != topic.cleanup:
        yield f"{name}: cleanup.policy is {found.cleanup!r}, needs {topic.cleanup!r}"


def _logical() -> list[str]:
    return [topic.name for topic in TOPICS]


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**settings.client_options())
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _described(admin: AIOKafkaAdminClient) -> list[dict[str, Any]]:
    topics: list[dict[str, Any]] = await admin.describe_topics()
    return topics


async def _partitions(admin: AIOKafkaAdminClient) -> dict[str, int]:
    return {topic["topic"]: len(topic["partitions"]) for topic in await _described(admin)}


async def _create(
    admin: AIOKafkaAdminClient, topics: Collection[Topic], names: Topics, partitions: int
) -> list[str]:
    """Create topics; returns the physical names of those that did not exist yet."""
    if not topics:
        return []
    wanted = [
        NewTopic(
            names.physical(topic.name),
            topic.partition_count(partitions),
            BROKER_DEFAULT,
            replica_assignments={},
            topic_configs=topic.configuration(),
        )
        for topic in topics
    ]
    answer = await admin.create_topics(wanted)
    return [name for name, code, reason in answer.topic_errors if _is_new(name, code, reason)]


def _is_new(name: str, code: int, reason: str | None) -> bool:
    """Whether this call created it; another worker may create it at the same moment."""
    error = for_code(code)
    if code and error is not TopicAlreadyExistsError:
        raise TopicsError(f"{name}: {reason or error.__name__}")
    return not code


async def _wait_for_leaders(admin: AIOKafkaAdminClient, wanted: set[str]) -> None:
    """Creation returns before every partition has a leader, so wait for the leaders."""
    leaderless = wanted
    try:
        async with asyncio.timeout(LEADERS_TIMEOUT_S):
            while leaderless := wanted - _with_leaders(await _described(admin)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TopicsError(
            f"no leader after {LEADERS_TIMEOUT_S:.0f} s: {', '.join(sorted(leaderless))}"
        ) from None


def _with_leaders(described: list[dict[str, Any]]) -> set[str]:
    return {
        topic["topic"]
        for topic in described
        if topic["partitions"]
        and all(part["leader"] >= 0 and not part["error_code"] for part in topic["partitions"])
    }


async def _cleanup(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, str]:
    """The cleanup policy of each topic."""
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, {CLEANUP: None}) for name in names]
    found = {}
    for answer in await admin.describe_configs(resources):
        for code, message, _, name, entries in answer.resources:
            if code:
                raise KafkaError(f"{name}: {message or for_code(code).__name__}")
            # The request names CLEANUP only, so there is one entry.
            found[name] = entries[0][1]
    return found
