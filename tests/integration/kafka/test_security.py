"""Every role on a real, guarded Kafka: what it may do it can, and nothing more."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    for_code,
)

from streams.admin import topics as topics_admin
from streams.resources import schema_path
from streams.runtime.clients import connect, transactional_producer
from streams.topics import TOPICS
from tests.integration.kafka.secured import TOPICS_PREFIX, SecuredKafka, secured_kafka
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

PATIENCE_S = 90.0
INTENTS, INTERACTIONS = f"{TOPICS_PREFIX}outbound-intents", f"{TOPICS_PREFIX}interactions"
DECISIONS, APPROVED = f"{TOPICS_PREFIX}decisions", f"{TOPICS_PREFIX}approved.transactional"
INTENT = {
    "specversion": "1.0",
    "id": "order-4711-shipped",
    "source": "shop/orders",
    "type": "decorum.intent.v1",
    "data": {
        "enterprise_id": "acme",
        "account_id": "xiaoer-08",
        "kind": "transactional",
        "customer_ids": ["wm-1"],
        "content_ref": "orders/4711/shipped",
    },
}
BROKEN = b'{"id": "wm-broken'

# The second to one who may write nowhere: it gets no producer's id.
REFUSED = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)

# The library does not wait until the connections it began with have said farewell under TLS.
FAREWELL = "ignore:unclosed transport:ResourceWarning"
pytestmark = pytest.mark.filterwarnings(FAREWELL)


@pytest.fixture(scope="module")
def bare(kafka_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("secured")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def guarded(bare: SecuredKafka) -> SecuredKafka:
    """With all topics, made by the role that may make them, and after one that may not."""
    refused = decorum(bare, "engine", "topics")
    assert refused.returncode == 1
    assert (
        "Topic authorization failed" in refused.stderr or "Authorization failed" in refused.stderr
    )
    made = decorum(bare, "admin", "topics")
    assert made.returncode == 0, made.stderr
    assert len(made.stdout.splitlines()) == len(TOPICS) + 1
    return bare


def decorum(
    cluster: SecuredKafka, role: str, *arguments: str, **others: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams", *arguments],
        cwd=ROOT,
        env=cluster.environment(role, **others),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


@asynccontextmanager
async def producing(cluster: SecuredKafka, role: str) -> AsyncIterator[AIOKafkaProducer]:
    options = cluster.settings(role).client_options()
    producer = await connect(
        lambda: AIOKafkaProducer(**options, acks="all", enable_idempotence=True)
    )
    try:
        yield producer
    finally:
        await producer.stop()


async def first_record(cluster: SecuredKafka, role: str, topic: str, group: str) -> Any:
    options = cluster.settings(role).client_options()
    consumer = await connect(
        lambda: AIOKafkaConsumer(
            topic,
            **options,
            group_id=f"{TOPICS_PREFIX}{group}",
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
    )
    try:
        return orjson.loads((await consumer.getone()).value)
    finally:
        await consumer.stop()


async def test_the_engine_decides_with_its_own_rights_and_nothing_more(
    guarded: SecuredKafka, tmp_path: Path
) -> None:
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "streams", "worker"],
            cwd=ROOT,
            env=guarded.environment("engine", DECORUM_INSTANCE="worker-0"),
            stderr=log,
        )
    try:
        async with producing(guarded, "producer") as producer:
            await producer.send_and_wait(INTENTS, BROKEN, key=b"acme/xiaoer-08")
            await producer.send_and_wait(INTENTS, orjson.dumps(INTENT), key=b"acme/xiaoer-08")
        async with asyncio.timeout(PATIENCE_S):
            approved = await first_record(guarded, "sender", APPROVED, "sender-1")
            decision = await first_record(guarded, "reader", DECISIONS, "reader-1")
            while await progress_seen_by_the_monitor(guarded) != (2, 2):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        assert approved["data"]["customer_id"] == "wm-1"
        assert decision["data"]["outcome"] == "approved"
    finally:
        worker.terminate()
        status = worker.wait(PATIENCE_S)
    said = (tmp_path / "worker.log").read_text(encoding="utf-8")
    assert status == 0, said
    assert "could not leave the group" not in said
    for private in ("secret-of", "wm-1", "wm-broken", "xiaoer-08", "4711"):
        assert private not in said


async def test_an_operator_governs_with_its_own_rights(guarded: SecuredKafka) -> None:
    policy = decorum(
        guarded, "operator", "policy", "publish", str(schema_path("policies/wecom.yaml"))
    )
    assert policy.returncode == 0, policy.stderr
    scope = ("control", "pause", "acme/account/lin", "--by", "ops", "--why", "a test")
    assert decorum(guarded, "operator", *scope).returncode == 0
    assert decorum(guarded, "producer", *scope).returncode == 1


async def test_a_producer_cannot_read_decisions(guarded: SecuredKafka) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await first_record(guarded, "producer", DECISIONS, "producer-1")
    with pytest.raises(GroupAuthorizationFailedError):
        await first_record(guarded, "sender", APPROVED, "decorum")


@pytest.mark.parametrize(
    ("role", "topic"),
    [
        ("sender", INTENTS),
        ("reader", INTERACTIONS),
        ("operator", INTENTS),
        ("monitor", INTENTS),
        ("producer", APPROVED),
        ("producer", f"{TOPICS_PREFIX}controls"),
        ("producer", f"{TOPICS_PREFIX}decorum-customer-state"),
    ],
)
async def test_nobody_writes_where_another_speaks(
    guarded: SecuredKafka, role: str, topic: str
) -> None:
    with pytest.raises(REFUSED):
        async with producing(guarded, role) as producer:
            await producer.send_and_wait(topic, b"{}", key=b"acme/lin")


async def test_the_engine_cannot_create_topics(guarded: SecuredKafka) -> None:
    admin = AIOKafkaAdminClient(**guarded.settings("engine").client_options())
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(f"{TOPICS_PREFIX}decorum-more", 1, 1)])
    finally:
        await admin.close()
    ((_, code, _),) = answer.topic_errors
    assert for_code(code) is TopicAuthorizationFailedError


async def test_nobody_can_lock_the_engine_out(guarded: SecuredKafka) -> None:
    """Whoever may use a transactional id of the engine's can fence its partitions."""
    options = guarded.settings("producer").client_options()
    with pytest.raises(TransactionalIdAuthorizationFailed):
        await transactional_producer(options, f"{TOPICS_PREFIX}decorum-account-0")


