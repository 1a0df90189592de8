from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import TopicPartition

from streams.admin.policies import publish
from streams.admin.topics import ensure
from streams.policy.files import PolicyError
from streams.settings import Settings
from streams.topics import Topics
from tests.support.records import first, producer

if TYPE_CHECKING:
    from pathlib import Path

    from streams.local.kafka import LocalKafka


async def ready(kafka: LocalKafka, prefix: str) -> Settings:
    settings = Settings(kafka=kafka.bootstrap, prefix=prefix, partitions=1)
    await ensure(settings)
    return settings


def written(directory: Path, version: int, enterprise: str = "acme") -> Path:
    file = directory / f"{enterprise}-{version}.yaml"
    file.write_text(f"policy: sample\nversion: {version}\nenterprise: {enterprise}\n", "utf-8")
    return file


async def put(settings: Settings, key: bytes, value: bytes | None) -> None:
    async with producer(settings.client_options()) as client:
        await client.send_and_wait(Topics(settings.prefix).policies, value, key=key)


async def test_publishes_the_document_as_written(
    kafka: LocalKafka, prefix: str, tmp_path: Path
) -> None:
    settings = await ready(kafka, prefix)

    assert await publish(settings, written(tmp_path, 3)) == (
        "published sample version 3 for acme, in force at once"
    )

    record = await first(settings.client_options(), TopicPartition(Topics(prefix).policies, 0))
    event = orjson.loads(record.value or b"")
    assert record.key == b"acme/3"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("time"))
    assert event == {
        "specversion": "1.0",
        "id": "acme/3",
        "source": "decorum-cli",
        "type": "decorum.policy.v1",
        "datacontenttype": "application/json",
        "data": {"policy": "sample", "version": 3, "enterprise": "acme"},
    }


async def test_refuses_a_version_not_above_those_published(
    kafka: LocalKafka, prefix: str, tmp_path: Path
) -> None:
    settings = await ready(kafka, prefix)
    await publish(settings, written(tmp_path, 3))

    for version in (2, 3):
        with pytest.raises(PolicyError, match=r"version: .* is not above the one in force, 3"):
            await publish(settings, written(tmp_path, version))

    await publish(settings, written(tmp_path, 1, "zeta"))
    await publish(settings, written(tmp_path, 4))


async def test_what_workers_refuse_holds_no_version_back(
    kafka: LocalKafka, prefix: str, tmp_path: Path
) -> None:
    settings = await ready(kafka, prefix)
    broken = {"policy": "sample", "version": 9, "enterprise": "acme", "max_held": 0}
    envelope = {"specversion": "1.0", "id": "acme/9", "source": "tests"}
    for value in (
        None,
        b"{",
        b"[]",
        orjson.dumps(envelope | {"type": "decorum.policy.v1", "data": broken}),
        orjson.dumps(envelope | {"type": "other", "data": broken | {"max_held": 1}}),
    ):
        await put(settings, b"acme/9", value)

    assert "version 1 for acme" in await publish(settings, written(tmp_path, 1))


async def test_a_missing_topic_is_told(kafka: LocalKafka, prefix: str, tmp_path: Path) -> None:
    settings = Settings(kafka=kafka.bootstrap, prefix=prefix)
    with pytest.raises(PolicyError, match="create it with `decorum topics`"):
        await publish(settings, written(tmp_path, 1))
