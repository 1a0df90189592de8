"""What the machine is, and which of its cores does what.

A worker gets a core of its own; broker, load and readers share the others. Where that is not
possible the report says so, because such figures are not comparable.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from streams.local.jars import POM
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cores(NamedTuple):
    """The worker's core, and everybody else's."""

    worker: frozenset[int]
    others: frozenset[int]

    def __str__(self) -> str:
        others = ",".join(map(str, sorted(self.others)))
        return f"worker on core {min(self.worker)}, broker and load on core {others}"


def divide_cores() -> Cores | None:
    """None where nothing can be pinned: another system than Linux, or a single core."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    first, *others = sorted(os.sched_getaffinity(0))
    return Cores(frozenset({first}), frozenset(others)) if others else None


@contextmanager
def placed(cores: frozenset[int] | None) -> Iterator[None]:
    """Processes started within run on these cores: a child inherits its parent's."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Others:
    """How much of the machine went to processes that are none of this run's."""

    def __init__(self) -> None:
        self._began = _busy_s()

    def __str__(self) -> str:
        """Call when all processes of the run have ended and were waited for."""
        busy_s, own_s, passed_s = (b - a for a, b in zip(self._began, _busy_s(), strict=True))
        if not busy_s:
            return "not known on this system"
        share = max(0.0, busy_s - own_s) / (passed_s * (os.cpu_count() or 1))
        warning = " - IT WAS BUSY WITH OTHER WORK: figures are too low" if share > 0.05 else ""
        return f"{share:.0%} of the machine during the run{warning}"


def _busy_s() -> tuple[float, float, float]:
    """Processor seconds: of the machine, of this process and its ended children; and the clock."""
    own = os.times()
    own_s = own.user + own.system + own.children_user + own.children_system
    try:
        line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return 0.0, own_s, own.elapsed
    user, nice, system, _, _, irq, soft_irq, *_ = map(int, line.split()[1:])
    busy_s = (user + nice + system + irq + soft_irq) / os.sysconf("SC_CLK_TCK")
    return busy_s, own_s, own.elapsed


def describe(cores: Cores | None) -> list[str]:
    """One line for each fact that a figure depends on."""
    pinning = str(cores) if cores else "NOT PINNED: worker, broker and load share all cores"
    return [
        f"machine   {_processor()}, {os.cpu_count()} cores, {_memory()}; {platform.system()}",
        f"software  Python {platform.python_version()}, Apache Kafka {_broker()}",
        f"revision  {_revision()}",
        f"pinning   {pinning}",
    ]


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1] if found else platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"


def _broker() -> str:
    found = re.search(r"<kafka.version>(.+?)<", POM.read_text(encoding="utf-8"))
    return f"{found[1]} (KRaft, one node, replication factor 1)" if found else "?"


def _revision() -> str:
    name = _git("rev-parse", "--short", "HEAD")
    if not name:
        return "not a git checkout"
    return f"{name} with uncommitted changes" if _git("status", "--porcelain") else name


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
