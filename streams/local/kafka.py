"""A real single-node Apache Kafka (KRaft) on this machine: for development, tests and the demo.

It is the broker of production, but alone and without replicas. It is not for production workers: it
listens on 127.0.0.1 only and, unless configured otherwise, without logins.
"""

from __future__ import annotations

import base64
import os
import signal
import socket
import struct
import subprocess
import time
import uuid
from contextlib import suppress
from string import Template
from typing import TYPE_CHECKING, Final, Self

from streams.local.jars import HERE, LocalKafkaError, find_java, jars_directory, user_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

HOST: Final = "127.0.0.1"
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 20.0
# A broker with more memory would only fill it: under load it uses half of this.
# On a small machine the second compiler and a parallel collector cost more than they gain: with
# these options, 1,000 intents a second had a p99 of 0.24 s instead of 1.0 s in the first 20 s.
JVM: Final = ("-Xmx768m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
LOG_LINES_SHOWN: Final = 15

# The broker must not outlive this process, even if it is killed: a child of the shell waits until
# our end of its standard input closes, and then kills the broker. `exec` makes $$ the broker.
END_WITH_PARENT: Final = 'exec 3<&0; (read -r _ <&3; kill -9 $$) & exec "$@" </dev/null 3<&-'

# Kafka's Metadata request, version 1, without topics: size, key, version, correlation, client id
# (null), topics. The third number of the answer is how many brokers are ready.
METADATA_REQUEST: Final = struct.pack(">ihhihi", 14, 3, 1, 1, -1, 0)
METADATA_ANSWER: Final = struct.Struct(">iii")


def default_directory() -> Path:
    """Where `decorum kafka` keeps its data, for each user."""
    return user_directory("XDG_DATA_HOME", ".local/share") / "kafka"


class LocalKafka:
    """One broker with its data in `directory`; a context manager, or `start` and `stop`.

    The data survive `stop` and `kill`, and the port stays the same, so `start` continues with them.
    """

    jvm: tuple[str, ...] = JVM

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        cluster: str | None = None,
    ) -> None:
        """`properties` override the template's, and may use its `$port` and `$controller_port`.
        `users` (name → password) can log in with SCRAM-SHA-512; they are stored when the directory
        is formatted. `cluster`: the id that the nodes of one cluster share; by default a new one.
        """
        self.directory = directory
        self.port = port or free_port()
        self._properties = dict(properties or {})
        self._users = dict(users or {})
        self._cluster = cluster or cluster_id()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """The address for clients, host:port."""
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """The broker's own log: warnings and errors."""
        return self.directory / "broker.log"

    def start(self) -> None:
        """Start the broker and return when it is ready (3 to 5 seconds).

        Raises LocalKafkaError if Java or Maven is missing, the port is taken, or it is not ready
        within a minute.
        """
        java, jars = find_java(), jars_directory()
        if _accepts(self.port):
            raise LocalKafkaError(
                f"port {self.port} is taken: stop what listens there, or choose another port"
            )
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write_configuration()
        if not self._data.joinpath("meta.properties").exists():
            self._format(java, jars)
        self._process = self._launch(
            [*self._java(java, jars, *self.jvm), "kafka.Kafka", self._server]
        )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop cleanly; kill if that takes more than 20 seconds."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """End it as a power failure would; acknowledged records are still there after `start`."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            # The whole process group: the broker and the child that waits for our end.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin:
            process.stdin.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the broker alone, not to the child that waits for our end."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait until the broker ends by itself; its exit status, or None if it still runs."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _server(self) -> str:
        return str(self.directory / "server.properties")

    def _write_configuration(self) -> None:
        values = {"port": self.port, "controller_port": free_port(), "log_dirs": self._data}
        for name in ("server.properties", "log4j2.properties"):
            text = (HERE / "templates" / name).read_text(encoding="utf-8")
            if name == "server.properties":
                text += "".join(f"{key}={value}\n" for key, value in self._properties.items())
            (self.directory / name).write_text(Template(text).substitute(values), encoding="utf-8")

    def _java(self, java: str, jars: Path, *options: str) -> list[str]:
        log4j = self.directory / "log4j2.properties"
        return [java, *options, f"-Dlog4j2.configurationFile={log4j}", "-cp", f"{jars}/*"]

    def _format(self, java: str, jars: Path) -> None:
        # One argument: an id that begins with a dash would be taken for an option.
        identity = f"--cluster-id={self._cluster}"
        tool = ["kafka.tools.StorageTool", "format", identity, "-c", self._server]
        for name, password in self._users.items():
            tool.append(f"--add-scram=SCRAM-SHA-512=[name={name},password={password}]")
        command = [*self._java(java, jars), *tool]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalKafkaError(
                f"{self._data} cannot be formatted for Kafka: {done.stderr.strip()}"
            )

    def _launch(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", END_WITH_PARENT, "kafka", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Its own process group: Ctrl-C reaches only us, and we stop the broker cleanly.
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _is_ready(self.port):
            ended = self.wait(0.05)
            if ended is not None or time.monotonic() > deadline:
                self.kill()
                happened = "did not come up" if ended is None else f"ended with status {ended}"
                raise LocalKafkaError(
                    f"Kafka {happened}; the end of {self.log}:\n{self._log_end()}"
                )

    def _log_end(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])


def cluster_id() -> str:
    """A new, unique id for a cluster."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def free_port() -> int:
    """A port on 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _is_ready(port: int) -> bool:
    """Whether the broker answers and reports a ready broker; it accepts connections before that."""
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as connection:
            connection.sendall(METADATA_REQUEST)
            answer = connection.recv(METADATA_ANSWER.size, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(answer) == METADATA_ANSWER.size and METADATA_ANSWER.unpack(answer)[2] > 0
