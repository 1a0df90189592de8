"""The published schemas as a strict reader of the standards takes them, and every output by them.

A validator costs as much as a decision. So `check` keeps what a record looks like, its words and
the forms of its names and numbers, and looks again only at one that looks like none before it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import orjson
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from streams.topics import TOPICS
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMAS: Final = ROOT / "schemas"

SCHEMA_OF: Final = {
    topic.name: topic.value.split(".")[1].replace("_", "-")
    for topic in TOPICS
    if topic.direction == "out"
}
"""The schema of each output topic, named like its event's type."""


def event_schemas() -> dict[str, Any]:
    """Every event schema by its name, `policy` aside, which is no event's."""
    return {
        path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(SCHEMAS.glob("*.schema.json"))
        if path.name != "policy.schema.json"
    }


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


def validators() -> dict[str, Any]:
    """A validator for each event schema."""
    # A schema that names its dialect is read by the stock validator, ours replaced.
    plain = {
        name: {key: value for key, value in schema.items() if key != "$schema"}
        for name, schema in event_schemas().items()
    }
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], DRAFT202012.create_resource(schema)) for schema in plain.values()
    )
    return {name: StrictValidator(schema, registry=registry) for name, schema in plain.items()}


VALIDATORS: Final = validators()
_seen: set[Any] = set()


def check(topic: str, value: bytes | None) -> None:
    """AssertionError where a record of an output topic is not as its schema says."""
    name = SCHEMA_OF.get(topic)
    if name is None or value is None:
        return
    event = orjson.loads(value)
    look = (name, _look("", event))
    if look in _seen:
        return
    faults = [f"{topic}{e.json_path}: {e.message}" for e in VALIDATORS[name].iter_errors(event)]
    if faults:
        raise AssertionError("\n".join(faults))
    _seen.add(look)


def _look(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, _look(key, one)) for key, one in value.items())
    if isinstance(value, list):
        return frozenset(_look(name, one) for one in value)
    if isinstance(value, str):
        return _form(value) if _is_name(name) else value
    if isinstance(value, int) and not isinstance(value, bool):
        return value.bit_length(), value > 0
    return type(value), bool(value)


def _is_name(name: str) -> bool:
    return name.endswith(("id", "_base64")) or name in {"time", "source", "subject", "error"}


def _form(text: str) -> tuple[str, int]:
    """Which signs a name is made of, and how long it is to within a tenth of a thousand."""
    return re.sub(r"[0-9A-Za-z+/=]+", "a", text)[:64], len(text) // 100
