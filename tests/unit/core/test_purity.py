"""The core knows nothing: what it may import and name is read off its syntax trees.

So a decision depends on its ledger, its law and its clock alone, and replaying the same records
gives the same bytes.
"""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STREAMS = ROOT / "streams"
CORE = sorted((STREAMS / "core").glob("**/*.py"))
STAGES = sorted((STREAMS / "stages").glob("**/*.py"))

OUTSIDE = {
    "asyncio",
    "concurrent",
    "http",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "select",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}
"""Modules of the standard library that know a clock, chance, a disk, a network or a process."""

FAUST = {"faust", "aiokafka", "mode", "aiohttp", "structlog", "prometheus_client"}
CLOCKS_AND_CHANCE = {"now", "utcnow", "today", "perf_counter", "monotonic", "random", "urandom"}
DOORS = {"open", "print", "input", "exec", "eval", "breakpoint", "__import__"}


def named(path: Path) -> str:
    return str(path.relative_to(STREAMS.parent))


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, those for type checking alone included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)}: relative import"
            yield node.module or ""


def forbidden(path: Path) -> set[str]:
    """Clocks and chance by their attribute's name, doors by being called."""
    tree = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    attributes = {node.attr for node in tree if isinstance(node, ast.Attribute)}
    calls = [node.func for node in tree if isinstance(node, ast.Call)]
    called = {function.id for function in calls if isinstance(function, ast.Name)}
    return attributes & CLOCKS_AND_CHANCE | called & DOORS


def test_there_is_something_to_look_at() -> None:
    assert {"decide.py", "ledger.py", "windows.py"} <= {path.name for path in CORE}
    assert {"stage.py", "batch.py", "rules.py"} <= {path.name for path in STAGES}


@pytest.mark.parametrize("path", CORE, ids=named)
def test_the_core_imports_the_standard_library_msgspec_and_itself(path: Path) -> None:
    for module in imports(path):
        root = module.partition(".")[0]
        own = module == "streams.core" or module.startswith("streams.core.")
        allowed = own or root == "msgspec" or root in sys.stdlib_module_names
        assert allowed, f"{named(path)} imports {module}"
        assert root not in OUTSIDE, f"{named(path)} imports {module}"


@pytest.mark.rule("R4.16")
@pytest.mark.parametrize("path", CORE, ids=named)
def test_the_core_names_no_clock_no_chance_and_no_door(path: Path) -> None:
    assert not forbidden(path)


@pytest.mark.parametrize("path", STAGES, ids=named)
def test_the_stages_import_no_engine_and_no_clock(path: Path) -> None:
    roots = {module.partition(".")[0] for module in imports(path)}
    assert not roots & (FAUST | OUTSIDE), f"{named(path)} imports {sorted(roots)}"
    engine = {m for m in imports(path) if m.startswith(("streams.worker", "streams.ops"))}
    assert not engine, f"{named(path)} imports {sorted(engine)}"


@pytest.mark.rule("R4.16")
@pytest.mark.parametrize("path", STAGES, ids=named)
def test_the_stages_name_no_clock_and_no_chance(path: Path) -> None:
    assert not forbidden(path)
