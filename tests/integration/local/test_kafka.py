from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.local import jars
from streams.local.jars import LocalKafkaError, find_java, jars_directory, java_version
from streams.local.kafka import LocalKafka, free_port

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = "kept"


async def write(bootstrap: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(TOPIC, value)
    finally:
        await producer.stop()


async def first(bootstrap: str) -> bytes | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(TOPIC, 0)])
        value: bytes | None = (await consumer.getone()).value
    finally:
        await consumer.stop()
    return value


def executable(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.kafka
@pytest.mark.usefixtures("kafka_tools")
async def test_data_survive_a_stop_and_a_kill(tmp_path: Path) -> None:
    broker = LocalKafka(tmp_path)
    try:
        broker.start()
        bootstrap = broker.bootstrap
        await write(bootstrap, b"still here")

        broker.stop()
        broker.start()
        assert await first(bootstrap) == b"still here"

        broker.kill()
        broker.start()
        assert broker.bootstrap == bootstrap
        assert await first(bootstrap) == b"still here"
    finally:
        broker.kill()


@pytest.mark.kafka
@pytest.mark.usefixtures("kafka_tools")
def test_the_command_serves_until_sigterm_and_leaves_nothing_behind(tmp_path: Path) -> None:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "streams",
        "kafka",
        "--dir",
        str(tmp_path),
        "--port",
        str(port),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        line = serving.stdout.readline()
        assert line == (
            f"Kafka listens on 127.0.0.1:{port}; export DECORUM_KAFKA=127.0.0.1:{port}\n"
        )
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(30) == 0
    assert refuses(port)


@pytest.mark.kafka
@pytest.mark.usefixtures("kafka_tools")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux waits for another's process")
def test_the_broker_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from streams.local.kafka import LocalKafka\n"
        "broker = LocalKafka(pathlib.Path(sys.argv[1])); broker.start()\n"
        "print(broker._process.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        broker = int(parent.stdout.readline())
        watch = os.pidfd_open(broker)
        parent.kill()
        parent.wait(10)
    try:
        # The descriptor becomes readable when the process has ended.
        assert select.select([watch], [], [], 10)[0]
    finally:
        os.close(watch)


@pytest.mark.kafka
@pytest.mark.usefixtures("kafka_tools")
def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(LocalKafkaError, match=f"port {port} is taken"):
            LocalKafka(tmp_path, port).start()


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_missing_java_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(LocalKafkaError) as missing:
        LocalKafka(tmp_path / "data").start()

    line = str(missing.value)
    assert line.startswith("Java is missing: install Java 17 or newer")
    assert "DECORUM_KAFKA" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("no idea", 0),
    ],
)
def test_java_is_asked_for_its_version(tmp_path: Path, said: str, version: int) -> None:
    executable(tmp_path / "java", f"echo '{said}' >&2")
    assert java_version(str(tmp_path / "java")) == version


@pytest.mark.parametrize(("version", "accepted"), [("16.0.2", False), ("17", True)])
def test_java_must_be_17(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, *, accepted: bool
) -> None:
    (tmp_path / "bin").mkdir()
    executable(tmp_path / "bin" / "java", f"echo 'openjdk version \"{version}\"' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    if accepted:
        assert find_java() == str(tmp_path / "bin" / "java")
    else:
        with pytest.raises(LocalKafkaError, match="is Java 16: Kafka needs 17 or newer"):
            find_java()


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "cache" / "decorum"


def test_missing_maven_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))

    with pytest.raises(LocalKafkaError, match=r"Maven is missing.*DECORUM_KAFKA"):
        jars_directory()
    assert not empty_cache.exists()


def test_jars_are_fetched_once(empty_cache: Path, tmp_path: Path) -> None:
    executable(
        tmp_path / "mvn",
        f"echo fetched >> {tmp_path}/calls",
        'for option; do case "$option" in -DoutputDirectory=*) out="${option#*=}";; esac; done',
        'mkdir "$out" && touch "$out/kafka.jar"',
    )
    directory = jars_directory()

    assert directory == jars_directory()
    assert [file.name for file in directory.iterdir()] == ["kafka.jar"]
    assert (tmp_path / "calls").read_text(encoding="utf-8") == "fetched\n"
    assert directory.parent == empty_cache
    assert directory.name.startswith("kafka-4.1.")


def test_a_failed_fetch_leaves_nothing_and_says_why(empty_cache: Path, tmp_path: Path) -> None:
    executable(tmp_path / "mvn", "echo '[ERROR] no route to host'", "exit 1")

    with pytest.raises(LocalKafkaError, match=r"no route to host.*DECORUM_KAFKA"):
        jars_directory()
    assert list(empty_cache.iterdir()) == []


def test_another_process_may_be_faster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = tmp_path / "jars"

    def fetch_twice(_: str, scratch: Path) -> None:
        for directory in (scratch, target):
            directory.mkdir()
            (directory / "kafka.jar").touch()

    monkeypatch.setattr(jars, "_copy_dependencies", fetch_twice)
    monkeypatch.setattr("shutil.which", lambda _: "mvn")

    jars._fetch(target)

    assert [file.name for file in target.iterdir()] == ["kafka.jar"]
    assert list(tmp_path.iterdir()) == [target]
