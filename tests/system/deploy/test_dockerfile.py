from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT
from tests.system.deploy.files import DEPLOY

DOCKERFILE = DEPLOY / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")
# One instruction a line, without comments.
INSTRUCTIONS = [
    (match[1], match[2].strip())
    for match in re.finditer(r"^([A-Z]+) (.*)$", re.sub(r"\\\n", " ", TEXT), re.MULTILINE)
]


def of(name: str) -> list[str]:
    return [rest for word, rest in INSTRUCTIONS if word == name]


def hadolint(text: str) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("hadolint")
    return subprocess.run([tool, "-"], input=text, capture_output=True, text=True, check=False)


def test_hadolint_finds_nothing() -> None:
    done = hadolint(TEXT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_would_find_something() -> None:
    assert "DL3002" in hadolint(f"{TEXT}\nUSER root\n").stdout


def test_the_base_has_a_full_version() -> None:
    bases = of("FROM")
    assert len(bases) == 2
    for base in bases:
        assert re.match(r"python:3\.11\.\d+-slim-[a-z]+( AS build)?$", base)


def test_it_runs_as_a_user_without_a_name_and_without_a_shell() -> None:
    assert of("USER") == ["10001:10001"]
    assert INSTRUCTIONS.index(("USER", "10001:10001")) > INSTRUCTIONS.index(
        next(one for one in INSTRUCTIONS if one[0] == "COPY" and "--from" in one[1])
    )
    assert of("ENTRYPOINT") == ['["decorum"]']
    assert of("CMD") == ['["worker"]']


def test_only_tested_versions_are_installed_and_nothing_is_fetched_around_pip() -> None:
    assert of("ADD") == []
    installs = [run for run in of("RUN") if "pip install" in run]
    assert installs
    for run in installs:
        assert "--constraint constraints.txt" in run or "--no-deps" in run
    assert not any(word in TEXT for word in ("curl ", "wget ", "apt-get"))


def test_what_it_copies_exists_and_is_let_through_to_the_builder() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = [c.split()[:-1] for c in of("COPY") if not c.startswith("--from")]
    sources = {source for group in copied for source in group}
    assert "*" in ignored
    assert sources == let_through
    assert all((ROOT / source).exists() for source in sources)


def test_no_secret_is_built_in() -> None:
    assert "DECORUM_" not in TEXT
    assert of("ARG") == []
