"""Whatever a producer gets onto a broker's log, the worker goes on, and what is sane is decided."""

from __future__ import annotations

import time
from base64 import b64decode
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any
from zlib import crc32

import orjson
import pytest

from streams.runtime.partitioner import partition_for
from streams.runtime.state import CHECKPOINT_KEY, State
from streams.stages.balance import Balance, balance_of
from streams.topics import (
    ACCOUNT_STATE,
    CONTROLS,
    CUSTOMER_STATE,
    DEAD_LETTERS,
    INTENTS,
    INTERACTIONS,
    POLICIES,
)
from tests.flows import events
from tests.flows.scene import Scene
from tests.integration.kafka.flow_world import KafkaWorld
from tests.properties.fuzz.batches import Thrown, thrown
from tests.support.rawlog import CODECS, Raw, RawProducer, Refused, header, sound, varint

if TYPE_CHECKING:
    from collections.abc import Iterator


PARTITIONS = 2
INPUTS = (INTENTS, INTERACTIONS, POLICIES, CONTROLS)
BATCHES = 250
WINDOWS = [{"id": "many", "kinds": ["direct"], "scope": "enterprise", "limit": 9, "rolling": "1h"}]


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaWorld]:
    kafka = request.getfixturevalue("kafka")
    directory = tmp_path_factory.mktemp("bytes")
    with KafkaWorld(kafka.bootstrap, f"{directory.name}-", directory, PARTITIONS) as world:
        yield world
        assert world.is_running


@pytest.fixture
def scene(world: KafkaWorld, request: pytest.FixtureRequest) -> Scene:
    scene = Scene(world, f"e{crc32(request.node.name.encode()):08x}")
    scene.policy(1, windows=WINDOWS)
    return scene


@pytest.fixture(scope="module")
def raw(world: KafkaWorld) -> Iterator[RawProducer]:
    with RawProducer(world.bootstrap) as producer:
        yield producer


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "none"])
def test_every_codec_is_decided_on_every_input(
    codec: str, world: KafkaWorld, request: pytest.FixtureRequest
) -> None:
    with world.compressing(codec):
        scene = Scene(world, codec)
        scene.policy(1, windows=WINDOWS, consent={"ask_first": []})
        scene.control(f"{codec}/account/xiaoer", action="pause")
        scene.ask("1")
        scene.expect("1", f"deferred control {codec}/account/xiaoer")
        scene.control(f"{codec}/account/xiaoer", action="resume")
        scene.hear("consent", "bob", allowed=False)
        scene.ask("2", "bob")
        scene.expect("2", "denied no_consent consent", customer="bob")
        assert scene.story("1", "ann")[-1] == "approved ok"


class Log:
    """One enterprise's intents, as raw batches between sane ones, and what became of them."""

    def __init__(self, scene: Scene, raw: RawProducer, world: KafkaWorld) -> None:
        self.scene, self._raw, self._world = scene, raw, world
        self.key = events.key(scene.enterprise, "xiaoer")
        self.partition = partition_for(self.key, PARTITIONS)
        self._ids = iter(range(1_000_000))

    def intent(self) -> tuple[str, Raw]:
        name = f"i{next(self._ids)}"
        return name, Raw(self.scene.intent(name, f"c-{name}"), self.key)

    def partition_of(self, topic: str) -> int:
        return 0 if topic in {POLICIES, CONTROLS} else self.partition

    def put(self, data: bytes, topic: str = INTENTS) -> int:
        return self._raw.put(self._world.physical(topic), self.partition_of(topic), data)

    def approved(self, name: str) -> bool:
        return self.scene.story(name, f"c-{name}") == ["approved ok"]


ODD_HEADERS = varint(2) + header(b"\xff\xfe", b"x") + header(b"", None)
READABLE: dict[str, dict[str, Any]] = {
    "headers that are no text": {"headers": ODD_HEADERS},
    "a lot of headers": {"headers": varint(20_000) + header(b"a", b"b") * 20_000},
    "attributes that nobody knows": {"attributes": 0xFF},
    "an offset of its own": {"offset_delta": 0},
    "an offset beyond the end": {"offset_delta": 2**31 - 1},
    "a time before all times": {"passed_ms": -(2**55)},
}
UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a length that is too long": ({"length": 5_000}, "announced"),
    "a length that is too short": ({"length": 3}, "record 1 of 2"),
    "more than there may be": ({"value": bytes(40 << 20)}, "more than 32 MiB"),
}


@pytest.mark.parametrize(
    ("odd", "codec"),
    [
        (odd, codec)
        for odd in READABLE
        for codec in ("none", "lz4")
        if codec == "none" or "offset" not in odd  # which the broker refuses
    ],
)
def test_what_is_odd_is_decided(
    odd: str, codec: str, scene: Scene, world: KafkaWorld, raw: RawProducer
) -> None:
    log = Log(scene, raw, world)
    (a, first), (b, second), (c, third) = log.intent(), log.intent(), log.intent()
    log.put(sound(first, second._replace(**READABLE[odd]), codec=codec))
    log.put(sound(third))
    world.settle()
    assert [log.approved(name) for name in (a, b, c)] == [True] * 3


