from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT


@pytest.mark.parametrize("name", ["SECURITY.md", "docs/deploy.md"])
def test_files_and_tests_that_are_named_exist(name: str) -> None:
    document = ROOT / name
    text = document.read_text(encoding="utf-8")
    links = [document.parent / link for link in re.findall(r"\]\(((?!https)[^)#]+)", text)]
    paths = [ROOT / path for path in re.findall(r"\b(?:tests|deploy|streams)/[\w./-]*\w", text)]
    assert links
    assert paths
    assert [path for path in (*links, *paths) if not path.exists()] == []


def test_the_proofs_in_the_threat_model_are_tests() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.count(" | ") == 3]
    proofs = [row[2] for row in rows if "tests/" in row[2]]
    assert len(proofs) >= 8
