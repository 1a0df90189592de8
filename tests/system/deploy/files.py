"""The files under `deploy/`, read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"


def kustomizations() -> dict[Path, dict[str, Any]]:
    """Every directory that can be applied, with its kustomization."""
    found = sorted(KUBERNETES.rglob("kustomization.yaml"))
    return {path.parent: yaml.safe_load(path.read_text(encoding="utf-8")) for path in found}


def resources() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every resource, with the file and the name to tell it by."""
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        if path.name == "kustomization.yaml":
            continue
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            named = f"{path.relative_to(KUBERNETES)}: {one['kind']} {one['metadata']['name']}"
            yield named, one


def resource(kind: str, name: str) -> dict[str, Any]:
    (one,) = [r for _, r in resources() if r["kind"] == kind and r["metadata"]["name"] == name]
    return one


def settings_file(path: Path) -> dict[str, str]:
    """NAME=value of a file of settings."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


def settings_named() -> dict[str, set[str]]:
    """Each file's words that look like settings."""
    kinds = {".yaml", ".yml", ".env", ".settings", ".md", ""}
    files = [*DEPLOY.rglob("*"), ROOT / "docs" / "deploy.md", ROOT / "SECURITY.md"]
    return {
        str(path.relative_to(ROOT)): set(re.findall(r"\bDECORUM_[A-Z_]*[A-Z]", path.read_text()))
        for path in files
        if path.is_file() and path.suffix in kinds
    }
