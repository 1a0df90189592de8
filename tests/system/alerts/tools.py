"""Programs that tests need: those on PATH, or Debian's package unpacked in the user's cache.

Prometheus with its `promtool` for the rules, bubblewrap for the rehearsal of the image. Nothing is
installed and nothing needs root: the package is fetched with apt-get and unpacked with dpkg-deb
under `$XDG_CACHE_HOME/decorum/` (default `~/.cache/decorum/`). A fetch ends in an atomic rename, so
that two processes that fetch at once do not disturb each other.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from streams.local.jars import user_directory

PACKAGES: Final = {"prometheus": "prometheus", "promtool": "prometheus", "bwrap": "bubblewrap"}
"""Debian's package of each program."""
FETCH_TIMEOUT_S: Final = 300


class ToolsMissingError(Exception):
    """Neither on PATH nor to be fetched; the message is one line that says what to install."""


def tool(name: str) -> str:
    """Path of a program of `PACKAGES`. Raises ToolsMissingError."""
    found = shutil.which(name)
    if found is not None:
        return found
    package = PACKAGES[name]
    cached = user_directory("XDG_CACHE_HOME", ".cache") / package
    if not cached.is_dir():
        try:
            _fetch(package, cached)
        except ToolsMissingError as error:
            install = f"install it (Debian: apt-get install {package})"
            raise ToolsMissingError(f"{name} is missing, {error}: {install}") from None
    return str(cached / "usr" / "bin" / name)


def _fetch(package: str, target: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise ToolsMissingError("and this is not Debian")
    sys.stderr.write(f"Fetching {package}, once …\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as name:
        scratch = Path(name)
        _download(package, scratch)
        _run(["dpkg-deb", "-x", *map(str, scratch.glob("*.deb")), str(scratch / "tree")], scratch)
        try:
            (scratch / "tree").rename(target)
        except OSError:
            # Another process was faster: its tree is as good as ours.
            if not target.is_dir():
                raise


def _download(package: str, scratch: Path) -> None:
    """With the machine's package lists; where those are empty, with lists of our own."""
    download = ["apt-get", "download", "--quiet", package]
    try:
        _run(download, scratch)
    except ToolsMissingError:
        for directory in ("lists/partial", "cache/archives/partial"):
            (scratch / directory).mkdir(parents=True)
        own = ["-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}/cache"]
        _run(["apt-get", *own, "--quiet", "update"], scratch)
        _run([*download, *own], scratch)


def _run(command: list[str], directory: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise ToolsMissingError(f"{command[0]} did not finish in time") from None
    if done.returncode:
        said = (done.stderr.strip() or "no reason").splitlines()[-1]
        raise ToolsMissingError(f"{command[0]} says {said!r}")
