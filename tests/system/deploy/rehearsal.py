"""The image without Docker: the Dockerfile's steps, carried out, and what it makes, run as it says.

bubblewrap gives each process a file system of its own. The base image is not there: this machine's
Python and its Debian stand for it. Rules of this file: what the Dockerfile says is read from it,
never repeated here, and a step that it cannot carry out fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.paths import ROOT
from tests.support.workers import inherited
from tests.system.deploy.files import DEPLOY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUILD_S: Final = 600
BUILD_SCRATCH_BYTES: Final = 512 << 20
SCRATCH_BYTES: Final = 16 << 20
"""What compose.yaml and worker.yaml give; a test holds them to it."""
HOMES: Final = ("/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
DROP: Final = (
    *("setpriv", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"),
)
PYTHON: Final = Path(sys.executable).resolve()
"""What the base image calls `python`."""
MAY_DROP: Final = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")


@dataclass
class Stage:
    """What one stage of the Dockerfile says, up to the next FROM."""

    steps: list[tuple[str, str]]
    """RUN and COPY, with their arguments, in order."""
    said: dict[str, str]
    """The last of every other instruction."""
    variables: dict[str, str]


def stages() -> list[Stage]:
    """The Dockerfile, stage by stage. ValueError for an instruction that is not known here."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: list[Stage] = []
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append(Stage([], {}, {}))
        elif word in {"RUN", "COPY"}:
            found[-1].steps.append((word, rest))
        elif word == "ENV":
            found[-1].variables |= dict(re.findall(r"(\w+)=(\S+)", rest))
        elif word in {"WORKDIR", "USER", "ENTRYPOINT", "CMD", "EXPOSE"}:
            found[-1].said[word] = rest
        elif not word.startswith("#"):
            raise ValueError(f"the rehearsal does not know {word}")
    return found


class Image:
    """What the Dockerfile makes, in a directory of this machine."""

    def __init__(self, bwrap: str, directory: Path) -> None:
        """Build it. Raises CalledProcessError where a step fails, with what it said on stderr."""
        self._bwrap = bwrap
        build, self._final = stages()
        self.installed, self._work = directory / "installed", directory / "build"
        self._place = build.steps[0][1].split()[-1]  # of the virtual environment
        self.installed.mkdir()
        self._work.mkdir()
        for word, rest in build.steps:
            if word == "COPY":
                self._copy(rest.split())
            else:
                self._carry_out(build, rest)
        copied = [rest for word, rest in self._final.steps if word == "COPY"]
        assert copied == [f"--from=build {self._place} {self._place}"]

    def command(
        self, variables: Mapping[str, str], *arguments: str, status_file: int | None = None
    ) -> list[str]:
        """`docker run --env …` with a root that cannot be written, scratch alone excepted; with no
        arguments, what the image does by itself. The process's id goes to `status_file`.
        """
        entry, usual = (json.loads(self._final.said[word]) for word in ("ENTRYPOINT", "CMD"))
        told = [] if status_file is None else ["--json-status-fd", str(status_file)]
        return [
            *(self._bwrap, *_base(), *_mount("--ro-bind", self.installed, self._place)),
            *(*_scratch(), "--chdir", self._final.said["WORKDIR"], *told, "--clearenv"),
            *_variables({**self._environment(self._final), **variables}),
            *_as_user(*self._final.said["USER"].split(":")),
            *(arguments or (*entry, *usual)),
        ]

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the image to its end."""
        return subprocess.run(
            self.command(variables, *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_S,
        )

    def _copy(self, words: Iterable[str]) -> None:
        *sources, target = words
        for source in sources:
            path = self._work / (source if target == "./" else target)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, path, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, path)

    def _carry_out(self, stage: Stage, step: str) -> None:
        place = stage.said["WORKDIR"]
        command = [
            *(self._bwrap, *_base(), *_scratch(BUILD_SCRATCH_BYTES)),
            *_mount("--bind", self.installed, self._place),
            *_mount("--bind", self._work, place),
            *("--chdir", place, *_variables(self._environment(stage)), "--remount-ro", "/", "--"),
            *("sh", "-euc", f'python() {{ {PYTHON} "$@"; }}\n{step}'),
        ]
        subprocess.run(
            command, env=inherited(), check=True, stdout=subprocess.DEVNULL, timeout=BUILD_S
        )

    def _environment(self, stage: Stage) -> dict[str, str]:
        usual = "/usr/local/bin:/usr/bin:/bin"
        return {n: v.replace("$PATH", usual) for n, v in stage.variables.items()} or {"PATH": usual}


def _base() -> list[str]:
    """The base image: programs, libraries, configuration and Python."""
    options = ["--unshare-pid", "--as-pid-1", "--die-with-parent"]
    for home in map(Path, HOMES):
        if home.is_symlink():
            options += ["--symlink", str(home.readlink()), str(home)]
        elif home.is_dir():
            options += ["--ro-bind", str(home), str(home)]
    if not sys.base_prefix.startswith("/usr"):
        options += _mount("--ro-bind", Path(sys.base_prefix), sys.base_prefix)
    resolver = Path("/etc/resolv.conf")
    if resolver.is_symlink():
        options += ["--ro-bind", str(resolver.resolve()), str(resolver.resolve())]
    return [*options, "--proc", "/proc", "--dev", "/dev"]


def _mount(how: str, source: Path, place: str) -> list[str]:
    """With the way there open to everybody: directories that bubblewrap makes are its user's."""
    way = [str(parent) for parent in reversed(Path(place).parents[:-1])]
    opened = [word for parent in way for word in ("--perms", "0755", "--dir", parent)]
    return [*opened, how, str(source), place]


def _scratch(size: int = SCRATCH_BYTES) -> list[str]:
    return ["--perms", "1777", "--size", str(size), "--tmpfs", "/tmp"]  # noqa: S108


def _variables(variables: Mapping[str, str]) -> list[str]:
    return [word for name, value in variables.items() for word in ("--setenv", name, value)]


def _as_user(user: str, group: str) -> list[str]:
    """Last options and first words of a command that a user without any right is to run: a real
    user of that number where we are root, one in a name space of its own where we are nobody
    ourselves.
    """
    if os.geteuid() == 0:
        rights = [word for name in MAY_DROP for word in ("--cap-add", name)]
        who = [f"--reuid={user}", f"--regid={group}"]
        return [*rights, "--remount-ro", "/", "--", DROP[0], *who, *DROP[1:], "--"]
    return ["--unshare-user", "--uid", user, "--gid", group, "--remount-ro", "/", "--"]
