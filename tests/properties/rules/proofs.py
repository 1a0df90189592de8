"""Which test proves which line of `docs/rules.md`: both are read as text, and nothing is run.

A test names its lines with `@pytest.mark.rule("R2.1", …)`; so does a flow, above its `@flow`. Rules
of this file: no test is imported, so that a broken one hides no other; a mark that is written in a
way this cannot read is a fault and not passed over.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DOCUMENT: Final = ROOT / "docs" / "rules.md"
HEAD: Final = "<!-- proofs of section {}: written by `python -m tests.properties.rules` -->"
END: Final = "<!-- end of proofs -->"

SKIPPING: Final = frozenset({"skip", "skipif", "xfail", "importorskip"})
NEEDS_KAFKA: Final = frozenset({"kafka", "kafka_tools", "rig", "world"})
"""Fixtures that skip a test on a machine without Java."""

_FUNCTION: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_LINE: Final = re.compile(r"^- \*\*(R(\d+)\.\d+)\*\* ", re.MULTILINE)
_BLOCK: Final = re.compile(HEAD.replace("{}", r"(\d+)") + r"\n(?:.*?\n)??" + END, re.DOTALL)


class Proof(NamedTuple):
    """A marked test or flow. `file` is relative to the root; `doubts`: why it might not run."""

    rules: tuple[str, ...]
    file: str
    name: str
    flow: bool
    doubts: tuple[str, ...]


def lines_of(document: str) -> list[str]:
    """The numbers of all lines, in their order."""
    return [found[1] for found in _LINE.finditer(document)]


def proofs() -> list[Proof]:
    """Every marked test and flow, by file and then by place."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    return [proof for file in files for proof in proofs_in(file)]


def proofs_in(file: Path) -> list[Proof]:
    """The marked tests and flows of one file. ValueError for a mark that is no decorator."""
    source = file.read_text(encoding="utf-8")
    if "mark.rule" not in source:
        return []
    tree, name = ast.parse(source), file.relative_to(ROOT).as_posix()
    marked = [node for node in ast.walk(tree) if isinstance(node, _FUNCTION) and _marks(node)]
    strays = sum(map(_is_mark, ast.walk(tree))) - sum(len(_marks(node)) for node in marked)
    if strays:
        raise ValueError(f"{name}: {strays} rule marks are no decorators of functions")
    doubts = tuple(sorted(_attributes(tree) & SKIPPING))
    return [_proof(node, name, doubts) for node in marked]


def _proof(node: _Function, file: str, doubts: tuple[str, ...]) -> Proof:
    rules = tuple(str(ast.literal_eval(line)) for mark in _marks(node) for line in mark.args)
    needs = tuple(a.arg for a in node.args.args if a.arg in NEEDS_KAFKA)
    return Proof(rules, file, node.name, _is_flow(node), doubts + needs)


def _marks(node: _Function) -> list[ast.Call]:
    calls = [d for d in node.decorator_list if isinstance(d, ast.Call)]
    return [call for call in calls if _is_mark(call.func)]


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "pytest.mark.rule"


def _is_flow(node: _Function) -> bool:
    return any(ast.unparse(d).startswith("flow(") for d in node.decorator_list)


def _attributes(tree: ast.Module) -> set[str]:
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def with_proofs(document: str, found: Sequence[Proof]) -> str:
    """The document with its proofs written anew, section by section."""
    lines = lines_of(document)

    def block(old: re.Match[str]) -> str:
        own = [line for line in lines if line.startswith(f"R{old[1]}.")]
        table = [row for line in own for row in _rows(line, found)]
        return "\n".join([HEAD.format(old[1]), *(_folded(table) if table else []), END])

    return _BLOCK.sub(block, document)


def _rows(line: str, found: Sequence[Proof]) -> Iterator[str]:
    names = [f"`{proof.file}::{proof.name}`" for proof in found if line in proof.rules]
    yield f"| {line} | {'<br>'.join(names)} |"


def _folded(table: Sequence[str]) -> list[str]:
    opening = ["<details><summary>The tests of these lines</summary>", ""]
    return [*opening, "| line | proved by |", "|---|---|", *table, "", "</details>"]