@pytest.mark.parametrize("topic", INPUTS)
@pytest.mark.parametrize("odd", UNREADABLE)
def test_what_cannot_be_read_is_one_letter_and_its_neighbours_are_decided(
    odd: str, topic: str, scene: Scene, world: KafkaWorld, raw: RawProducer
) -> None:
    log = Log(scene, raw, world)
    (a, first), (b, second) = log.intent(), log.intent()
    changes, says = UNREADABLE[odd]
    log.put(sound(first))
    spoilt = sound(Raw(b"no event", b"k"), Raw(b"", b"k")._replace(**changes), codec="gzip")
    at = log.put(spoilt, topic)
    log.put(sound(second, codec="zstd"))
    world.settle()
    assert log.approved(a)
    assert log.approved(b)
    found = letters(world, topic, log.partition_of(topic))
    [letter] = [one for one in found if one["reason"] == "unreadable" and one["offset"] >= at]
    assert says in letter["error"]
    kept = b64decode(letter["value_base64"])
    assert kept[61:] == spoilt[61:]  # behind the header, to which the broker adds
    whole = "32 MiB" in says
    assert letter["offset"] == at + (not whole)
    first_letter = [one for one in found if one["offset"] == at]
    assert len(first_letter) == 1
    assert whole or b64decode(first_letter[0]["value_base64"]) == b"no event"


@pytest.mark.parametrize("topic", INPUTS)
def test_a_batch_as_large_as_a_topic_takes_passes(
    topic: str, scene: Scene, world: KafkaWorld, raw: RawProducer
) -> None:
    """Four times what a fetch asks for."""
    log = Log(scene, raw, world)
    name, behind = log.intent()
    large = [Raw(b"x" * 1_000_000, b"k")] * 4
    at = log.put(sound(*large), topic)
    log.put(sound(behind))
    world.settle()
    assert log.approved(name)
    places = Counter(one["offset"] for one in letters(world, topic, log.partition_of(topic)))
    assert [places[at + number] for number in range(4)] == [1] * 4


@pytest.mark.parametrize("topic", INPUTS)
def test_a_tombstone_and_a_record_without_a_time_disturb_nobody(
    topic: str, scene: Scene, world: KafkaWorld, raw: RawProducer
) -> None:
    log = Log(scene, raw, world)
    name, behind = log.intent()
    for at_ms in (-1, -2, 0):
        log.put(sound(Raw(None, b"k"), Raw(b"{}", b"k"), first_ms=at_ms), topic)
    log.put(sound(behind))
    world.settle()
    assert log.approved(name)


def test_an_aborted_transaction_is_never_seen_and_an_open_one_only_waited_for(
    scene: Scene, world: KafkaWorld, raw: RawProducer
) -> None:
    log = Log(scene, raw, world)
    (a, aborted), (b, committed), (c, behind) = log.intent(), log.intent(), log.intent()
    with world.transactions("a-producer-of-theirs") as theirs:
        theirs.begin()
        theirs.send(INTENTS, log.partition, aborted.key, aborted.value)
        theirs.abort()
        theirs.begin()
        theirs.send(INTENTS, log.partition, committed.key, committed.value)
        log.put(sound(behind))
        time.sleep(1.0)
        world.look()
        assert not scene.story(b, f"c-{b}")
        assert not scene.story(c, f"c-{c}")
        theirs.commit()
    world.settle()
    assert not scene.story(a, f"c-{a}")
    assert log.approved(b)
    assert log.approved(c)


def test_noise_at_the_level_of_bytes_stops_nothing(
    scene: Scene, world: KafkaWorld, raw: RawProducer
) -> None:
    """Batches spoilt at random: what the broker takes of them, and sane ones in between."""
    log, random = Log(scene, raw, world), Random(1)
    sane: list[str] = []
    taken: Counter[str] = Counter()
    for number in range(BATCHES):
        intents = [log.intent() for _ in range(random.randint(1, 4))]
        one: Thrown = thrown(random, [item for _, item in intents])
        topic = INTENTS if one.is_sane else INPUTS[number % len(INPUTS)]
        try:
            log.put(one.data, topic)
        except Refused:
            taken["refused"] += 1
            continue
        taken["sane" if one.is_sane else "odd"] += 1
        sane += [name for name, _ in intents] if one.is_sane else []
    world.settle()
    assert min(taken.values()) > BATCHES / 10, taken
    assert [name for name in sane if not log.approved(name)] == []
    ids = Counter(one["id"] for one in whole_letters(world))
    assert [name for name, times in ids.items() if times > 1] == []
    assert balance(world) == 0


def letters(world: KafkaWorld, topic: str, partition: int) -> list[dict[str, Any]]:
    found = [letter["data"] for letter in whole_letters(world)]
    return [one for one in found if (one["topic"], one["partition"]) == (topic, partition)]


def whole_letters(world: KafkaWorld) -> list[dict[str, Any]]:
    return [orjson.loads(record.value or b"") for record in world.read(DEAD_LETTERS)]


def balance(world: KafkaWorld) -> int:
    """Accepted, less what was settled or is held, by what the changelogs say."""
    states: dict[tuple[str, int], State] = {}
    for topic in (ACCOUNT_STATE, CUSTOMER_STATE):
        for record in world.read(topic):
            state = states.setdefault((topic, record.partition), State())
            if record.key is not None and record.key != CHECKPOINT_KEY:
                state.load(record.key, record.value)
    total = Balance()
    for state in states.values():
        state.finish_loading()
        here = balance_of(state)
        total.accepted += here.accepted
        total.settled += here.settled
        total.held += here.held
    return total.accepted - total.settled - total.held
