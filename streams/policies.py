"""Policy documents on disk and on their topic: reading, checking, publishing.

The edge around `core.policy_file`: files, YAML and Kafka are here, what a document means is there.
Nothing is published that was not parsed, and what is published is exactly what was parsed.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.core.policy_file import parse_policy
from streams.core.policy_notes import notes
from streams.resources import schema_path
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from pathlib import Path

    from streams.core.policy import Policy
    from streams.settings import Settings

EVENT_TYPE: Final = "decorum.policy.v1"
SOURCE: Final = "decorum-cli"

READING_TIMEOUT_S: Final = 30.0
"""The topic holds a few kilobytes for each policy ever published; minutes would be an outage."""

_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


class PolicyError(Exception):
    """A policy cannot be used; `lines` says why, one complete line for each fault."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class _Loader(yaml.SafeLoader):
    """YAML as JSON-like data: times stay strings, and no key may stand twice."""

    # Without it 2026-11-22T02:00:00Z stays the string that JSON would have carried.
    yaml_implicit_resolvers = {  # noqa: RUF012 - so declared by the base class
        first: [(tag, form) for tag, form in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the base class's signature
        _refuse_twice(node)
        return super().construct_mapping(node, deep=deep)


def _refuse_twice(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key `{key.value}` stands twice", key.start_mark
            )
        seen.add(key.value)


def read_document(path: Path) -> object:
    """The plain data in a YAML or JSON file.

    Raises PolicyError with file, line and column where it cannot be read.
    """
    try:
        return yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise PolicyError([f"{path}: {error.strerror or error}"]) from error
    except yaml.MarkedYAMLError as error:
        raise PolicyError([f"{path}{_place(error)}: {error.problem}"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # Not UTF-8; a number of thousands of digits; brackets nested a thousand deep.
        raise PolicyError([f"{path}: {' '.join(str(error).split())}"]) from error


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def check_file(path: Path) -> list[str]:
    """Every fault of a policy file, one line each; empty when it may be published."""
    try:
        load_file(path)
    except PolicyError as error:
        return list(error.lines)
    return []


def notes_on_file(path: Path) -> list[str]:
    """What a policy file leaves ungoverned, one line each. Raises PolicyError on faults."""
    return notes(load_file(path)[1])


def load_file(path: Path) -> tuple[dict[str, Any], Policy]:
    """The document as written, and the policy it says. Raises PolicyError with all faults."""
    return _accepted(read_document(path), in_force=None)


def packaged(name: str = "wecom") -> tuple[dict[str, Any], Policy]:
    """A policy that comes with Decorum. Raises FileNotFoundError for an unknown name."""
    return load_file(schema_path("policies", f"{name}.yaml"))


def _accepted(document: object, *, in_force: int | None) -> tuple[dict[str, Any], Policy]:
    policy, faults = parse_policy(document, in_force=in_force)
    if policy is None or not isinstance(document, dict):
        raise PolicyError(str(fault) for fault in faults)
    return document, policy


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
    _accepted(document, in_force=highest)
    await _write(settings, topic, f"{policy.enterprise}/{policy.version}", document)
    return (
        f"published {policy.name} version {policy.version} for {policy.enterprise}{_from(policy)}"
    )


def _from(policy: Policy) -> str:
    if policy.effective_at_ms is None:
        return ", in force at once"
    moment = datetime.fromtimestamp(policy.effective_at_ms / 1000, UTC)
    return f", in force from {_rfc_3339(moment)}"


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
        "time": _rfc_3339(datetime.now(UTC)),
        "datacontenttype": "application/json",
        "data": document,
    }
    producer = AIOKafkaProducer(**settings.client_options(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, orjson.dumps(event), key=name.encode())
    finally:
        await producer.stop()


def _rfc_3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
