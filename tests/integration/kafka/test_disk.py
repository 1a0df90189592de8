"""What a disk has damaged, where no producer can: a broker of its own, between stop and start."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

import orjson
import pytest

from streams.local.kafka import LocalKafka
from streams.runtime.partitioner import partition_for
from streams.topics import DEAD_LETTERS, INTENTS
from tests.flows import events
from tests.flows.scene import Scene
from tests.integration.kafka.flow_world import KafkaWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTITIONS = 2


@pytest.fixture(scope="module")
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalKafka]:
    request.getfixturevalue("kafka_tools")
    with LocalKafka(tmp_path_factory.mktemp("disk")) as broker:
        yield broker


@pytest.fixture
def world(broker: LocalKafka, prefix: str, tmp_path: Path) -> Iterator[KafkaWorld]:
    with KafkaWorld(broker.bootstrap, prefix, tmp_path, PARTITIONS) as world:
        yield world


class Disk:
    """The newest log of one partition of a broker at rest."""

    def __init__(self, broker: LocalKafka, topic: str, partition: int) -> None:
        [self._log] = broker.directory.glob(f"**/{topic}-{partition}/*.log")
        self.data = bytearray(self._log.read_bytes())

    def write(self) -> None:
        self._log.write_bytes(self.data)


def three_while_nobody_decides(world: KafkaWorld) -> tuple[Scene, list[bytes], int]:
    """Each in a batch of its own; and their partition."""
    scene = Scene(world, "acme")
    scene.policy(1)
    world.stop_worker()
    key = events.key("acme", "xiaoer")
    values = [scene.intent(f"i{number}", f"c{number}") for number in range(3)]
    for value in values:
        world.produce(INTENTS, key, value)
    return scene, values, partition_for(key, PARTITIONS)


def test_a_batch_that_a_disk_has_damaged_is_a_letter_and_its_neighbours_are_decided(
    broker: LocalKafka, world: KafkaWorld
) -> None:
    scene, values, partition = three_while_nobody_decides(world)
    broker.stop()
    disk = Disk(broker, world.physical(INTENTS), partition)
    disk.data[disk.data.index(values[1])] ^= 1
    disk.write()
    broker.start()
    world.start_worker()
    world.settle()
    assert scene.story("i0", "c0") == scene.story("i2", "c2") == ["approved ok"]
    assert scene.story("i1", "c1") == []
    [letter] = [orjson.loads(record.value or b"")["data"] for record in world.read(DEAD_LETTERS)]
    assert (letter["topic"], letter["reason"]) == (INTENTS, "unreadable")
    assert "its checksum is wrong" in letter["error"]
    assert values[1][1:] in b64decode(letter["value_base64"])
