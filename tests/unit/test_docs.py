"""The docs say what the code does: every outcome, reason and metric has its line, and no more."""

from __future__ import annotations

import re

from streams.core.reasons import Outcome, Reason
from streams.ops.metrics import Observer
from tests.support.paths import ROOT


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_outcome_and_reason_is_explained_to_producers() -> None:
    explained = set(re.findall(r"`([a-z_]+)`", _read("docs/producers.md")))
    assert set(Outcome) | set(Reason) <= explained


def test_metrics_in_the_docs_exist() -> None:
    exposed = Observer().exposition().decode()
    named = set(re.findall(r"`(decorum_[a-z_]+)", _read("docs/operate.md")))
    unknown = [name for name in named if f"# TYPE {name.removesuffix('_total')}" not in exposed]
    assert named
    assert unknown == []


def test_files_that_the_docs_name_exist() -> None:
    documents = ["README.md", "CHANGELOG.md", *(f"docs/{n}.md" for n in ("producers", "operate"))]
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)\)", _read(document)):
            assert (ROOT / document).parent.joinpath(target).exists(), (document, target)
