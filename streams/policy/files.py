"""Policy documents on disk: reading and checking. What a document means is told in `parse`.

Rules of this file: YAML becomes the plain data that JSON would have carried, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from streams.policy.notes import notes
from streams.policy.parse import parse_policy
from streams.resources import schema_path

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from pathlib import Path

    from streams.core.policy import Policy

_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


class PolicyError(Exception):
    """A policy cannot be used; `lines` says why, one complete line for each fault."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class _Loader(yaml.SafeLoader):
    """YAML as JSON-like data: times stay strings, and no key may stand twice."""

    # Without it 2026-11-22T02:00:00Z stays the string that JSON would have carried.
    yaml_implicit_resolvers = {  # noqa: RUF012 - so declared by the base class
        first: [(tag, form) for tag, form in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the base class's signature
        _refuse_twice(node)
        return super().construct_mapping(node, deep=deep)


def _refuse_twice(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key `{key.value}` stands twice", key.start_mark
            )
        seen.add(key.value)


def read_document(path: Path) -> object:
    """The plain data in a YAML or JSON file.

    Raises PolicyError with file, line and column where it cannot be read.
    """
    try:
        return yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise PolicyError([f"{path}: {error.strerror or error}"]) from error
    except yaml.MarkedYAMLError as error:
        raise PolicyError([f"{path}{_place(error)}: {error.problem}"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # Not UTF-8; a number of thousands of digits; brackets nested a thousand deep.
        raise PolicyError([f"{path}: {' '.join(str(error).split())}"]) from error


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def check_file(path: Path) -> list[str]:
    """Every fault of a policy file, one line each; empty when it may be published."""
    try:
        load_file(path)
    except PolicyError as error:
        return list(error.lines)
    return []


def notes_on_file(path: Path) -> list[str]:
    """What a policy file leaves ungoverned, one line each. Raises PolicyError on faults."""
    return notes(load_file(path)[1])


def load_file(path: Path) -> tuple[dict[str, Any], Policy]:
    """The document as written, and the policy it says. Raises PolicyError with all faults."""
    return accepted(read_document(path), in_force=None)


def packaged(name: str = "wecom") -> tuple[dict[str, Any], Policy]:
    """A policy that comes with Decorum. Raises FileNotFoundError for an unknown name."""
    return load_file(schema_path("policies", f"{name}.yaml"))


def accepted(document: object, *, in_force: int | None) -> tuple[dict[str, Any], Policy]:
    """The document and the policy it says. Raises PolicyError with all faults."""
    policy, faults = parse_policy(document, in_force=in_force)
    if policy is None or not isinstance(document, dict):
        raise PolicyError(str(fault) for fault in faults)
    return document, policy
