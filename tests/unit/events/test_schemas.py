"""The schemas say what the types say: the same fields, the same limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

import pytest
from jsonschema import Draft202012Validator
from msgspec import inspect

from streams.core.kinds import KIND_NAMES
from streams.core.reasons import Outcome, Reason
from streams.core.written import IDENTIFIER_CHARACTERS
from streams.events.checks import CONTROL, RFC_3339
from streams.events.controls import Control
from streams.events.envelope import MAX_ERROR, RejectedReason
from streams.events.fields import MAX_RECORD_BYTES, KindName
from streams.events.intents import IntentEvent
from streams.events.interactions import Interaction
from streams.stages.dead_letters import LONGEST_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable

# Patterns that `decode` checks itself, because `Meta` would be too slow.
CHECKED_IN_DECODE = {"^[A-Za-z0-9_.:@=-]+$", r"^[^\u0000-\u001f\u007f-\u009f]+$"}


def of_type(info: inspect.Type) -> Any:
    """A msgspec type as nested plain values that compare."""
    return PLAIN_OF[type(info)](info)


def fields_of_type(info: inspect.StructType) -> frozenset[Any]:
    fields = {(each.encode_name, each.required, of_type(each.type)) for each in info.fields}
    if info.tag is not None:
        fields.add(("type", True, ("enum", frozenset({info.tag}))))
    return frozenset(fields)


PLAIN_OF: dict[type, Callable[[Any], Any]] = {
    inspect.UnionType: lambda info: frozenset(of_type(each) for each in info.types),
    inspect.StrType: lambda info: (
        "string",
        info.min_length,
        info.max_length,
        info.pattern and info.pattern.replace(r"\Z", "$"),
    ),
    inspect.IntType: lambda info: ("integer", info.ge, info.le),
    inspect.LiteralType: lambda info: ("enum", frozenset(info.values)),
    inspect.ListType: lambda info: (
        "array",
        info.min_length,
        info.max_length,
        of_type(info.item_type),
    ),
    inspect.DictType: lambda info: (
        "map",
        info.max_length,
        of_type(info.key_type),
        of_type(info.value_type),
    ),
    inspect.StructType: lambda info: ("object", fields_of_type(info)),
    inspect.BoolType: lambda _: ("boolean",),
    inspect.NoneType: lambda _: ("null",),
    inspect.Metadata: lambda info: of_type(info.type),  # described for those who are refused
}


class Reader:
    """Schemas as the same nested plain values."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self.schemas = schemas

    def resolve(self, schema: dict[str, Any], home: str) -> tuple[dict[str, Any], str]:
        while "$ref" in schema:
            file, _, path = schema["$ref"].partition("#")
            home = file.removesuffix(".schema.json") or home
            target = self.schemas[home]
            for step in path.split("/")[1:]:
                target = target[step]
            schema = target
        return schema, home

    def of_schema(self, schema: dict[str, Any], home: str) -> Any:
        schema, home = self.resolve(schema, home)
        if "anyOf" in schema:
            return frozenset(self.of_schema(each, home) for each in schema["anyOf"])
        if "const" in schema or "enum" in schema:
            return ("enum", frozenset(schema.get("enum", [schema.get("const")])))
        if isinstance(schema["type"], list):
            return frozenset(self.of_schema({**schema, "type": t}, home) for t in schema["type"])
        return getattr(self, f"of_{schema['type']}")(schema, home)

    def of_string(self, schema: dict[str, Any], _: str) -> Any:
        pattern = schema.get("pattern")
        if pattern in CHECKED_IN_DECODE or pattern == f"^{RFC_3339}$":
            pattern = None
        return ("string", schema.get("minLength"), schema.get("maxLength"), pattern)

    def of_integer(self, schema: dict[str, Any], _: str) -> Any:
        return ("integer", schema["minimum"], schema["maximum"])

    def of_array(self, schema: dict[str, Any], home: str) -> Any:
        items = self.of_schema(schema["items"], home)
        return ("array", schema.get("minItems"), schema["maxItems"], items)

    def of_boolean(self, _: dict[str, Any], __: str) -> Any:
        return ("boolean",)

    def of_null(self, _: dict[str, Any], __: str) -> Any:
        return ("null",)

    def of_object(self, schema: dict[str, Any], home: str) -> Any:
        if "properties" in schema:
            return ("object", self.fields(schema, home))
        names = self.of_schema({"type": "string", **schema["propertyNames"]}, home)
        values = self.of_schema(schema["additionalProperties"], home)
        return ("map", schema["maxProperties"], names, values)

    def fields(self, schema: dict[str, Any], home: str) -> frozenset[Any]:
        return frozenset(
            (name, name in schema["required"], self.of_schema(each, home))
            for name, each in schema["properties"].items()
        )

    def of_event(self, schema: dict[str, Any], home: str) -> Any:
        """An event's schema says more of two of the envelope's fields."""
        envelope = self.schemas["envelope"]
        own = {"required": envelope["required"], "properties": schema["properties"]}
        rest = {
            name: each
            for name, each in envelope["properties"].items()
            if name not in schema["properties"]
        }
        fields = self.fields({**envelope, "properties": rest}, "envelope")
        return ("object", fields | self.fields(own, home))


