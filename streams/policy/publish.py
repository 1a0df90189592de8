"""A policy document goes onto its topic.

Nothing is published that was not parsed, and what is published is exactly what was parsed.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.core.written import rfc3339
from streams.policy.files import PolicyError, accepted, load_file
from streams.policy.parse import parse_policy
from streams.topics import Topics

if TYPE_CHECKING:
    from pathlib import Path

    from streams.core.policy import Policy
    from streams.settings import Settings

EVENT_TYPE: Final = "decorum.policy.v1"
SOURCE: Final = "decorum-cli"

READING_TIMEOUT_S: Final = 30.0
"""The topic holds a few kilobytes for each policy ever published; minutes would be an outage."""


async def publish(settings: Settings, path: Path) -> str:
    """Validate a policy file and write it to the topic; one line that says what was done.

    Its version must be above every version already published for its enterprise, those not yet
    effective included: a lower one could never come into force. Two people who publish the same
    version at the same moment are not kept apart; the later record stands.

    Raises PolicyError, or KafkaError when the cluster cannot be reached.
    """
    document, policy = load_file(path)
    topic = Topics(settings.prefix).policies
    highest = await _highest_version(settings, topic, policy.enterprise)
    accepted(document, in_force=highest)
    await _write(settings, topic, f"{policy.enterprise}/{policy.version}", document)
    return (
        f"published {policy.name} version {policy.version} for {policy.enterprise}{_from(policy)}"
    )


def _from(policy: Policy) -> str:
    if policy.effective_at_ms is None:
        return ", in force at once"
    return f", in force from {rfc3339(policy.effective_at_ms)}"


async def _highest_version(settings: Settings, topic: str, enterprise: str) -> int | None:
    try:
        async with asyncio.timeout(READING_TIMEOUT_S):
            values = await _values(settings, topic)
    except TimeoutError as error:
        line = f"the topic {topic} could not be read within {READING_TIMEOUT_S:.0f} s"
        raise PolicyError([line]) from error
    policies = [policy for value in values if (policy := _policy_in(value))]
    return max((p.version for p in policies if p.enterprise == enterprise), default=None)


def _policy_in(value: bytes) -> Policy | None:
    """The policy of a record; nothing where the workers refuse it too."""
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(event, dict) or event.get("type") != EVENT_TYPE:
        return None
    return parse_policy(event.get("data"))[0]


async def _values(settings: Settings, topic: str) -> list[bytes]:
    """Every record that stands on the topic now."""
    values: list[bytes] = []
    consumer = AIOKafkaConsumer(**settings.client_options(), auto_offset_reset="earliest")
    try:
        await consumer.start()
        await _must_exist(consumer, topic)
        # The topic has one partition, because the order of policies counts for everybody.
        partition = TopicPartition(topic, 0)
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.assign([partition])
        while await consumer.position(partition) < end:
            records = (await consumer.getmany(timeout_ms=500)).get(partition, [])
            values += [record.value for record in records if record.value is not None]
    finally:
        await consumer.stop()
    return values


async def _must_exist(consumer: AIOKafkaConsumer, topic: str) -> None:
    """Asked first, because a broker may create a topic that is only asked for, and wrongly."""
    if topic not in await consumer.topics():
        raise PolicyError([f"the topic {topic} does not exist; create it with `decorum topics`"])


async def _write(settings: Settings, topic: str, name: str, document: dict[str, Any]) -> None:
    event = {
        "specversion": "1.0",
        "id": name,
        "source": SOURCE,
        "type": EVENT_TYPE,
        "time": rfc3339(time.time_ns() // 1_000_000),
        "datacontenttype": "application/json",
        "data": document,
    }
    producer = AIOKafkaProducer(**settings.client_options(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, orjson.dumps(event), key=name.encode())
    finally:
        await producer.stop()
