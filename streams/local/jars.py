"""Java and the jars of a Kafka broker, fetched once per user with Maven.

The jars are cached in `$XDG_CACHE_HOME/decorum/` (default `~/.cache/decorum/`). A fetch ends with
an atomic rename: two processes that fetch at once do not disturb each other, and a failed fetch
leaves nothing behind.

Rules of this file: it writes nowhere else (Maven keeps its own cache).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
POM: Final = HERE / "pom.xml"
JAVA_NEEDED: Final = 17
MAVEN_TIMEOUT_S: Final = 900
ALTERNATIVE: Final = "or set DECORUM_KAFKA to the address of a running cluster"


class LocalKafkaError(Exception):
    """Kafka cannot run on this machine; the message says what to do."""


def find_java() -> str:
    """Path of a java of at least version 17. Raises LocalKafkaError if there is none."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else None
    java = java or shutil.which("java")
    if java is None:
        raise LocalKafkaError(
            f"Java is missing: install Java {JAVA_NEEDED} or newer, {ALTERNATIVE}"
        )
    version = java_version(java)
    if version < JAVA_NEEDED:
        raise LocalKafkaError(
            f"{java} is Java {version}: Kafka needs {JAVA_NEEDED} or newer, {ALTERNATIVE}"
        )
    return java


def java_version(java: str) -> int:
    """The feature version (8, 17, 21, …) of a java executable; 0 if it does not print one."""
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(match[1]) if match else 0


def user_directory(variable: str, default: str) -> Path:
    """Decorum's directory under one of the XDG base directories, such as `XDG_CACHE_HOME`."""
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / default) / "decorum"


def jars_directory() -> Path:
    """The directory of the jars; fetches them first if it is not there.

    Its name contains a digest of the list of jars, so that an upgrade fetches again.
    Raises LocalKafkaError if Maven is missing or cannot fetch.
    """
    pom = POM.read_bytes()
    version = re.search(rb"<kafka.version>(.+?)<", pom)
    name = version[1].decode() if version else "unknown"
    digest = hashlib.sha256(pom).hexdigest()[:8]
    target = user_directory("XDG_CACHE_HOME", ".cache") / f"kafka-{name}-{digest}"
    if not target.is_dir():
        _fetch(target)
    return target


def _fetch(target: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise LocalKafkaError(f"Maven is missing (it fetches Kafka): install mvn, {ALTERNATIVE}")
    print("Fetching Apache Kafka with Maven, once (about 55 MB) …", file=sys.stderr, flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
        jars = Path(scratch, "jars")
        _copy_dependencies(maven, jars)
        try:
            jars.rename(target)
        except OSError:
            # Another process was faster, and has fetched the same jars.
            if not target.is_dir():
                raise


def _copy_dependencies(maven: str, jars: Path) -> None:
    command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    command.append(f"-DoutputDirectory={jars}")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=MAVEN_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise LocalKafkaError(
            f"Maven did not finish within {MAVEN_TIMEOUT_S} s: try again, {ALTERNATIVE}"
        ) from None
    if done.returncode or not jars.is_dir():
        first = next((line for line in done.stdout.splitlines() if "ERROR" in line), "no reason")
        raise LocalKafkaError(
            f"Maven could not fetch Kafka ({first}): check the network, {ALTERNATIVE}"
        )
