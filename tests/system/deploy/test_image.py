"""What the Dockerfile makes, made and run: as a user without rights, on a root it cannot write."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import yaml
from aiokafka import TopicPartition

from streams.settings import Settings
from streams.topics import DECISIONS, INTENTS
from tests.conftest import MUST_RUN
from tests.support import records
from tests.support.paths import ROOT
from tests.support.waiting import until
from tests.support.workers import corner, free_address, is_ready
from tests.system.alerts.tools import ToolsMissingError, tool
from tests.system.bench.load import intent
from tests.system.deploy.files import DEPLOY, resource
from tests.system.deploy.rehearsal import SCRATCH_BYTES, Image

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Cluster

PATIENCE_S = 60.0
LISTENS = "0A"  # as /proc/net/tcp has it
pytestmark = pytest.mark.slow

# Run in the image: where a file can be made, and what else the process might do. /dev and /proc are
# whoever's who runs the image.
TRIES = """
import json, os, pathlib
def can_write(place):
    try:
        (pathlib.Path(place) / "tried").write_text("x")
    except OSError:
        return False
    return True
walked = [directory for directory, _, _ in os.walk("/")]
places = {os.getcwd(), *(d for d in walked if d.split("/")[1] not in {"dev", "proc"})}
said = pathlib.Path("/proc/self/status").read_text().splitlines()
print(json.dumps({
    "writable": sorted(filter(can_write, places)),
    "status": dict(line.split(":\\t", 1) for line in said if ":\\t" in line),
    "home": os.environ.get("HOME"),
}))
"""
VERSIONS = """
import importlib.metadata as m, json
print(json.dumps({d.name.lower().replace("_", "-"): d.version for d in m.distributions()}))
"""


def usable(bwrap: str) -> str:
    """Itself, where this machine lets it make name spaces; else ToolsMissingError."""
    done = subprocess.run(
        [bwrap, "--ro-bind", "/", "/", "true"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ToolsMissingError(f"this machine lets nobody make name spaces: {done.stderr.strip()}")
    return bwrap


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """As the Dockerfile says; where that is impossible CI fails, and others skip."""
    try:
        bwrap = usable(tool("bwrap"))
    except ToolsMissingError as error:
        if MUST_RUN:
            pytest.fail(str(error))
        pytest.skip(f"NOT RUN: {error}")
    return Image(bwrap, tmp_path_factory.mktemp("image"))


def asked(image: Image, script: str) -> dict[str, Any]:
    done = image.run("python", "-c", script)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_it_holds_the_tested_versions_and_nothing_that_installs(image: Image) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    known = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins.items()}
    found = asked(image, VERSIONS)
    assert found.pop("decorum")
    assert found
    wrong = {n: v for n, v in found.items() if known.get(re.sub(r"[-_.]+", "-", n)) != v}
    assert wrong == {}
    assert image.run("python", "-m", "pip").returncode == 1


def test_what_it_runs_by_itself_is_a_worker_that_says_what_it_lacks(image: Image) -> None:
    done = image.run(DECORUM_KAFKA="nonsense")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "DECORUM_KAFKA" in line


def test_a_process_in_it_has_no_rights_and_writes_nowhere_but_to_its_scratch(image: Image) -> None:
    found = asked(image, TRIES)
    assert found["writable"] == ["/tmp"]  # noqa: S108
    assert found["status"]["Uid"].split() == ["10001"] * 4
    assert found["status"]["Gid"].split() == ["10001"] * 4
    for rights in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(found["status"][rights], 16) == 0, rights
    assert found["status"]["NoNewPrivs"] == "1"
    assert found["home"] is None


def test_its_scratch_is_what_the_deployments_give() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    (mount,) = compose["services"]["worker-1"]["tmpfs"]
    assert mount == f"/tmp:size={SCRATCH_BYTES >> 20}m,mode=1777"  # noqa: S108
    pod = resource("StatefulSet", "decorum")["spec"]["template"]["spec"]
    (volume,) = [one for one in pod["volumes"] if "emptyDir" in one]
    assert volume["emptyDir"]["sizeLimit"] == f"{SCRATCH_BYTES >> 20}Mi"


class Running:
    """A worker in the image, and its process as this machine sees it."""

    def __init__(self, process: subprocess.Popen[bytes], number: int, log: Path) -> None:
        self.process, self.number, self._log = process, number, log

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def written(self) -> tuple[list[str], int]:
        """What there is in its scratch, and how many files in all of it."""
        scratch = Path(f"/proc/{self.number}/root/tmp")
        files = [path for path in scratch.rglob("*") if not path.is_dir()]
        return [path.name for path in scratch.iterdir()], len(files)

    def listens(self) -> set[str]:
        """Where it takes connections, Faust's own pages included if there were any."""
        here = Path(f"/proc/{self.number}")
        own = {str(fd.readlink()) for fd in (here / "fd").iterdir()}
        lines = [
            line.split()
            for family in ("tcp", "tcp6")
            for line in (here / "net" / family).read_text().splitlines()[1:]
        ]
        open_ones = [line for line in lines if line[3] == LISTENS and f"socket:[{line[9]}]" in own]
        return {str(int(line[1].rpartition(":")[2], 16)) for line in open_ones}


@asynccontextmanager
async def worker(image: Image, variables: dict[str, str], log: Path) -> AsyncIterator[Running]:
    reading, writing = os.pipe()
    command = image.command(variables, status_file=writing)
    with log.open("wb") as file, os.fdopen(reading) as told:
        process = subprocess.Popen(command, stderr=file, pass_fds=[writing])  # noqa: ASYNC220
        os.close(writing)
        first = await asyncio.to_thread(told.readline)
        try:
            yield Running(process, json.loads(first)["child-pid"], log)
        finally:
            process.kill()
            process.wait()


@pytest.mark.kafka
async def test_a_worker_in_it_decides_and_ends_when_it_is_told(
    image: Image, kafka: Cluster, prefix: str, tmp_path: Path
) -> None:
    settings = Settings(kafka=kafka.bootstrap, prefix=prefix, partitions=2)
    variables = corner(settings) | {"DECORUM_HTTP": free_address()}
    made = await asyncio.to_thread(image.run, "decorum", "topics", **variables)
    assert made.returncode == 0, made.stderr
    async with worker(image, variables, tmp_path / "log") as running:
        await until(lambda: asyncio.to_thread(is_ready, variables["DECORUM_HTTP"]), PATIENCE_S)
        assert await decided(settings) == "approved"
        assert running.written() == (["decorum-faust"], 0)
        assert running.listens() == {variables["DECORUM_HTTP"].rpartition(":")[2]}
        os.kill(running.number, signal.SIGTERM)
        status = await asyncio.to_thread(running.process.wait, PATIENCE_S)
        assert status == 0, running.said()


async def decided(settings: Settings) -> str:
    """What becomes of one intent."""
    options = settings.client_options()
    value = intent("i-1", "xiaoer-08", ["wm-1"], "transactional")
    async with records.producer(options) as producer:
        sent = f"{settings.prefix}{INTENTS}"
        await producer.send_and_wait(sent, value, key=b"acme/xiaoer-08")
    topic = f"{settings.prefix}{DECISIONS}"
    parts = [TopicPartition(topic, number) for number in range(settings.partitions)]
    async with asyncio.timeout(PATIENCE_S), records.reader(options, parts) as reader:
        found = orjson.loads((await reader.getone()).value)
    outcome: str = found["data"]["outcome"]
    return outcome
