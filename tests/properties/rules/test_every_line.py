"""Every line of the rules has a test that names it, and every test names lines that are there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.flows.flows import FLOWS
from tests.properties.rules.proofs import (
    DOCUMENT,
    END,
    HEAD,
    lines_of,
    proofs,
    proofs_in,
    with_proofs,
)
from tests.support.paths import ROOT

TEXT = DOCUMENT.read_text(encoding="utf-8")
LINES = lines_of(TEXT)
PROOFS = proofs()


def test_every_line_has_a_test() -> None:
    proved = {line for proof in PROOFS for line in proof.rules}
    assert LINES
    assert [line for line in LINES if line not in proved] == []


def test_every_test_names_lines_that_are_there() -> None:
    assert {line: p.name for p in PROOFS for line in p.rules if line not in LINES} == {}


def test_no_number_stands_twice_and_none_is_left_out() -> None:
    assert [line for line, times in Counter(LINES).items() if times > 1] == []
    sections = {line.split(".")[0] for line in LINES}
    for section in sections:
        numbers = [int(line.split(".")[1]) for line in LINES if line.split(".")[0] == section]
        assert sorted(numbers) == list(range(1, len(numbers) + 1)), section


def test_no_named_test_can_be_skipped() -> None:
    assert [(p.file, p.name, p.doubts) for p in PROOFS if p.doubts] == []
    assert [p for p in PROOFS if p.file.startswith("tests/integration/kafka/")] == []


def test_every_named_test_is_one_that_is_collected() -> None:
    for proof in PROOFS:
        if not proof.flow:
            assert proof.name.startswith("test_"), proof
            assert Path(proof.file).name.startswith("test_"), proof


def test_every_named_flow_is_one_that_is_played() -> None:
    played = {flow.name for flow in FLOWS}
    assert [proof for proof in PROOFS if proof.flow and proof.name not in played] == []
    player = (ROOT / "tests/flows/test_flows.py").read_text(encoding="utf-8")
    assert "skip" not in player
    assert "xfail" not in player


def test_the_document_shows_the_proofs() -> None:
    assert with_proofs(TEXT, PROOFS) == TEXT, "write them anew: python -m tests.properties.rules"


def test_every_section_has_a_place_for_its_proofs() -> None:
    for section in {line.removeprefix("R").split(".")[0] for line in LINES}:
        assert TEXT.count(HEAD.format(section)) == 1, section
    assert TEXT.count(END) == TEXT.count("<!-- proofs of section")


# --- the reader itself: what it must not pass over ------------------------------------------------


def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> list[tuple[str, ...]]:
    monkeypatch.setattr("tests.properties.rules.proofs.ROOT", tmp_path)
    file = tmp_path / "test_x.py"
    file.write_text(source, encoding="utf-8")
    return [(*proof.rules, *proof.doubts) for proof in proofs_in(file)]


MARK = '@pytest.mark.rule("R1.1", "R1.2")\n'


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (MARK + "def test_x(): ...", ("R1.1", "R1.2")),
        (MARK + "async def test_x(): ...", ("R1.1", "R1.2")),
        (MARK + "@pytest.mark.skip\ndef test_x(): ...", ("R1.1", "R1.2", "skip")),
        (MARK + "@pytest.mark.xfail()\ndef test_x(): ...", ("R1.1", "R1.2", "xfail")),
        (MARK + "def test_x():\n    pytest.skip('no')", ("R1.1", "R1.2", "skip")),
        (MARK + "def test_x(kafka): ...", ("R1.1", "R1.2", "kafka")),
    ],
)
def test_the_reader_finds_lines_and_doubts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, found: tuple[str, ...]
) -> None:
    assert read(tmp_path, monkeypatch, source) == [found]


@pytest.mark.parametrize(
    "source",
    [
        'pytestmark = pytest.mark.rule("R1.1")\ndef test_x(): ...',
        '@pytest.mark.rule("R1.1")\nclass TestX: ...',
        'def test_x(): ...\nnamed = pytest.mark.rule("R1.1")(test_x)',
    ],
)
def test_a_mark_that_cannot_be_read_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    with pytest.raises(ValueError, match="no decorators"):
        read(tmp_path, monkeypatch, source)
