"""Publishes a policy document to the topic `policies`.

Rules of this file: only a document that was parsed without a fault is published, exactly as parsed.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.core.written import rfc3339
from streams.events.decode import decode_policy
from streams.events.envelope import Rejected
from streams.events.policies import POLICY_TYPE
from streams.policy.files import PolicyError, accepted, load_file
from streams.policy.parse import parse_policy
from streams.topics import Topics

if TYPE_CHECKING:
    from pathlib import Path

    from streams.core.policy import Policy
    from streams.settings import Settings

SOURCE: Final = "decorum-cli"

READING_TIMEOUT_S: Final = 30.0
"""The topic has a few kilobytes for each policy ever published, so a longer read is an outage."""


async def publish(settings: Settings, path: Path) -> str:
    """Validate a policy file and write it to the topic; one line that says what was done.

    Its version must be above every version published for its enterprise, those not yet effective
    included: a lower one could never come into force. Two people who publish the same version at
    the same moment are not detected; the later record holds.

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
    """The policy of a record; None where the workers refuse the record."""
    event = decode_policy(value)
    return None if isinstance(event, Rejected) else parse_policy(event.data)[0]


async def _values(settings: Settings, topic: str) -> list[bytes]:
    """The values of all records that are on the topic now."""
    values: list[bytes] = []
    consumer = AIOKafkaConsumer(**settings.client_options(), auto_offset_reset="earliest")
    try:
        await consumer.start()
        await _must_exist(consumer, topic)
        # The topic has one partition, because all workers need the policies in one order.
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
    """Check first: a broker may create a missing topic on request, with the wrong settings."""
    if topic not in await consumer.topics():
        raise PolicyError([f"the topic {topic} does not exist; create it with `decorum topics`"])


async def _write(settings: Settings, topic: str, name: str, document: dict[str, Any]) -> None:
    event = {
        "specversion": "1.0",
        "id": name,
        "source": SOURCE,
        "type": POLICY_TYPE,
        "time": rfc3339(time.time_ns() // 1_000_000),
        "datacontenttype": "application/json",
        "data": document,
    }
    producer = AIOKafkaProducer(**settings.client_options(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, msgspec.json.encode(event), key=name.encode())
    finally:
        await producer.stop()
