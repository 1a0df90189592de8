"""Finds the files that come with the code: schemas and packaged policies.

In a checkout they are beside `streams/`, in an installed wheel inside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parent


def schema_path(*parts: str) -> Path:
    """The path of a file below `schemas/`, for example `schema_path("policies", "wecom.yaml")`.

    Raises FileNotFoundError if this installation has no such file.
    """
    for root in (PACKAGE / "schemas", PACKAGE.parent / "schemas"):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError(f"no {'/'.join(parts)} among the installed schemas")
