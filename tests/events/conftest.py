"""The schemas as a strict reader of the standards takes them, and the samples beside them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEMAS = Path(__file__).parents[2] / "schemas"


def ecma_pattern(_: Any, pattern: str, text: Any, __: Any) -> Iterator[ValidationError]:
    """JSON Schema's patterns are ECMA-262's, where `$` lets no line break pass; Python's does."""
    if isinstance(text, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), text):
        yield ValidationError(f"does not match {pattern}")


# JSON Schema takes 40.0 for an integer; our envelope says that integers are written without it.
STRICT_TYPES = Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
)
StrictValidator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": ecma_pattern}, type_checker=STRICT_TYPES
)


@pytest.fixture(scope="session")
def schemas() -> dict[str, Any]:
    """Every event schema by its name, `policy` aside, which is no event's."""
    return {
        path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(SCHEMAS.glob("*.schema.json"))
        if path.name != "policy.schema.json"
    }


@pytest.fixture(scope="session")
def is_valid(schemas: dict[str, Any]) -> Callable[[str, Any], bool]:
    """Whether a value satisfies the schema of that name."""
    # A schema that names its dialect is read by the stock validator, ours replaced.
    plain = {
        name: {key: value for key, value in schema.items() if key != "$schema"}
        for name, schema in schemas.items()
    }
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], DRAFT202012.create_resource(schema)) for schema in plain.values()
    )
    validators = {
        name: StrictValidator(schema, registry=registry) for name, schema in plain.items()
    }
    return lambda name, value: validators[name].is_valid(value)