async def test_the_topics_check_needs_no_more_than_the_engine_has(guarded: SecuredKafka) -> None:
    assert await topics_admin.check(guarded.settings("engine")) == []


async def test_a_connection_is_closed_without_waiting_for_the_brokers_farewell(
    guarded: SecuredKafka,
) -> None:
    """A broker that holds a fetch says nothing else; each takeover would wait for it."""
    options = guarded.settings("reader").client_options()
    consumer = await connect(
        lambda: AIOKafkaConsumer(**options, fetch_max_wait_ms=1000 * int(PATIENCE_S))
    )
    consumer.assign([TopicPartition(f"{TOPICS_PREFIX}limit-changes", 0)])
    assert await consumer.getmany(timeout_ms=500) == {}
    async with asyncio.timeout(5.0):
        await consumer.stop()


def test_a_wrong_password_is_one_line(guarded: SecuredKafka) -> None:
    said = decorum(guarded, "engine", "worker", DECORUM_SASL_PASSWORD="not-the-password")
    assert said.returncode == 1
    assert said.stderr == (
        f"decorum: Kafka: {guarded.bootstrap} refuses the login of"
        f" '{TOPICS_PREFIX}decorum-engine'\n"
    )


def test_who_sees_no_topic_is_told_that_this_may_be_for_want_of_acls(guarded: SecuredKafka) -> None:
    """Kafka shows nobody what he may not see; what is hidden looks as if missing."""
    said = decorum(guarded, "producer", "worker", DECORUM_PREFIX="somebody-elses-")
    assert said.returncode == 2
    lines = said.stderr.splitlines()
    assert len(lines) == len(TOPICS)
    assert all("missing, or hidden from this user (`decorum acls`)" in line for line in lines)


def test_an_unknown_authority_is_one_line(guarded: SecuredKafka) -> None:
    said = decorum(guarded, "engine", "worker", DECORUM_SSL_CA="")  # the system's, then
    assert said.returncode == 1
    (line,) = said.stderr.splitlines()
    assert line.startswith(
        f"decorum: Kafka: the certificate of {guarded.bootstrap} is not trusted: "
    )


async def progress_seen_by_the_monitor(cluster: SecuredKafka) -> tuple[int, int]:
    """What the group has committed and where the topic ends, as KEDA and lag exporters ask it."""
    options = cluster.settings("monitor").client_options()
    admin = AIOKafkaAdminClient(**options)
    await admin.start()
    try:
        committed = await admin.list_consumer_group_offsets(f"{TOPICS_PREFIX}decorum")
    finally:
        await admin.close()
    parts = [TopicPartition(INTENTS, number) for number in range(2)]
    async with AIOKafkaConsumer(**options) as consumer:
        ends = await consumer.end_offsets(parts)
    return sum(committed[part].offset for part in parts if part in committed), sum(ends.values())