def test_schemas_are_schemas(schemas: dict[str, Any]) -> None:
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(("name", "shape"), [("intent", IntentEvent), ("control", Control)])
def test_fields_and_limits(name: str, shape: type, schemas: dict[str, Any]) -> None:
    assert Reader(schemas).of_event(schemas[name], name) == of_type(inspect.type_info(shape))


@pytest.mark.parametrize("shape", get_args(Interaction), ids=lambda shape: shape.__name__)
def test_fields_and_limits_of_interactions(shape: type, schemas: dict[str, Any]) -> None:
    info = inspect.type_info(shape)
    assert isinstance(info, inspect.StructType)
    name = str(info.tag).split(".")[1]
    schema = schemas["interactions"]["$defs"][name]
    assert Reader(schemas).of_event(schema, "interactions") == of_type(info)


def test_one_schema_for_each_interaction(schemas: dict[str, Any]) -> None:
    defined = schemas["interactions"]["$defs"]
    assert len(defined) == len(get_args(Interaction))
    assert [each["$ref"] for each in schemas["interactions"]["oneOf"]] == [
        f"#/$defs/{name}" for name in defined
    ]


def test_the_pattern_of_identifiers_is_the_decoders_alphabet(schemas: dict[str, Any]) -> None:
    pattern = re.compile(schemas["envelope"]["$defs"]["identifier"]["pattern"])
    matching = {character for character in map(chr, range(0x250)) if pattern.match(character)}
    assert matching == set(IDENTIFIER_CHARACTERS.decode())


def test_words_shared_with_the_core(schemas: dict[str, Any]) -> None:
    decision = schemas["decision"]["properties"]["data"]["properties"]
    assert decision["outcome"]["enum"] == [str(outcome) for outcome in Outcome]
    assert decision["reason"]["enum"] == [str(reason) for reason in Reason]
    assert schemas["envelope"]["$defs"]["kind"]["enum"] == list(KIND_NAMES)
    assert get_args(KindName) == KIND_NAMES


def test_words_shared_with_the_decoder(schemas: dict[str, Any]) -> None:
    letter = schemas["dead-letter"]["properties"]["data"]["properties"]
    assert set(get_args(RejectedReason)) < set(letter["reason"]["enum"])
    assert letter["error"]["maxLength"] > max(MAX_ERROR, LONGEST_ERROR)
    assert f"{MAX_RECORD_BYTES:,}" in schemas["envelope"]["description"]
    free_text = schemas["envelope"]["$defs"]["source"]["pattern"]
    assert free_text.encode().decode("unicode_escape") == f"^[^{CONTROL}]+$"


def test_every_field_is_described(schemas: dict[str, Any]) -> None:
    silent = [
        f"{name}{path}"
        for name, schema in schemas.items()
        for path, field in fields_below(schema)
        if not described(field)
    ]
    assert silent == []


def described(field: dict[str, Any]) -> bool:
    return "description" in field or "const" in field or "$ref" in field


def fields_below(schema: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every property anywhere in a schema; those of `if` and `then` only repeat them."""
    found: list[tuple[str, dict[str, Any]]] = []
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "properties":
                found += [
                    (f"{path}.{name}", field) for name, field in value.items() if name != "data"
                ]
            if key not in {"if", "then", "examples"}:
                found += fields_below(value, f"{path}.{key}")
    return found
