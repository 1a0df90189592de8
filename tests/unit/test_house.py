"""The house is as docs/architecture.md draws it: no circle, no import upwards, no false walk."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DRAWN = (ROOT / "docs/architecture.md").read_text()
ROOMS = re.findall(r"^\| `(streams[\w.]*)` \|", DRAWN, re.MULTILINE)
"""From the lowest to the highest; a room may import itself and the ones above it in the table."""
PLACES = re.findall(r"`(streams/[\w/]+\.py)::([\w.]+)`", DRAWN)


def modules() -> dict[str, Path]:
    files = sorted((ROOT / "streams").rglob("*.py"))
    return {".".join(f.relative_to(ROOT).with_suffix("").parts): f for f in files}


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """Every module of the package that a file imports, also for the type checker alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("streams"):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("streams"))


def room(module: str) -> int:
    """The number of a module's room; the longest name that fits."""
    fitting = [name for name in ROOMS if f"{module}.".startswith(f"{name}.")]
    return ROOMS.index(max(fitting, key=len))


def test_the_rooms_are_drawn() -> None:
    assert len(ROOMS) > 10
    assert "streams" in ROOMS


def test_no_module_imports_itself_by_whatever_way() -> None:
    graph = {name: set(imports(path)) & MODULES.keys() for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


@pytest.mark.parametrize("module", MODULES)
def test_no_import_goes_up(module: str) -> None:
    higher = [name for name in imports(MODULES[module]) if room(name) > room(module)]
    assert not higher


@pytest.mark.parametrize(("file", "name"), PLACES, ids=[f"{f}::{n}" for f, n in PLACES])
def test_what_a_walk_names_is_there(file: str, name: str) -> None:
    found: ast.AST = ast.parse((ROOT / file).read_text())
    for part in name.split("."):
        found = next(
            node
            for node in ast.iter_child_nodes(found)
            if getattr(node, "name", None) == part or _is_named(node, part)
        )


def _is_named(node: ast.AST, name: str) -> bool:
    target = node.target if isinstance(node, ast.AnnAssign) else None
    return isinstance(target, ast.Name) and target.id == name
