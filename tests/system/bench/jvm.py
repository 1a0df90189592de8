"""The Kafka Streams peer, built once with Maven into the user's cache.

Named by a digest of its sources, so that a change builds anew and a build needs the network once.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from streams.local.jars import LocalKafkaError, find_java, user_directory
from tests.system.bench.report import BenchError

SOURCES: Final = Path(__file__).parent / "kstreams"
MAIN: Final = "decorum.bench.ContactRule"
TIMEOUT_S: Final = 900


def kstreams_command(*arguments: str) -> list[str]:
    """What starts the peer. Raises BenchError when Java or Maven is missing or cannot build."""
    try:
        java = find_java()
    except LocalKafkaError as fault:
        raise BenchError(str(fault)) from fault
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    return [java, "-Xmx1g", quiet, "-cp", f"{_jars()}/*", MAIN, *arguments]


def _jars() -> Path:
    digest = hashlib.sha256()
    for file in sorted(SOURCES.rglob("*")):
        if file.is_file():
            digest.update(file.read_bytes())
    target = user_directory("XDG_CACHE_HOME", ".cache") / f"kstreams-{digest.hexdigest()[:8]}"
    if not target.is_dir():
        _build(target)
    return target


def _build(target: Path) -> None:
    """In a scratch copy, moved into place when all is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as scratch:
        copy, jars = Path(scratch, "kstreams"), Path(scratch, "jars")
        shutil.copytree(SOURCES, copy)
        _maven(copy, jars)
        shutil.copy(copy / "target" / "kstreams-peer.jar", jars)
        jars.rename(target)


def _maven(project: Path, jars: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", str(project / "pom.xml"), "package"]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise BenchError(f"Maven is missing or too slow: {fault}") from fault
    if done.returncode:
        first = next((line for line in done.stdout.splitlines() if "ERROR" in line), "no reason")
        raise BenchError(f"Maven could not build Kafka Streams: {first}")
