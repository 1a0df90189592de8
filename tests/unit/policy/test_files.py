from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.policy.files import PolicyError, check_file, load_file, packaged, read_document

if TYPE_CHECKING:
    from pathlib import Path

LEAST = "policy: sample\nversion: 1\nenterprise: acme\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


def test_a_good_file_has_no_faults(file: Path) -> None:
    file.write_text(LEAST, "utf-8")
    assert check_file(file) == []
    document, policy = load_file(file)
    assert document == {"policy": "sample", "version": 1, "enterprise": "acme"}
    assert (policy.name, policy.enterprise) == ("sample", "acme")


def test_every_fault_is_a_line_with_its_path(file: Path) -> None:
    file.write_text(LEAST + "max_held: 0\nreply: {credits: 5}\n", "utf-8")
    why = "for all that one customer's held intents are stored in one record of 4 MiB"
    assert check_file(file) == [
        f"max_held: `0` is out of range: from 1 to 150, {why}",
        "reply.within: is missing",
    ]
    with pytest.raises(PolicyError) as error:
        load_file(file)
    assert list(error.value.lines) == check_file(file)


def test_a_key_may_not_stand_twice(file: Path) -> None:
    file.write_text(LEAST + "reply: {credits: 5, within: 48h, credits: 6}\n", "utf-8")
    assert check_file(file) == [f"{file}:4:34: the key `credits` stands twice"]


def test_a_merged_key_may_be_overridden(file: Path) -> None:
    rule = "&rule {id: a, kinds: [direct], scope: account, limit: 1, rolling: 1h}"
    file.write_text(
        f"{LEAST}windows:\n  - {rule}\n  - {{<<: *rule, id: b, limit: 2, rolling: 1d}}\n"
    )
    assert check_file(file) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: [1\nb: 2\n", ":2:2: "), ("a: b: c\n", ":1:5: "), ("a: 1\n---\nb: 2\n", ":2:1: ")],
)
def test_broken_yaml_is_told_with_line_and_column(file: Path, text: str, place: str) -> None:
    file.write_text(text, "utf-8")
    (line,) = check_file(file)
    assert line.startswith(f"{file}{place}")


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\xff", b"a: \x07", b"a: " + b"9" * 5_000, b"[" * 5_000, b"a: !!python/none"],
)
def test_what_cannot_be_read_is_one_line(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    (line,) = check_file(file)
    assert line.startswith(str(file))
    assert "\n" not in line


def test_a_missing_file_is_a_fault_like_others(file: Path) -> None:
    assert check_file(file) == [f"{file}: No such file or directory"]


@pytest.mark.parametrize("content", ["", "# nothing\n", "[]", "just words"])
def test_a_file_that_is_no_mapping(file: Path, content: str) -> None:
    file.write_text(content, "utf-8")
    (line,) = check_file(file)
    assert line.startswith("must be a mapping of keys")


def test_times_stay_what_they_are_in_json(file: Path) -> None:
    file.write_text("effective_at: 2026-12-01T00:00:00Z\n", "utf-8")
    assert read_document(file) == {"effective_at": "2026-12-01T00:00:00Z"}


def test_an_unknown_profile_is_not_found() -> None:
    with pytest.raises(FileNotFoundError, match=r"policies/none\.yaml"):
        packaged("none")
