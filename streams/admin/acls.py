"""Kafka's ACLs for each role, derived from the table of topics.

`decorum acls`, the KafkaUsers under `deploy/` and the table in `docs/deploy.md` come from here.
Rules of this file: it names topics only through `topics`, gives no role more than it uses, and
never talks to Kafka. The rights that each request of a client needs:
https://kafka.apache.org/documentation/#operations_resources_and_protocols
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from streams.topics import (
    ACCOUNT_LIMITS,
    APPROVED,
    CAMPAIGN_STATUS,
    CONTROLS,
    DEAD_LETTERS,
    DECISIONS,
    ENTERPRISE_LIMITS,
    INTENTS,
    INTERACTIONS,
    LIMIT_CHANGES,
    POLICIES,
    TOPICS,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Operation = Literal["Create", "Describe", "DescribeConfigs", "Read", "Write"]
"""Kafka's own names. `Read` and `Write` imply `Describe`, the others do not; `Write` on a topic
implies the right to write idempotently."""
Resource = Literal["topic", "group", "transactional-id"]

ENGINE_GROUP: Final = "decorum"
"""The consumer group of the workers; their transactional ids begin with it and a dash."""

# The engine forwards records with a wrong key or partition to where they belong.
FORWARDED: Final = (INTENTS, INTERACTIONS)
ANSWERS: Final = (DECISIONS, ACCOUNT_LIMITS, CAMPAIGN_STATUS, ENTERPRISE_LIMITS, LIMIT_CHANGES)


class Role(NamedTuple):
    """One kind of client of the cluster, with the logical topics it works on."""

    name: str
    purpose: str
    reads: Collection[str] = ()
    writes: Collection[str] = ()
    creates: Collection[str] = ()
    describes: Collection[str] = ()
    """May see partitions and end offsets, but read no record."""
    checks: Collection[str] = ()
    """May read the configuration, to compare it with the table."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Operations on resources of one type; `prefixed`: on all whose names begin with these."""

    resource: Resource
    names: tuple[str, ...]
    operations: tuple[Operation, ...]
    prefixed: bool = False


def _topics_that_go(*directions: str) -> tuple[str, ...]:
    return tuple(topic.name for topic in TOPICS if topic.direction in directions)


ALL: Final = tuple(topic.name for topic in TOPICS)

ENGINE: Final = Role(
    "engine",
    "the workers: `decorum worker`",
    reads=_topics_that_go("in", "internal"),
    writes=(*FORWARDED, *_topics_that_go("out", "internal")),
    checks=ALL,
)
MONITOR: Final = Role(
    "monitor",
    "sees how far the workers are behind: lag exporters, KEDA",
    describes=_topics_that_go("in", "internal"),
)
ROLES: Final = (
    ENGINE,
    Role(
        "producer",
        "asks, and tells what customers did",
        writes=(INTENTS, INTERACTIONS),
    ),
    Role(
        "sender",
        "sends what is approved, and reports what became of it",
        reads=APPROVED,
        writes=(INTERACTIONS,),
    ),
    Role("reader", "looks at the answers: why, until when, at what limits", reads=ANSWERS),
    Role(
        "operator",
        "`decorum policy publish`, `decorum control`; sees what was refused",
        reads=(POLICIES, CONTROLS, DEAD_LETTERS),
        writes=(POLICIES, CONTROLS),
    ),
    MONITOR,
    Role(
        "admin", "`decorum topics`: creates what is missing", creates=ALL, describes=ALL, checks=ALL
    ),
)


def user_name(role: Role, prefix: str = "") -> str:
    """The user name of a role: `decorum-sender`, with `DECORUM_PREFIX` before it."""
    return f"{prefix}decorum-{role.name}"


def grants(role: Role, prefix: str = "") -> tuple[Grant, ...]:
    """The rights that a role needs, with physical names.

    Roles that read have consumer groups of their own, whose names begin with the role's.
    """
    return (*_topics(role, prefix), *_groups(role, prefix))


def _topics(role: Role, prefix: str) -> Iterable[Grant]:
    """One grant for all topics with the same operations, in the order of the table."""
    alike: dict[tuple[Operation, ...], list[str]] = {}
    for name in ALL:
        if operations := _operations(role, name):
            alike.setdefault(operations, []).append(f"{prefix}{name}")
    for operations, names in alike.items():
        yield Grant("topic", tuple(names), operations)


def _operations(role: Role, topic: str) -> tuple[Operation, ...]:
    table: tuple[tuple[Operation, Collection[str]], ...] = (
        ("Create", role.creates),
        ("Describe", role.describes),
        ("DescribeConfigs", role.checks),
        ("Read", role.reads),
        ("Write", role.writes),
    )
    return tuple(operation for operation, topics in table if topic in topics)


def _groups(role: Role, prefix: str) -> Iterable[Grant]:
    group = f"{prefix}{ENGINE_GROUP}"
    if role is ENGINE:
        yield Grant("group", (group,), ("Read",))
        yield Grant("transactional-id", (f"{group}-",), ("Write",), prefixed=True)
    elif role is MONITOR:
        yield Grant("group", (group,), ("Describe",))
    elif role.reads:
        yield Grant("group", (f"{prefix}{role.name}",), ("Read",), prefixed=True)


def command_arguments(role: Role, prefix: str = "") -> list[list[str]]:
    """For each grant, the arguments of `kafka-acls.sh` that add it."""
    return [_arguments(grant, user_name(role, prefix)) for grant in grants(role, prefix)]


def _arguments(grant: Grant, name: str) -> list[str]:
    arguments = ["--add", "--allow-principal", f"User:{name}"]
    for operation in grant.operations:
        arguments += ["--operation", operation]
    if grant.prefixed:
        arguments += ["--resource-pattern-type", "prefixed"]
    for resource in grant.names:
        arguments += [f"--{grant.resource}", resource]
    return arguments


def commands(servers: str, prefix: str = "") -> list[str]:
    """Shell commands that grant every role its rights; a comment names each role.

    `admin.properties` is the file with the login of a user who may alter ACLs.
    """
    tool = ["kafka-acls.sh", "--bootstrap-server", servers, "--command-config", "admin.properties"]
    lines = []
    for role in ROLES:
        lines.append(f"# {user_name(role, prefix)}: {role.purpose}")
        lines += [shlex.join([*tool, *arguments]) for arguments in command_arguments(role, prefix)]
    return lines
