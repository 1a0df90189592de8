"""A real Kafka with TLS, SCRAM logins and Kafka's own authorizer, for the tests of security.

Its plain listener is the super user's; every role comes in through the other one, with what
`decorum acls` prints and nothing more.
"""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka.protocol.admin import CreateAclsRequest

from streams.admin.acls import ENGINE, ROLES, Grant, commands, grants, user_name
from streams.local.jars import find_java, jars_directory
from streams.local.kafka import HOST, JVM, LocalKafka, free_port
from streams.settings import PREFIX, Settings
from tests.integration.kafka.certificates import Authority, broker_identity
from tests.support.topics import admin
from tests.support.workers import free_address, inherited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiokafka.admin import AIOKafkaAdminClient

TOPICS_PREFIX = "guarded-"
MECHANISM = "SCRAM-SHA-512"
# Kafka's own numbers: org.apache.kafka.common.{resource.ResourceType,acl.AclOperation,…}.
RESOURCES = {"topic": 2, "group": 3, "transactional-id": 5}
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
LITERAL, PREFIXED, ALLOW = 3, 4, 3
ACL_TOOL = "org.apache.kafka.tools.AclCommand"


@dataclass(frozen=True)
class SecuredKafka:
    """The cluster as its clients see it."""

    bootstrap: str
    authority: Path

    def environment(self, role: str, **others: str) -> dict[str, str]:
        """A role's settings as variables, in an environment without other settings of ours."""
        return {
            **inherited(),
            "DECORUM_KAFKA": self.bootstrap,
            "DECORUM_PREFIX": TOPICS_PREFIX,
            "DECORUM_PARTITIONS": "2",
            "DECORUM_HTTP": free_address(),
            "DECORUM_SASL_MECHANISM": MECHANISM,
            "DECORUM_SASL_USERNAME": f"{TOPICS_PREFIX}decorum-{role}",
            "DECORUM_SASL_PASSWORD": password(f"{TOPICS_PREFIX}decorum-{role}"),
            "DECORUM_SSL_ENABLED": "true",
            "DECORUM_SSL_CA": str(self.authority),
            **others,
        }

    def settings(self, role: str) -> Settings:
        values = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in self.environment(role).items()
            if name.startswith(PREFIX)
        }
        return Settings.model_validate(values)


def password(name: str) -> str:
    return f"secret-of-{name}"


@contextmanager
def secured_kafka(directory: Path) -> Iterator[SecuredKafka]:
    """The cluster, with every role's login and ACLs, and no topics yet."""
    authority = Authority(directory, "authority")
    port = free_port()
    broker = LocalKafka(
        directory / "kafka",
        properties=_properties(port, authority, directory),
        users={name: password(name) for name in (user_name(role, TOPICS_PREFIX) for role in ROLES)},
    )
    with broker:
        _allow(broker.bootstrap, directory)
        yield SecuredKafka(f"{HOST}:{port}", authority.pem)


def _properties(port: int, authority: Authority, directory: Path) -> dict[str, str]:
    identity = broker_identity(authority, directory, HOST)
    plain, guarded = f"PLAINTEXT://{HOST}:$port", f"GUARDED://{HOST}:{port}"
    return {
        "listeners": f"{plain},CONTROLLER://{HOST}:$controller_port,{guarded}",
        "advertised.listeners": f"{plain},{guarded}",
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_SSL"
        ),
        "sasl.enabled.mechanisms": MECHANISM,
        "listener.name.guarded.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": str(identity.store),
        "ssl.keystore.password": identity.password,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }


def _allow(bootstrap: str, directory: Path) -> None:
    """The engine's ACLs as `decorum acls` prints them, by the class that kafka-acls.sh starts; the
    others', for the time that a Java program a line would take, by Kafka's own request.
    """
    (directory / "admin.properties").touch()
    tool = [find_java(), *JVM, "-cp", f"{jars_directory()}/*", ACL_TOOL]
    engine = f"User:{user_name(ENGINE, TOPICS_PREFIX)} "
    lines = [line for line in commands(bootstrap, TOPICS_PREFIX) if engine in line]
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda line: _run([*tool, *shlex.split(line)[1:]], directory), lines)
        asyncio.run(_allow_others(bootstrap))
        assert len(lines) == len(grants(ENGINE))
        assert all(status == 0 for status in done)


def _run(command: list[str], directory: Path) -> int:
    return subprocess.run(command, cwd=directory, check=False, stdout=subprocess.DEVNULL).returncode


async def _allow_others(bootstrap: str) -> None:
    others = [role for role in ROLES if role is not ENGINE]
    async with admin({"bootstrap_servers": bootstrap}) as client:
        for role in others:
            for grant in grants(role, TOPICS_PREFIX):
                await _grant(client, user_name(role, TOPICS_PREFIX), grant)


async def _grant(client: AIOKafkaAdminClient, name: str, grant: Grant) -> None:
    pattern = PREFIXED if grant.prefixed else LITERAL
    kind, principal = RESOURCES[grant.resource], f"User:{name}"
    for resource in grant.names:
        for operation in grant.operations:
            asked = CreateAclsRequest(
                kind, resource, pattern, principal, "*", OPERATIONS[operation], ALLOW
            )
            answer = await client._send_request(asked)
            assert [code for code, _ in answer.creation_responses] == [0], answer
